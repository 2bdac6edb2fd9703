"""What a commit costs does not grow with what it leaves alone; tests/benchmarks/registry_scale.py has the figures."""

from scoreline_registry.registry import Registry
from scoreline_registry.storage import MemoryStorage
from tests.benchmarks.registry_scale import fill
from tests.registry.history.test_revision_log import CountingStorage


def test_taking_in_a_commit_reads_only_what_it_changed(memory: MemoryStorage, registry: Registry) -> None:
    fill(registry, models=60, versions=4)
    counting = CountingStorage(memory)
    reader = Registry.open(counting)
    assert len(list(reader.latest().models.values())) == 60
    registry.set_alias("model-0007", "champion", 3, author="tester", message="")
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
    registry.set_alias("model-0007", "champion", 3, author="tester", message="")
    written = sorted({file.key for file in memory.list("")} - before)
    assert [key.partition("/")[0] for key in written] == ["documents", "revisions", "seals"]
