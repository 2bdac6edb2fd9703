"""Retiring, bringing back, and removing what nobody can use any more."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scoreline_registry.errors import ClaimLostError, NotFoundError, RefusedError
from scoreline_registry.history.changes import SetAlias
from scoreline_registry.history.publication import claim_version, version_key
from scoreline_registry.history.retirement import Retire, Unretire
from scoreline_registry.history.state import State
from scoreline_registry.registry import Registry
from scoreline_registry.storage import LocalStorage, MemoryStorage
from scoreline_registry.upkeep.garbage_collection import collect
from scoreline_registry.upkeep.verification import verify
from tests.registry.samples import MOMENT, Edit, apply, publish, spec


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = MOMENT

    def __call__(self) -> datetime:
        return self.time

    def pass_hours(self, hours: float) -> None:
        self.time += timedelta(hours=hours)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def memory(clock: Clock) -> MemoryStorage:
    return MemoryStorage(clock=clock)


def retire(registry: Registry, version: int, model: str = "credit") -> None:
    assert registry.commit(Retire(model, version), author="ann", message="old").written


def keys(memory: MemoryStorage, prefix: str) -> list[str]:
    return [file.key for file in memory.list(prefix)]


def test_a_version_that_something_reaches_cannot_be_retired(registry: Registry) -> None:
    publish(registry, aliases=["champion", "stable"])
    publish(registry)
    apply(registry, spec())
    apply(registry, spec(route="second", rules=[{"split": {"credit@2": 100}}], testers={"me": "credit@1"}))
    with pytest.raises(RefusedError) as caught:
        registry.commit(Retire("credit", 1), author="ann", message="")
    assert caught.value.problems == (
        "alias credit@champion points to it: move the alias first",
        "alias credit@stable points to it: move the alias first",
        "route credit uses credit@champion: change the route first",
        "route second uses credit@1: change the route first",
    )
    with pytest.raises(RefusedError, match="route second uses credit@2"):
        registry.commit(Retire("credit", 2), author="ann", message="")


def test_a_retired_version_is_used_by_nothing_and_can_come_back(registry: Registry) -> None:
    publish(registry, aliases=["champion"])
    publish(registry)
    retire(registry, 2)
    assert not registry.commit(Retire("credit", 2), author="bob", message="again").written
    for attempt in (
        lambda: registry.commit(SetAlias("credit", "champion", 2), author="ann", message=""),
        lambda: apply(registry, spec({"credit@champion": 90, "credit@2": 10})),
        lambda: apply(registry, spec(schema={"like": "credit@2"})),
    ):
        with pytest.raises(RefusedError, match="credit@2: ann retired it on"):
            attempt()
    assert registry.manifest("credit", 2).family == "lightgbm"
    assert registry.commit(Unretire("credit", 2), author="ann", message="").written
    registry.commit(SetAlias("credit", "champion", 2), author="ann", message="")


def test_the_versions_in_use_and_the_retired_ones_are_known_without_their_entries(registry: Registry) -> None:
    publish(registry, aliases=["champion"])
    publish(registry)
    retire(registry, 2)
    model = registry.latest().models["credit"]
    assert (model.numbers, model.in_use, model.retired) == ([1, 2], [1], [2])
    registry.commit(Unretire("credit", 2), author="ann", message="")
    model = registry.latest().models["credit"]
    assert (model.numbers, model.in_use, model.retired) == ([1, 2], [1, 2], [])


def test_gc_removes_retired_versions_after_their_retention(
    memory: MemoryStorage, registry_at: Registry, clock: Clock
) -> None:
    registry = registry_at
    publish(registry, aliases=["champion"])
    publish(registry)
    retire(registry, 2)
    clock.pass_hours(29 * 24)
    assert not collect(registry, author="ann").retired
    clock.pass_hours(25)
    planned = collect(registry, author="ann", dry_run=True)
    assert (planned.retired, len(planned.files), planned.commit.written) == (("credit@2",), 4, False)
    assert len(keys(memory, "models/credit/2/")) == 4
    done = collect(registry, author="ann")
    assert (done.retired, done.files) == (("credit@2",), planned.files)
    assert not keys(memory, "models/credit/2/")
    assert not keys(memory, "probes/")
    assert len(keys(memory, "models/credit/1/")) == 4
    assert not verify(memory).findings
    with pytest.raises(RefusedError, match="its files were removed"):
        registry.commit(Unretire("credit", 2), author="ann", message="")
    with pytest.raises(NotFoundError, match="retired and its files removed"):
        registry.read_file("credit", 2, "model.onnx")
    assert publish(registry) == 3
    assert not collect(registry, author="ann").commit.written


@pytest.fixture
def registry_at(memory: MemoryStorage, clock: Clock) -> Registry:
    """A registry whose store and whose writers share one clock."""
    return Registry.create(memory, clock=clock)


def test_retention_counts_by_the_stores_clock(memory: MemoryStorage, clock: Clock) -> None:
    ahead = Registry.create(memory, clock=lambda: datetime(1999, 1, 1, tzinfo=UTC))
    publish(ahead)
    retire(ahead, 1)
    assert not collect(ahead, author="ann").retired
    clock.pass_hours(31 * 24)
    assert collect(ahead, author="ann").retired == ("credit@1",)


def test_gc_takes_up_what_an_earlier_one_left(memory: MemoryStorage, registry_at: Registry, clock: Clock) -> None:
    publish(registry_at)
    publish(registry_at)
    retire(registry_at, 1)
    clock.pass_hours(31 * 24)
    files = {key: memory.read(key) for key in keys(memory, "models/credit/1/")}
    collect(registry_at, author="ann")
    for key, data in files.items():
        memory.put_if_absent(key, data)
    again = collect(registry_at, author="ann")
    assert (set(again.files), again.commit.written) == (set(files), False)
    assert not keys(memory, "models/credit/1/")


def test_a_claim_that_was_never_committed_goes_after_a_day(
    memory: MemoryStorage, registry_at: Registry, clock: Clock
) -> None:
    for model in ("credit", "churn"):
        claim_version(memory, model, first=1, claim_id="x", author="dead", now=clock())
    clock.pass_hours(23)
    memory.put_if_absent(version_key("churn", 1, "model.onnx"), b"still writing")
    clock.pass_hours(2)
    assert collect(registry_at, author="ann").abandoned == ("credit@1",)
    assert keys(memory, "models/") == ["models/churn/1/claim.json", "models/churn/1/model.onnx"]
    assert publish(registry_at) == 2
    assert not verify(memory).findings


def test_a_slow_publisher_whose_claim_was_given_up_is_told_and_commits_nothing(
    memory: MemoryStorage, clock: Clock
) -> None:
    """The publisher has passed its last look at the claim; only the commit can stop it."""

    class Slow(MemoryStorage):
        def put_if_absent(self, key: str, data: bytes) -> bool:
            if key.startswith("documents/") and not registry.latest().models["credit"].versions.is_abandoned(2):
                clock.pass_hours(25)
                assert collect(Registry.open(memory, clock=clock), author="gc").abandoned == ("credit@2",)
            return memory.put_if_absent(key, data)

        read, list, delete = memory.read, memory.list, memory.delete

    registry = Registry.create(memory, clock=clock)
    publish(registry)
    with pytest.raises(ClaimLostError, match="credit@2' was not committed in time"):
        publish(Registry.open(Slow(), clock=clock))
    assert registry.latest().models["credit"].numbers == [1]
    assert not verify(memory).findings
    assert publish(registry) == 3


def test_a_publisher_that_committed_in_time_keeps_its_files(
    memory: MemoryStorage, registry_at: Registry, clock: Clock
) -> None:
    """gc has judged the claim abandoned from an older state; the publisher commits before gc does."""
    publish(registry_at)

    def publish_late(state: State) -> State:
        document = state.models["credit"]
        return state.with_model(document.with_entry(2, document.entry(1)).changed(next_version=3))

    waiting = [publish_late]

    class Late(MemoryStorage):
        def put_if_absent(self, key: str, data: bytes) -> bool:
            if key.startswith("documents/") and waiting:
                registry_at.commit(Edit(waiting.pop()), author="slow", message="")
            return memory.put_if_absent(key, data)

        read, list, delete = memory.read, memory.list, memory.delete

    claim_version(memory, "credit", first=2, claim_id="slow", author="slow", now=clock())
    clock.pass_hours(25)
    done = collect(Registry.open(Late(), clock=clock), author="gc")
    assert done.abandoned == ()
    assert keys(memory, "models/credit/2/") == ["models/credit/2/claim.json"]


def test_gc_tidies_what_dead_writers_left_in_a_folder(tmp_path: Path) -> None:
    registry = Registry.create(LocalStorage(tmp_path))
    publish(registry)
    old, fresh = tmp_path / "models" / f".{'a' * 32}.tmp", tmp_path / "models" / f".{'b' * 32}.tmp"
    for path in (old, fresh, tmp_path / "models" / ".keep"):
        path.write_bytes(b"x")
    (tmp_path / "models" / "empty" / "1").mkdir(parents=True)
    yesterday = (datetime.now(UTC) - timedelta(hours=25)).timestamp()
    for path in (old, tmp_path / "models" / "empty" / "1"):
        os.utime(path, (yesterday, yesterday))
    planned = collect(registry, author="ann", dry_run=True).leftovers
    assert old.exists()
    assert collect(registry, author="ann").leftovers == planned == ("models/empty/1", f"models/{old.name}")
    assert not old.exists()
    assert fresh.exists()
    assert (tmp_path / "models" / ".keep").exists()
    assert not registry.damage("credit", 1)
