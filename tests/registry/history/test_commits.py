"""Committing: nothing is lost, nothing is done twice, whoever else writes and however the store fails."""

import multiprocessing
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scoreline_registry.errors import ConflictError, InvalidError, NotFoundError, StorageError
from scoreline_registry.history.changes import SetAlias
from scoreline_registry.history.rollback import RollbackAll
from scoreline_registry.registry import Registry
from scoreline_registry.storage import MemoryStorage, Storage, StoredFile
from tests.registry.samples import apply, publish, spec


class UnreliableStorage:
    """A store whose writes to some keys happen and are then reported as failed, or as taken, or never happen."""

    def __init__(self, storage: Storage, prefix: str, fault: str) -> None:
        self._storage, self._prefix, self._fault = storage, prefix, fault
        self.faults = 0

    def read(self, key: str) -> bytes:
        return self._storage.read(key)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        if not key.startswith(self._prefix):
            return self._storage.put_if_absent(key, data)
        self.faults += 1
        if self._fault == "never happens":
            raise StorageError(key, "timed out")
        self._storage.put_if_absent(key, data)
        if self._fault == "reported as failed":
            raise StorageError(key, "timed out")
        return False

    def list(self, prefix: str, *, after: str = "") -> Iterator[StoredFile]:
        return self._storage.list(prefix, after=after)

    def delete(self, key: str) -> None:
        self._storage.delete(key)


@pytest.mark.parametrize("prefix", ["revisions/", "documents/", "models/"])
@pytest.mark.parametrize("fault", ["reported as failed", "reported as taken"])
def test_a_write_that_succeeded_counts_whatever_the_store_said(
    memory: MemoryStorage, registry: Registry, prefix: str, fault: str
) -> None:
    unreliable = UnreliableStorage(memory, prefix, fault)
    assert publish(Registry.open(unreliable), aliases=["champion"]) == 1
    assert publish(Registry.open(unreliable), aliases=["champion"]) == 2
    assert unreliable.faults
    assert registry.latest().revision == 2
    assert registry.latest().resolve("credit@champion") == ("credit", 2)
    assert not registry.damage("credit", 1) + registry.damage("credit", 2)


@pytest.mark.parametrize("prefix", ["revisions/", "documents/", "models/"])
def test_a_write_that_failed_is_an_error_and_commits_nothing(
    memory: MemoryStorage, registry: Registry, prefix: str
) -> None:
    publish(registry)
    with pytest.raises(StorageError, match="timed out"):
        publish(Registry.open(UnreliableStorage(memory, prefix, "never happens")))
    assert registry.latest().revision == 1
    assert registry.latest().models["credit"].numbers == [1]


def test_a_failed_write_that_someone_else_won_is_tried_again(memory: MemoryStorage, registry: Registry) -> None:
    publish(registry)

    class Overtaken(UnreliableStorage):
        def put_if_absent(self, key: str, data: bytes) -> bool:
            if key == "revisions/00000002.json" and not self.faults:
                self.faults += 1
                registry.commit(SetAlias("credit", "stable", 1), author="other", message="")
                raise StorageError(key, "timed out")
            return memory.put_if_absent(key, data)

    slow = Registry.open(Overtaken(memory, "", ""))
    slow.commit(SetAlias("credit", "champion", 1), author="tester", message="")
    assert registry.latest().models["credit"].aliases == {"stable": 1, "champion": 1}


def test_an_attempt_that_lost_a_race_stores_its_documents_once(memory: MemoryStorage, registry: Registry) -> None:
    publish(registry)
    written: list[str] = []

    class Overtaken(UnreliableStorage):
        def put_if_absent(self, key: str, data: bytes) -> bool:
            written.append(key)
            if key.startswith("revisions/") and self.faults < 3:
                self.faults += 1
                apply(registry, spec({"credit@1": 100}, holdout=self.faults))
            return memory.put_if_absent(key, data)

    slow = Registry.open(Overtaken(memory, "", ""))
    slow.commit(SetAlias("credit", "champion", 1), author="tester", message="")
    assert registry.latest().models["credit"].aliases == {"champion": 1}
    assert sum(key.startswith("revisions/") for key in written) == 4
    assert sum(key.startswith("documents/") for key in written) == 1


