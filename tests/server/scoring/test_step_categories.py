"""Codes of step categories by the vocabularies of callers, routes and models."""

import numpy as np
import pytest

from scoreline_registry.documents.contract import InputContract, SequenceContract
from scoreline_registry.documents.documents import canonical_json, sha256_hex
from scoreline_registry.routing.route import RouteSchema, SchemaFeature, schema_digest
from scoreline_registry.routing.route_validation import contract_errors
from scoreline_server.scoring.column_form import ColumnRemap
from scoreline_server.scoring.compiled_route import layout_of
from scoreline_server.scoring.ragged import recoded, recodes_of
from scoreline_server.scoring.rows import EncodedRows, RaggedBytes


def schema_of(*names: str, columns: tuple[str, ...] = ("spent", "status")) -> RouteSchema:
    vocabularies = {"status": names} if names else {}
    return RouteSchema(sequence=SequenceContract(features=columns, max_length=3, vocabularies=vocabularies))


def test_codes_follow_the_names_and_other_names_stay_other() -> None:
    given, wanted = (schema_of(*names).ragged[0] for names in (("late", "paid"), ("odd", "paid", "late")))
    tables = recodes_of(given, wanted)
    assert {column: table.tolist() for column, table in tables.items()} == {1: [2, 1, 3]}
    codes = np.array([0, 1, 2, 9, np.nan, -3], np.float32)
    np.testing.assert_array_equal(recoded(codes, tables[1]), [2, 1, 3, 3, np.nan, np.nan])
    assert recodes_of(given, given) == {}


def test_earlier_layouts_are_read_by_their_own_vocabulary() -> None:
    old, new = layout_of(schema_of("late", "paid")), layout_of(schema_of("paid", "late", columns=("status", "spent")))
    steps = np.array([[5, 0], [6, 1], [7, 2]], "<f4")
    rows = EncodedRows(["a"], b"", ragged=[RaggedBytes(steps.tobytes(), np.array([3], "<i4").tobytes())])
    values = np.frombuffer(ColumnRemap.between(old, new)(rows).ragged[0].values, "<f4").reshape(-1, 2)
    np.testing.assert_array_equal(values, [[1, 5], [0, 6], [2, 7]])


def test_vocabularies_of_steps_are_part_of_the_digest_and_no_vocabulary_changes_none() -> None:
    layout = {"features": [["x", "number"]], "sequence": ["spent", "status"]}
    plain = RouteSchema(features=(SchemaFeature(name="x"),), sequence=schema_of().sequence)
    assert schema_digest(plain) == sha256_hex(canonical_json(layout))
    digests = {schema_digest(schema_of(*names)) for names in ((), ("late",), ("late", "paid"), ("paid", "late"))}
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("route", "arm", "message"),
    [((), ("late",), "as a category, the route's schema has a number"), (("late",), (), "as a number, the route's")],
)
def test_an_arm_and_its_route_agree_on_the_kind_of_a_step(
    route: tuple[str, ...], arm: tuple[str, ...], message: str
) -> None:
    inputs = InputContract(sequence=schema_of(*arm).sequence)
    (error,) = contract_errors(schema_of(*route), "a@1", inputs)
    assert message in error
    assert contract_errors(schema_of("paid"), "a@1", InputContract(sequence=schema_of("late").sequence)) == []
