"""Stores of every kind, and an empty registry in memory."""

from pathlib import Path

import pytest

from scoreline_registry.registry import Registry
from scoreline_registry.storage import LocalStorage, MemoryStorage, Storage


@pytest.fixture(params=["local", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """An empty store; a test that asks for it runs once per kind."""
    return LocalStorage(tmp_path / "store") if request.param == "local" else MemoryStorage()


@pytest.fixture
def memory() -> MemoryStorage:
    """An empty store in memory, for tests that do not care which."""
    return MemoryStorage()


@pytest.fixture
def registry(memory: MemoryStorage) -> Registry:
    """An empty registry in ``memory``."""
    return Registry.create(memory)
