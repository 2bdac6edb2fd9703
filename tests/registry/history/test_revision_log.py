"""The chain of revisions: what it guarantees, and what it costs to read."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from scoreline_registry.documents.documents import canonical_json, document_key, sha256_hex
from scoreline_registry.errors import CorruptError, NoRegistryError, NotFoundError, SchemaVersionError
from scoreline_registry.history.changes import Change, SetAlias
from scoreline_registry.history.revision import read_seal, revision_key, seal_key
from scoreline_registry.history.state import State
from scoreline_registry.registry import Registry
from scoreline_registry.storage import MemoryStorage, Storage, StoredFile
from tests.registry.samples import MOMENT, Edit, apply, publish, spec


class CountingStorage:
    """A store that notes which keys are read."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.reads: list[str] = []

    def read(self, key: str) -> bytes:
        self.reads.append(key)
        return self._storage.read(key)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        return self._storage.put_if_absent(key, data)

    def list(self, prefix: str, *, after: str = "") -> Iterator[StoredFile]:
        return self._storage.list(prefix, after=after)

    def delete(self, key: str) -> None:
        self._storage.delete(key)


def owned_by(owner: str) -> Change:
    """A small change: the model's owner."""

    def change(state: State) -> State:
        return state.with_model(state.models.require("credit").changed(owner=owner))

    return Edit(change)


def commit_owners(registry: Registry, count: int) -> None:
    for number in range(count):
        registry.commit(owned_by(f"owner {number}"), author="tester", message="")


def replace(storage: Storage, key: str, data: bytes) -> None:
    storage.delete(key)
    storage.put_if_absent(key, data)


def test_a_new_registry_is_empty_at_revision_0(storage: Storage) -> None:
    snapshot = Registry.create(storage, clock=lambda: MOMENT).latest()
    assert snapshot.revision == 0
    assert snapshot.created_at == MOMENT
    assert not snapshot.models
    assert not snapshot.routes


def test_creating_again_opens_what_is_there(storage: Storage) -> None:
    first = Registry.create(storage)
    publish(first)
    again = Registry.create(storage)
    assert again.registry_id == first.registry_id
    assert again.latest().revision == 1


def test_opening_nothing_says_how_to_make_a_registry(storage: Storage) -> None:
    with pytest.raises(NoRegistryError, match="scoreline init"):
        Registry.open(storage)


def test_each_revision_names_the_digest_of_the_file_before_it(memory: MemoryStorage, registry: Registry) -> None:
    publish(registry)
    publish(registry)
    first, second = (json.loads(memory.read(revision_key(number))) for number in (1, 2))
    assert first["parent"] == sha256_hex(memory.read("registry.json"))
    assert second["parent"] == sha256_hex(memory.read("revisions/00000001.json"))
    assert (first["revision"], second["revision"]) == (1, 2)
    assert first["commit_id"] != second["commit_id"]


@pytest.mark.parametrize("changed", [1, 2, 3, 4, 5])
def test_a_changed_past_is_noticed(memory: MemoryStorage, registry: Registry, changed: int) -> None:
    publish(registry)
    commit_owners(registry, 5)
    raw = json.loads(memory.read(revision_key(changed)))
    replace(memory, revision_key(changed), canonical_json({**raw, "author": "someone else"}))
    memory.delete(seal_key(changed))
    with pytest.raises(CorruptError, match=rf"revisions/0000000{changed + 1}\.json"):
        list(Registry.open(memory).history())


@pytest.mark.parametrize("changed", [1, 4, 6])
def test_a_revision_that_is_not_what_was_sealed_is_noticed_even_as_the_newest(
    memory: MemoryStorage, registry: Registry, changed: int
) -> None:
    publish(registry)
    commit_owners(registry, 5)
    replace(memory, revision_key(changed), memory.read(revision_key(changed)).replace(b"credit", b"crebit"))
    with pytest.raises(CorruptError, match=rf"revisions/0000000{changed}\.json"):
        list(Registry.open(memory).history())


def test_a_damaged_or_lost_seal_takes_no_revision_with_it(memory: MemoryStorage, registry: Registry) -> None:
    publish(registry)
    commit_owners(registry, 2)
    memory.delete(seal_key(1))
    replace(memory, seal_key(2), memory.read(seal_key(2)).replace(b'"revision":2', b'"revision":7'))
    replace(memory, seal_key(3), b"{")
    assert Registry.open(memory).latest().revision == 3


def test_a_commit_seals_the_revision_before_it_too(memory: MemoryStorage, registry: Registry) -> None:
    publish(registry)
    memory.delete(seal_key(1))
    commit_owners(Registry.open(memory), 1)
    assert read_seal(1, memory.read(seal_key(1))).sha256 == sha256_hex(memory.read(revision_key(1)))


def test_a_changed_document_is_noticed(memory: MemoryStorage, registry: Registry) -> None:
    publish(registry)
    (key,) = [file.key for file in memory.list("documents/") if b"tester" in memory.read(file.key)]
    replace(memory, key, memory.read(key).replace(b"tester", b"nobody"))
    snapshot = Registry.open(memory).latest()
    with pytest.raises(CorruptError, match=key):
        snapshot.models["credit"].entry(1)


def test_a_missing_document_is_corruption_and_not_an_absent_model(memory: MemoryStorage, registry: Registry) -> None:
    publish(registry)
    memory.delete(document_key(registry.latest().model_digests["credit"]))
    with pytest.raises(CorruptError, match="missing"):
        Registry.open(memory).latest().resolve("credit@1")


