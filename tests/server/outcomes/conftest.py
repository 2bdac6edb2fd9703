"""A registry with the route ``credit``, and the journal's folder beside it."""

from pathlib import Path

import pytest

from scoreline_registry.registry import Registry
from tests.server.routes import apply
from tests.server.toys import publish_linear


@pytest.fixture
def credit(registry: Registry) -> Registry:
    """The registry with one route to one model."""
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    return registry


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """The folder of the server's journal."""
    return tmp_path / "registry-journal"
