"""The image, built once, and a line at the end that says how."""

from collections.abc import Iterator

import pytest

from tests.deploy.builders import find_builder
from tests.deploy.images import Builder, Image

_FOUND = pytest.StashKey[Image]()


@pytest.fixture(scope="session")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    """Docker, podman or buildah."""
    return find_builder(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="session")
def image(builder: Builder, pytestconfig: pytest.Config) -> Iterator[Image]:
    """The image of this very tree."""
    built = pytestconfig.stash[_FOUND] = builder.build()
    yield built
    builder.remove()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says which way was used."""
    built = config.stash.get(_FOUND, None)
    if built is not None:
        terminalreporter.write_line(f"image: {built.size_bytes / 2**20:.0f} MiB, built and run by {built.way}")
