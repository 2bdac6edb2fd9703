"""What a commit costs does not grow with what it leaves alone; tests/benchmarks/registry_scale.py has the figures."""

from collections.abc import Callable
from functools import partial

from scoreline_registry.documents.documents import document_key
from scoreline_registry.documents.version_pages import MAX_RECENT
from scoreline_registry.history.changes import SetAlias
from scoreline_registry.registry import Registry
from scoreline_registry.storage import MemoryStorage
from tests.benchmarks.registry_scale import fill
from tests.registry.history.test_revision_log import CountingStorage
from tests.registry.samples import publish


def test_taking_in_a_commit_reads_only_what_it_changed(memory: MemoryStorage, registry: Registry) -> None:
    fill(registry, models=60, versions=4)
    counting = CountingStorage(memory)
    reader = Registry.open(counting)
    assert len(list(reader.latest().models.values())) == 60
    registry.commit(SetAlias("model-0007", "champion", 3), author="tester", message="")
    counting.reads.clear()
    snapshot = reader.latest()
    assert [document.aliases["champion"] for document in snapshot.models.values()].count(3) == 1
    changed = f"documents/{snapshot.model_digests['model-0007']}.json"
    assert counting.reads == [
        "revisions/00000002.json",
        "seals/00000002.json",
        "revisions/00000004.json",
        "revisions/00000003.json",
        "revisions/00000002.json",
        changed,
    ]


def test_a_commit_writes_only_what_it_changed(memory: MemoryStorage, registry: Registry) -> None:
    fill(registry, models=60, versions=4)
    before = {file.key for file in memory.list("")}
    registry.commit(SetAlias("model-0007", "champion", 3), author="tester", message="")
    written = sorted({file.key for file in memory.list("")} - before)
    assert [key.partition("/")[0] for key in written] == ["documents", "revisions", "seals"]


def bytes_written(memory: MemoryStorage, work: Callable[[], object]) -> int:
    before = {file.key for file in memory.list("")}
    work()
    return sum(file.bytes for file in memory.list("") if file.key not in before)


def publish_some(registry: Registry) -> None:
    """As many versions as fill the index once."""
    for _ in range(MAX_RECENT):
        publish(registry, "model-0000")


def test_what_a_commit_writes_does_not_depend_on_the_number_of_versions() -> None:
    moving, publishing = list[int](), list[int]()
    for versions in (10, 1000, 5000):
        memory = MemoryStorage()
        registry = Registry.create(memory)
        fill(registry, models=1, versions=versions)
        move = partial(registry.commit, SetAlias("model-0000", "champion", 3), author="tester", message="")
        moving.append(bytes_written(memory, move))
        publishing.append(bytes_written(memory, partial(publish_some, registry)))
    assert max(moving) < 1.2 * moving[0]
    assert max(publishing) < 1.2 * publishing[0]


def test_looking_at_one_of_many_versions_reads_little(memory: MemoryStorage, registry: Registry) -> None:
    fill(registry, models=1, versions=5000)
    counting = CountingStorage(memory)
    reader = Registry.open(counting)
    counting.reads.clear()
    assert reader.latest().state.in_use("model-0000@champion") == ("model-0000", 2)
    # The model's document, its index, a page of each of three levels, and the entry.
    assert sum(key.startswith("documents/") for key in counting.reads) == 6


def test_documents_that_the_newest_revision_does_not_name_are_forgotten(
    memory: MemoryStorage, registry: Registry
) -> None:
    fill(registry, models=2, versions=4)
    counting = CountingStorage(memory)
    reader = Registry.open(counting)
    old = reader.latest()
    assert len(list(old.models.values())) == 2
    registry.commit(SetAlias("model-0000", "champion", 3), author="tester", message="")
    reader.latest()
    counting.reads.clear()
    assert [model.aliases["champion"] for model in old.models.values()] == [2, 2]
    assert counting.reads == [document_key(old.model_digests["model-0000"])]