def test_a_gap_in_the_log_is_noticed(memory: MemoryStorage, registry: Registry) -> None:
    publish(registry)
    commit_owners(registry, 4)
    memory.delete(revision_key(2))
    memory.delete(revision_key(3))
    with pytest.raises(CorruptError, match="revisions/0000000"):
        Registry.open(memory)


def test_a_revision_of_a_newer_scoreline_is_refused(memory: MemoryStorage, registry: Registry) -> None:
    publish(registry)
    raw = json.loads(memory.read(revision_key(1)))
    memory.put_if_absent(revision_key(2), canonical_json({**raw, "schema_number": 99}))
    with pytest.raises(SchemaVersionError):
        registry.latest()


def test_state_that_a_newer_scoreline_keeps_in_revisions_is_passed_on(
    memory: MemoryStorage, registry: Registry
) -> None:
    publish(registry)
    raw = json.loads(memory.read(revision_key(1)))
    policies = {"policies": {"credit-limits": "0" * 64}}
    newer = {**raw, **policies, "revision": 2, "parent": sha256_hex(memory.read(revision_key(1)))}
    memory.put_if_absent(revision_key(2), canonical_json(newer))
    publish(registry)
    assert json.loads(memory.read(revision_key(3)))["policies"] == policies["policies"]


def test_opening_a_long_log_reads_a_few_revisions(memory: MemoryStorage, registry: Registry) -> None:
    publish(registry)
    commit_owners(registry, 299)
    counting = CountingStorage(memory)
    assert Registry.open(counting).latest().revision == 300
    assert len(counting.reads) < 40


def test_looking_for_news_reads_what_would_be_new_and_what_is_newest(memory: MemoryStorage, registry: Registry) -> None:
    publish(registry)
    counting = CountingStorage(memory)
    reader = Registry.open(counting)
    counting.reads.clear()
    reader.latest()
    assert counting.reads == [revision_key(2), revision_key(1)]


@pytest.mark.parametrize("behind", [1, 2, 3, 7, 20])
def test_a_reader_catches_up_however_far_it_is_behind(memory: MemoryStorage, registry: Registry, behind: int) -> None:
    publish(registry)
    reader = Registry.open(memory)
    commit_owners(registry, behind)
    assert reader.latest().revision == 1 + behind
    assert reader.latest().models["credit"].owner == f"owner {behind - 1}"


def test_only_documents_that_are_looked_at_are_read(memory: MemoryStorage, registry: Registry) -> None:
    for number in range(20):
        publish(registry, f"model{number}")
    counting = CountingStorage(memory)
    reader = Registry.open(counting)
    reader.latest().resolve("model7@1")
    assert sum(key.startswith("documents/") for key in counting.reads) == 3
    registry.commit(SetAlias("model3", "champion", 1), author="tester", message="")
    reader.latest().resolve("model7@1")
    assert sum(key.startswith("documents/") for key in counting.reads) == 3
    reader.latest().resolve("model3@champion")
    assert sum(key.startswith("documents/") for key in counting.reads) == 4


def test_equal_digests_tell_what_did_not_change(registry: Registry) -> None:
    publish(registry, aliases=["champion"])
    publish(registry, "churn")
    apply(registry, spec())
    before = registry.latest()
    publish(registry, "churn")
    after = registry.latest()
    assert after.model_digests["credit"] == before.model_digests["credit"]
    assert after.model_digests["churn"] != before.model_digests["churn"]
    assert after.route_digests == before.route_digests


def test_every_revision_can_still_be_read(registry: Registry) -> None:
    publish(registry, aliases=["champion"])
    publish(registry, aliases=["champion"])
    assert registry.at(0).models == {}
    assert registry.at(1).resolve("credit@champion") == ("credit", 1)
    assert registry.at(2).resolve("credit@champion") == ("credit", 2)
    for number in (-1, 3, 10**12):
        with pytest.raises(NotFoundError):
            registry.at(number)


def test_times_never_fall_when_a_clock_does(memory: MemoryStorage) -> None:
    times = iter([MOMENT, MOMENT + timedelta(hours=1), MOMENT + timedelta(hours=1)])

    def clock() -> datetime:
        return next(times, MOMENT)

    registry = Registry.create(memory, clock=clock)
    publish(registry)
    publish(registry)
    assert registry.at(1).created_at == MOMENT + timedelta(hours=1)
    assert registry.at(2).created_at == MOMENT + timedelta(hours=1)


@pytest.mark.parametrize("published", [False, True])
def test_a_registry_that_disappears_is_said_and_not_taken_for_quiet(tmp_path: Path, published: bool) -> None:
    registry = Registry.create(tmp_path / "registry")
    if published:
        publish(registry)
    (tmp_path / "registry").rename(tmp_path / "elsewhere")
    with pytest.raises(CorruptError, match="still mounted"):
        registry.latest()
    (tmp_path / "elsewhere").rename(tmp_path / "registry")
    assert registry.latest().revision == int(published)


def test_a_newest_revision_that_was_replaced_is_said(tmp_path: Path) -> None:
    registry = Registry.create(tmp_path / "registry")
    publish(registry)
    newest = tmp_path / "registry" / revision_key(1)
    newest.chmod(0o644)
    newest.write_bytes(newest.read_bytes() + b" ")
    with pytest.raises(CorruptError, match="past was changed"):
        registry.latest()
