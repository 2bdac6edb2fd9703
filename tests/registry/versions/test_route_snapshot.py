"""A frozen copy is a registry with one route of one revision, whole, under the source's numbers, and unchangeable."""

from pathlib import Path

import pytest

from scoreline_registry.errors import NotFoundError, RefusedError
from scoreline_registry.history.changes import SetAlias
from scoreline_registry.registry import Registry
from scoreline_registry.storage import LocalStorage, MemoryStorage
from scoreline_registry.upkeep.verification import verify
from scoreline_registry.versions.route_snapshot import freeze
from tests.registry.samples import apply, publish, spec


@pytest.fixture
def source(registry: Registry) -> Registry:
    """Models with versions that the route reaches (arm, fallback, shadow) and others; another route."""
    for model in ("credit", "plain", "shadow", "other"):
        for number in range(2):
            publish(registry, model, aliases=("champion",), data=f"{model}{number}".encode())
    apply(registry, spec({"credit@champion": 90, "credit@1": 10}, fallback="plain@1", shadows=[{"model": "shadow@2"}]))
    apply(registry, spec({"other@champion": 100}, route="other"))
    return registry


def contents(storage: MemoryStorage) -> dict[str, bytes]:
    return {file.key: storage.read(file.key) for file in storage.list("")}


def test_a_copy_holds_exactly_the_versions_that_the_route_can_reach(source: Registry) -> None:
    target = MemoryStorage()
    frozen = freeze(source, "credit", target)
    copy = Registry.open(target).latest()
    reached = [("credit", 1), ("credit", 2), ("plain", 1), ("shadow", 2)]
    assert [(version.model, version.version) for version in frozen.versions] == reached
    assert [(name, number) for name in sorted(copy.models) for number in copy.models[name].numbers] == reached
    assert list(copy.routes) == ["credit"]
    assert {key.split("/")[1] for key in contents(target) if key.startswith("models/")} == {"credit", "plain", "shadow"}


def test_a_copy_has_the_id_and_revision_of_its_source_and_proves_whole(source: Registry) -> None:
    target = MemoryStorage()
    freeze(source, "credit", target)
    copy = Registry.open(target)
    assert (copy.registry_id, copy.latest().revision) == (source.registry_id, source.latest().revision)
    assert copy.latest().route_digests["credit"] == source.latest().route_digests["credit"]
    assert [entry.revision for entry in copy.history()] == [copy.latest().revision]
    checked = verify(target)
    assert (checked.findings, checked.notes, checked.revisions, checked.versions) == ([], [], 1, 4)


def test_one_revision_gives_the_same_bytes_whatever_came_later(source: Registry) -> None:
    first, again, later = MemoryStorage(), MemoryStorage(), MemoryStorage()
    frozen = freeze(source, "credit", first)
    apply(source, spec({"credit@1": 100}))
    assert freeze(source, "credit", again, revision=frozen.revision) == frozen
    assert contents(again) == contents(first)
    assert [(v.model, v.version) for v in freeze(source, "credit", later).versions] == [("credit", 1)]


def test_nothing_can_be_committed_to_or_collected_from_a_copy(source: Registry) -> None:
    target = MemoryStorage()
    freeze(source, "credit", target)
    copy, before = Registry.open(target), contents(target)
    with pytest.raises(RefusedError, match="frozen copy"):
        copy.commit(SetAlias("credit", "champion", 1), author="tester", message="back")
    with pytest.raises(RefusedError, match="frozen copy"):
        publish(copy)
    with pytest.raises(RefusedError, match="frozen copy"):
        copy.storage.delete("registry.json")
    assert contents(target) == before


def test_a_taken_target_an_unknown_route_and_an_unknown_revision_are_refused(source: Registry) -> None:
    with pytest.raises(RefusedError, match="empty store"):
        freeze(source, "credit", source.storage)
    with pytest.raises(NotFoundError, match="route"):
        freeze(source, "creddit", MemoryStorage())
    with pytest.raises(NotFoundError, match="revision"):
        freeze(source, "credit", MemoryStorage(), revision=99)


def test_a_copy_in_a_folder_opens_by_its_path(source: Registry, tmp_path: Path) -> None:
    freeze(source, "credit", LocalStorage(tmp_path / "copy"))
    assert Registry.open(tmp_path / "copy").manifest("plain", 1).family == "lightgbm"
