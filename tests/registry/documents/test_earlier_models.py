"""Registries whose models are of schema 1 and 2: read as they are, and carried over by the next commit of a model.

``golden/earlier_registry.json.gz`` holds the files of a registry that Scoreline wrote before schema 3, and what that
Scoreline said of its history.
"""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from scoreline_registry.documents.documents import (
    EARLIER_MODEL_SCHEMA,
    MODEL_SCHEMA,
    EarlierModelDocument,
    decode,
    document_key,
    schema_number,
)
from scoreline_registry.errors import SchemaVersionError
from scoreline_registry.history.changes import SetAlias, SetOwner
from scoreline_registry.history.retirement import Retire
from scoreline_registry.history.rollback import RollbackAll, RollbackModel
from scoreline_registry.registry import Registry
from scoreline_registry.storage import MemoryStorage
from scoreline_registry.upkeep.verification import verify
from tests.registry.samples import publish

SAMPLE: dict[str, Any] = json.loads(
    gzip.decompress((Path(__file__).parent / "golden/earlier_registry.json.gz").read_bytes())
)
LAST_REVISION = 28


@pytest.fixture
def memory() -> MemoryStorage:
    """The earlier registry."""
    storage = MemoryStorage()
    for key, text in SAMPLE["files"].items():
        storage.put_if_absent(key, text.encode())
    return storage


@pytest.fixture
def registry(memory: MemoryStorage) -> Registry:
    return Registry.open(memory)


def told(registry: Registry) -> list[list[object]]:
    return [[entry.revision, entry.author, entry.message, *map(str, entry.events)] for entry in registry.history()]


def model_schemas(memory: MemoryStorage, registry: Registry) -> dict[str, int]:
    keys = {name: document_key(digest) for name, digest in registry.latest().model_digests.items()}
    return {name: schema_number(memory.read(key), key=key) for name, key in keys.items()}


def test_an_earlier_registry_reads_as_it_did(memory: MemoryStorage, registry: Registry) -> None:
    assert model_schemas(memory, registry) == {"credit": EARLIER_MODEL_SCHEMA, "churn": 1}
    assert told(registry) == SAMPLE["history"]
    model = registry.latest().models["credit"]
    assert model.numbers == list(range(1, 21))
    assert model.retired == [2, 3, 18]
    assert (model.entry(2).collected, model.entry(3).collected) == (True, False)
    assert model.versions.is_abandoned(21)
    assert (model.next_version, model.labels) == (22, {"tier": "gold"})
    assert registry.latest().models["churn"].owner == "risk"
    assert registry.manifest("credit", 20).family == "lightgbm"
    assert not verify(memory).findings


def test_what_changes_nothing_leaves_an_earlier_model_as_it_is(registry: Registry) -> None:
    registry.commit(SetAlias("credit", "champion", 1), author="tester", message="again")
    registry.commit(SetOwner("churn", "risk"), author="tester", message="again")
    assert registry.latest().revision == LAST_REVISION


@pytest.mark.parametrize("change", ["alias", "publish", "retire", "rollback"])
def test_the_next_commit_of_a_model_carries_it_over(memory: MemoryStorage, registry: Registry, change: str) -> None:
    before = {number: registry.latest().models["credit"].entry(number) for number in range(1, 21)}
    if change == "alias":
        registry.commit(SetAlias("credit", "champion", 20), author="tester", message="")
    elif change == "publish":
        assert publish(registry) == 22
    elif change == "retire":
        registry.commit(Retire("credit", 20), author="tester", message="")
    else:
        registry.commit(SetAlias("credit", "champion", 4), author="tester", message="")
        registry.commit(RollbackModel("credit", registry.at(LAST_REVISION)), author="tester", message="")
    assert model_schemas(memory, registry) == {"credit": MODEL_SCHEMA, "churn": 1}
    model = Registry.open(memory).latest().models["credit"]
    assert len(model.versions) == len(model.numbers) == 20 + (change == "publish")
    changed = {20} if change == "retire" else set()
    assert {number: model.entry(number) for number in before.keys() - changed} == {
        number: entry for number, entry in before.items() if number not in changed
    }
    assert model.versions.is_abandoned(21)
    assert told(registry)[-LAST_REVISION:] == SAMPLE["history"]
    assert [len(entry.events) for entry in registry.history(limit=1)] == [1]
    assert not verify(memory).findings


def test_the_past_of_a_registry_that_was_carried_over_can_be_restored(
    memory: MemoryStorage, registry: Registry
) -> None:
    registry.commit(SetAlias("credit", "champion", 20), author="tester", message="")
    registry.commit(RollbackAll(registry.at(LAST_REVISION)), author="tester", message="")
    assert registry.latest().resolve("credit@champion") == ("credit", 1)
    assert registry.at(LAST_REVISION).resolve("credit@champion") == ("credit", 1)
    assert not verify(memory).findings


def test_an_earlier_scoreline_refuses_a_model_that_was_carried_over(memory: MemoryStorage, registry: Registry) -> None:
    registry.commit(SetAlias("credit", "champion", 20), author="tester", message="")
    key = document_key(registry.latest().model_digests["credit"])
    with pytest.raises(
        SchemaVersionError, match="has schema 3, this Scoreline reads up to 2: install a newer scoreline"
    ):
        decode(EarlierModelDocument, memory.read(key), key=key, supported=EARLIER_MODEL_SCHEMA)
