from itertools import islice

from scoreline_registry.history.changes import SetAlias, SetLabels
from scoreline_registry.registry import Registry
from scoreline_registry.storage import MemoryStorage
from tests.registry.samples import MODEL_BYTES, apply, manifest, publish, spec


def test_history_tells_newest_first_what_each_revision_did(registry: Registry) -> None:
    publish(registry, aliases=["champion"])
    apply(registry, spec())
    publish(registry)
    registry.commit(SetAlias("credit", "champion", 2), author="ann", message="new champion")
    apply(registry, spec({"credit@champion": 90, "credit@1": 10}))
    newest, moved, *older = registry.history()
    assert [str(event) for event in newest.events] == [
        "route credit: rule 1: credit@champion 100 % -> credit@champion 90 %, credit@1 10 %"
    ]
    assert (moved.revision, moved.author, moved.message) == (4, "ann", "new champion")
    assert [str(event) for event in moved.events] == ["alias credit@champion: 1 -> 2"]
    assert [[str(event) for event in entry.events] for entry in older] == [
        ["version credit@2: published"],
        ["route credit: new route"],
        ["version credit@1: published", "alias credit@champion: nothing -> 1"],
    ]


def test_history_tells_of_owners_and_labels(registry: Registry) -> None:
    publish(registry)
    registry.publish(
        "credit",
        files={"model.onnx": MODEL_BYTES},
        manifest=manifest(),
        author="tester",
        message="",
        owner="risk",
        labels={"team": "risk"},
    )
    assert [str(event) for event in next(iter(registry.history())).events] == [
        "version credit@2: published",
        "model credit: owner nobody -> risk",
        "model credit: label team: nothing -> risk",
    ]
    registry.commit(SetLabels("credit", {"team": "fraud", "tier": "gold"}), author="tester", message="")
    registry.commit(SetLabels("credit", {"team": None}), author="tester", message="")
    newest, before = registry.history(2)
    assert [str(event) for event in newest.events] == ["model credit: label team: fraud -> nothing"]
    assert [event.detail for event in before.events] == ["label team: risk -> fraud", "label tier: nothing -> gold"]


def test_a_limit_and_an_empty_registry(registry: Registry) -> None:
    assert not list(registry.history())
    for _ in range(4):
        publish(registry)
    assert [entry.revision for entry in registry.history(2)] == [4, 3]
    assert not list(registry.history(0))
    assert [entry.revision for entry in registry.history(9)] == [4, 3, 2, 1]


def test_history_is_read_only_as_far_as_it_is_asked_for(memory: MemoryStorage, registry: Registry) -> None:
    for _ in range(4):
        publish(registry)
    reader = Registry.open(memory)
    memory.delete("revisions/00000001.json")
    assert [entry.revision for entry in islice(reader.history(), 2)] == [4, 3]
