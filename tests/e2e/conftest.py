"""The fixture of a serving process."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.serving import Serve, serving


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serves a registry in a process of its own until the test ends."""
    with ExitStack() as stack:
        yield lambda registry: stack.enter_context(serving(registry, tmp_path / "server.log", "--poll-seconds", "0.05"))