def test_threads_that_commit_at_once_all_get_their_change_in(storage: Storage) -> None:
    registry = Registry.create(storage)
    publish(registry)
    barrier = threading.Barrier(6)
    failures: list[BaseException] = []

    def point(alias: str) -> None:
        barrier.wait()
        try:
            for number in range(3):
                registry.commit(SetAlias("credit", f"{alias}{number}", 1), author=alias, message="")
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)

    threads = [threading.Thread(target=point, args=(f"alias{number}x",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert registry.latest().revision == 1 + 18
    assert len(registry.latest().models["credit"].aliases) == 18


def _publish_three(folder: str, start: "multiprocessing.synchronize.Event") -> None:
    registry = Registry.open(folder)
    start.wait()
    for _ in range(3):
        publish(registry)


def test_processes_that_publish_at_once_get_a_number_each(tmp_path: Path) -> None:
    registry = Registry.create(tmp_path)
    context = multiprocessing.get_context("spawn")
    start = context.Event()
    workers = [context.Process(target=_publish_three, args=(str(tmp_path), start)) for _ in range(3)]
    for worker in workers:
        worker.start()
    start.set()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    snapshot = registry.latest()
    assert snapshot.revision == 9
    assert len(snapshot.models["credit"].numbers) == 9
    assert snapshot.models["credit"].next_version == snapshot.models["credit"].numbers[-1] + 1
    assert [entry.revision for entry in registry.history()] == list(range(9, 0, -1))


def test_a_change_of_what_someone_else_changed_is_a_conflict(registry: Registry) -> None:
    publish(registry, aliases=["champion"])
    apply(registry, spec())
    seen = registry.latest()
    publish(registry)
    apply(registry, spec(holdout=5))
    with pytest.raises(ConflictError, match="credit"):
        registry.commit(
            SetAlias("credit", "champion", 2), author="tester", message="", if_match=seen.model_digests["credit"]
        )
    with pytest.raises(ConflictError, match="credit"):
        registry.apply_route(spec(), author="tester", message="", if_match=seen.route_digests["credit"])
    with pytest.raises(ConflictError):
        registry.plan_route(spec(), if_match=seen.route_digests["credit"])


def test_a_change_of_another_document_is_no_conflict(registry: Registry) -> None:
    publish(registry)
    seen = registry.latest()
    publish(registry, "churn")
    registry.commit(
        SetAlias("credit", "champion", 1), author="tester", message="", if_match=seen.model_digests["credit"]
    )
    assert registry.latest().resolve("credit@champion") == ("credit", 1)


def test_a_precondition_on_a_change_of_many_documents_is_refused(registry: Registry) -> None:
    publish(registry)
    with pytest.raises(InvalidError, match="the digest of one document"):
        registry.commit(RollbackAll(registry.at(0)), author="tester", message="", if_match="")


def test_a_dry_run_says_what_a_commit_would_do_and_writes_nothing(registry: Registry) -> None:
    publish(registry)
    change = SetAlias("credit", "champion", 1)
    tried = registry.commit(change, author="tester", message="", dry_run=True)
    assert (tried.revision, tried.written, registry.latest().revision) == (1, False, 1)
    done = registry.commit(change, author="tester", message="")
    assert (done.revision, done.written, done.events) == (2, True, tried.events)
    assert [str(event) for event in done.events] == ["alias credit@champion: nothing -> 1"]


def test_an_empty_etag_means_that_nothing_is_there_yet(registry: Registry) -> None:
    publish(registry, aliases=["champion"])
    registry.apply_route(spec(), author="tester", message="", if_match="")
    with pytest.raises(ConflictError):
        registry.apply_route(spec(holdout=1), author="tester", message="", if_match="")


def test_a_change_that_changes_nothing_writes_nothing(registry: Registry) -> None:
    publish(registry, aliases=["champion"])
    apply(registry, spec())
    registry.commit(SetAlias("credit", "champion", 1), author="tester", message="again")
    apply(registry, spec())
    assert registry.latest().revision == 2


def test_an_alias_of_what_is_not_there_says_what_is(registry: Registry) -> None:
    with pytest.raises(NotFoundError, match="no model yet"):
        registry.commit(SetAlias("credit", "champion", 1), author="tester", message="")
    publish(registry)
    with pytest.raises(NotFoundError, match="did you mean 'credit'"):
        registry.commit(SetAlias("credti", "champion", 1), author="tester", message="")
    with pytest.raises(NotFoundError, match="versions 1"):
        registry.commit(SetAlias("credit", "champion", 2), author="tester", message="")


@pytest.mark.parametrize(
    ("author", "message"), [("", ""), (" ", ""), ("a\nb", ""), ("a", "x" * 2001), ("a", "\x1b[2J")]
)
def test_a_commit_is_signed_and_its_message_readable(registry: Registry, author: str, message: str) -> None:
    publish(registry)
    with pytest.raises(InvalidError):
        registry.commit(SetAlias("credit", "champion", 1), author=author, message=message)
