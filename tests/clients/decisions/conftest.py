"""A server with policies, and clients of both kinds for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scoreline_registry.decisions.specs.policy_file import read_policy
from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.settings import Settings
from tests.server.policies import GUARDIAN
from tests.server.routes import apply
from tests.server.toys import publish_linear

ONCE = "limits: [{name: once, kind: frequency, at_most: 1, per: 1d, actions: [nudge, block]}]\n"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    registry = Registry.create(str(tmp_path_factory.mktemp("policies") / "registry"))
    publish_linear(registry, "linear", (1.0, 0, 0), aliases=("champion",))
    apply(registry)
    for text in (GUARDIAN, GUARDIAN.replace("policy: guardian", "policy: limited") + ONCE):
        registry.apply_policy(read_policy(text, source="test"), author="tester", message="apply")
    return registry


@pytest.fixture(scope="module")
def server(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("journal")
    settings = Settings(
        registry=str(registry.storage),
        listen="127.0.0.1:0",
        poll_seconds=0.02,
        journal_dir=str(folder),
        drain_seconds=5,
    )
    with Server(settings) as running:
        yield running
