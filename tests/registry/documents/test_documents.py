import json
from typing import Any

import pytest
from pydantic import ValidationError

from scoreline_registry.documents.base import FrozenModel
from scoreline_registry.documents.documents import (
    EARLIER_MODEL_SCHEMA,
    MODEL_SCHEMA,
    EarlierModelDocument,
    ModelDocument,
    VersionEntry,
    canonical_json,
    decode,
    encode,
    sha256_hex,
)
from scoreline_registry.documents.manifest import MANIFEST_SCHEMA, Manifest, TrainingFacts
from scoreline_registry.documents.model import Model
from scoreline_registry.documents.model_versions import P
from scoreline_registry.documents.version_pages import VersionDocument, VersionIndex, VersionPage, VersionRef
from scoreline_registry.errors import CorruptError, NotFoundError, SchemaVersionError
from scoreline_registry.history.publication import facts_of
from scoreline_registry.history.revision import REVISION_SCHEMA, Revision
from scoreline_registry.routing.planning import next_document, written_schema
from scoreline_registry.routing.route import ROUTE_SCHEMA, RouteDocument
from tests.registry.samples import MOMENT, manifest, spec


def entry() -> VersionEntry:
    return VersionEntry(files={"model.onnx": facts_of(b"x")}, published_at=MOMENT, author="tester")


def model(**changes: Any) -> ModelDocument:
    table = {"count": 1, "newest": 7, "index": "0" * 64}
    facts = {"name": "credit", "versions": table, "aliases": {"champion": 7}, "next_version": 8}
    return ModelDocument.model_validate({**facts, **changes})


def earlier_model(**changes: Any) -> EarlierModelDocument:
    facts = {"name": "credit", "versions": {"7": entry()}, "aliases": {"champion": 7}, "next_version": 8}
    return EarlierModelDocument.model_validate({**facts, **changes})


def whole_model() -> Model:
    def load(kind: type[P], digest: str) -> P:
        raise AssertionError(f"{kind} {digest} is not stored")

    return Model.new("credit", load).with_entry(7, entry()).changed(aliases={"champion": 7})


def route() -> RouteDocument:
    written = spec({"credit@champion": 90, "credit@7": 10})
    return next_document(written, schema=written_schema(written.input_schema), before=None)


def revision() -> Revision:
    digest = "0" * 64
    return Revision(
        revision=1,
        parent=digest,
        commit_id="c",
        created_at=MOMENT,
        author="tester",
        message="",
        models={"credit": digest},
    )


STORED: list[tuple[FrozenModel, int]] = [
    (model(), MODEL_SCHEMA),
    (earlier_model(), EARLIER_MODEL_SCHEMA),
    (VersionDocument(model="credit", version=7, entry=entry()), VersionDocument.SUPPORTED),
    (VersionIndex(recent={"7": VersionRef(entry="0" * 64)}), VersionIndex.SUPPORTED),
    (VersionPage(level=1, pages={"0": "0" * 64}), VersionPage.SUPPORTED),
    (route(), ROUTE_SCHEMA),
    (revision(), REVISION_SCHEMA),
    (manifest(), MANIFEST_SCHEMA),
]


def test_canonical_json_is_sorted_without_spaces_and_ends_its_line() -> None:
    assert canonical_json({"b": [1, 2.5, None, True], "a": "é\n"}) == '{"a":"é\\n","b":[1,2.5,null,true]}\n'.encode()


def test_a_digest_is_the_sha256_of_the_bytes() -> None:
    assert sha256_hex(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_hold_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"a": value})


@pytest.mark.parametrize(("value", "supported"), STORED)
def test_a_stored_value_reads_back_equal_and_writes_the_same_bytes(value: FrozenModel, supported: int) -> None:
    data = encode(value)
    again = decode(type(value), data, key="k", supported=supported)
    assert again == value
    assert encode(again) == data


@pytest.mark.parametrize(("value", "supported"), STORED)
def test_fields_that_a_newer_scoreline_wrote_survive_a_rewrite(value: FrozenModel, supported: int) -> None:
    raw = {**json.loads(encode(value)), "from_the_future": {"b": [1], "a": None}}
    again = decode(type(value), canonical_json(raw), key="k", supported=supported)
    assert json.loads(encode(again)) == raw


def test_unknown_fields_inside_survive_too() -> None:
    raw = json.loads(encode(VersionDocument(model="credit", version=7, entry=entry())))
    raw["entry"]["retired_at"] = "2027-01-01T00:00:00Z"
    raw["entry"]["files"]["model.onnx"]["signature"] = "s"
    again = decode(VersionDocument, canonical_json(raw), key="k", supported=VersionDocument.SUPPORTED)
    assert json.loads(encode(again)) == raw


@pytest.mark.parametrize(("value", "supported"), STORED)
def test_a_newer_schema_asks_for_a_newer_scoreline(value: FrozenModel, supported: int) -> None:
    raw = {**json.loads(encode(value)), "schema_number": supported + 1, "name": ["not", "even", "similar"]}
    with pytest.raises(SchemaVersionError, match="install a newer scoreline") as caught:
        decode(type(value), canonical_json(raw), key="documents/x.json", supported=supported)
    assert (caught.value.key, caught.value.found) == ("documents/x.json", supported + 1)


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"[]", b"{}", b"null", b'{"schema_number": "1"}', b'{"schema_number": 0}', b'{"schema_number": 1}'],
)
def test_bytes_that_are_no_document_are_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptError, match="documents/x"):
        decode(ModelDocument, data, key="documents/x", supported=1)


@pytest.mark.parametrize(
    "changes", [{"aliases": {"champion": 8}}, {"next_version": 7}, {"name": "../up"}, {"aliases": {"Champion": 7}}]
)
def test_a_model_that_contradicts_itself_is_refused(changes: dict[str, Any]) -> None:
    for kind in (model, earlier_model):
        with pytest.raises(ValidationError):
            kind(**changes)


@pytest.mark.parametrize("number", ["07", "x", "0"])
def test_a_version_number_is_written_in_one_way(number: str) -> None:
    with pytest.raises(ValidationError):
        earlier_model(versions={number: entry()})
    with pytest.raises(ValidationError):
        VersionIndex.model_validate({"recent": {number: {"entry": "0" * 64}}})


def test_a_missing_version_or_alias_says_what_there_is() -> None:
    with pytest.raises(NotFoundError, match="credit has versions 7 and aliases champion -> 7"):
        whole_model().entry(8)
    with pytest.raises(NotFoundError, match="credit has versions 7"):
        whole_model().alias("challenger")
    with pytest.raises(NotFoundError, match=r"it has model\.onnx"):
        whole_model().file(7, "card.md")
    with pytest.raises(NotFoundError, match="no versions yet"):
        Model.new("new", whole_model().versions.load).entry(1)


def test_a_manifest_is_read_with_its_own_schema_number() -> None:
    assert decode(Manifest, encode(manifest()), key="k", supported=MANIFEST_SCHEMA).family == "lightgbm"


def test_a_manifest_says_which_profile_features_it_was_trained_on_and_keeps_its_bytes_without() -> None:
    facts = TrainingFacts(rows=9, seconds=1)
    plain = manifest().model_copy(update={"training": facts})
    assert b"profiles" not in encode(plain)
    assert (plain.trained_profiles, manifest().trained_profiles) == ({}, {})
    recorded = {"spending": {"spent_30d": "a" * 64}}
    trained = plain.model_copy(update={"training": facts.model_copy(update={"profiles": recorded})})
    again = decode(Manifest, encode(trained), key="manifest.json", supported=MANIFEST_SCHEMA)
    assert again.trained_profiles == recorded
