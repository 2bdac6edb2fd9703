"""Neighbours in contracts and routes; what has none is stored as it always was."""

import io
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from scoreline_registry.documents.contract import Feature, InputContract, NeighborContract
from scoreline_registry.documents.documents import canonical_json
from scoreline_registry.export.triton import triton_model
from scoreline_registry.routing.planning import next_document, schema_like, spec_of, written_schema
from scoreline_registry.routing.route import RouteSchema, SchemaFeature, schema_digest
from scoreline_registry.routing.route_plan import route_plan
from scoreline_registry.routing.route_spec import RouteSpec
from scoreline_registry.routing.route_validation import contract_errors
from scoreline_registry.versions.comparison import contract_differences
from scoreline_registry.versions.golden_comparison import compare_golden
from tests.registry.samples import manifest, spec

AGE = Feature(name="age")
AROUND = NeighborContract(features=("age", "late"), max_neighbors=8)
WITH = InputContract(features=(AGE,), neighbors=AROUND)
WRITTEN: dict[str, Any] = {
    "features": {"age": "number"},
    "neighbors": {"features": ["age", "late"], "max_neighbors": 8},
}


def schema(neighbors: NeighborContract | None = None, *names: str) -> RouteSchema:
    return RouteSchema(features=tuple(SchemaFeature(name=name) for name in names or ("age",)), neighbors=neighbors)


def test_contracts_and_schemas_without_neighbors_keep_their_bytes() -> None:
    assert list(InputContract(features=(AGE,)).model_dump()) == ["features", "sequence"]
    assert list(schema().model_dump()) == ["features", "sequence"]
    # printf '{"features":[["age","number"]],"sequence":null}\n' | sha256sum
    assert schema_digest(schema()) == "95e0d2d330692dcdca5ee543f5b3345c18c3465f6d290f1d2b6d0c81fa7bf769"


def test_contracts_with_neighbors_are_read_as_written() -> None:
    assert InputContract.model_validate_json(WITH.model_dump_json()) == WITH
    assert InputContract(neighbors=AROUND).is_empty is False


def test_the_digest_covers_the_names_of_neighbor_features_and_their_order_but_not_how_many() -> None:
    more = NeighborContract(features=("age", "late"), max_neighbors=99)
    turned = NeighborContract(features=("late", "age"), max_neighbors=8)
    assert schema_digest(schema(AROUND)) == schema_digest(schema(more))
    assert len({schema_digest(schema(around)) for around in (None, AROUND, turned)}) == 3


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ({"features": ("a", "a"), "max_neighbors": 1}, "duplicate neighbor feature 'a'"),
        ({"features": (), "max_neighbors": 1}, "at least 1 item"),
        ({"features": ("a",), "max_neighbors": 0}, "greater than or equal to 1"),
        ({"features": ("a",), "max_neighbors": 1025}, "less than or equal to 1024"),
    ],
)
def test_neighbors_that_cannot_be_are_refused(facts: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        NeighborContract(**facts)


@pytest.mark.parametrize(
    ("offered", "problems"),
    [
        (AROUND, []),
        (NeighborContract(features=("late", "more", "age"), max_neighbors=3), []),
        (None, ["m@1 takes neighbors, which the route's schema lacks"]),
        (
            NeighborContract(features=("late",), max_neighbors=9),
            [
                "m@1 requires the neighbor feature 'age', which the route's schema lacks",
                "m@1 takes at most 8 neighbors, the route's schema allows 9",
            ],
        ),
    ],
)
def test_neighbors_are_checked_by_features_and_number(offered: NeighborContract | None, problems: list[str]) -> None:
    assert contract_errors(schema(offered), "m@1", WITH) == problems


def test_a_model_without_neighbors_does_not_mind_them() -> None:
    assert not contract_errors(schema(AROUND), "m@1", InputContract(features=(AGE,)))


def test_a_schema_like_a_model_has_its_neighbors() -> None:
    assert schema_like(WITH).neighbors == AROUND


def test_a_route_with_neighbors_is_written_back_as_it_was_read() -> None:
    first = spec(schema=WRITTEN)
    stored = next_document(first, schema=written_schema(first.input_schema), before=None)
    assert stored.input_schema.neighbors == AROUND
    again = RouteSpec.model_validate(spec_of(stored))
    assert next_document(again, schema=written_schema(again.input_schema), before=stored) == stored


def test_a_plan_tells_that_neighbors_come_in() -> None:
    before, after = (
        next_document(route, schema=written_schema(route.input_schema), before=None)
        for route in (spec(schema={"features": {"age": "number"}}), spec(schema=WRITTEN))
    )
    plan = route_plan("credit", before=before, after=after, etag="")
    assert plan.differences == ("neighbors: added age, late (at most 8)",)
    assert b'"neighbors"' not in canonical_json(before.model_dump(mode="json", by_alias=True))


def test_like_stands_alone() -> None:
    with pytest.raises(ValidationError, match="not both"):
        spec(schema={"like": "m@1", "neighbors": WRITTEN["neighbors"]})


def test_versions_differ_by_their_neighbors() -> None:
    plain = manifest(AGE)
    found = contract_differences(plain, plain.model_copy(update={"inputs": WITH}))
    assert [difference.what for difference in found] == ["neighbors"]


def test_golden_rows_match_whatever_stands_in_the_place_of_no_neighbor() -> None:
    def npz(**arrays: object) -> bytes:
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **{name: np.asarray(value) for name, value in arrays.items()})
        return buffer.getvalue()

    contract = InputContract(neighbors=NeighborContract(features=("age",), max_neighbors=3))
    left = npz(neighbors=[[[1.0], [9.0]]], neighbor_mask=[[True, False]], score=[0.5])
    right = npz(neighbors=[[[1.0]], [[2.0]]], neighbor_mask=[[True], [True]], score=[0.75, 0.5])
    found = compare_golden(left, right, left_inputs=contract, right_inputs=contract)
    assert (found.shared, found.largest) == (1, {"score": 0.25})


def test_triton_is_told_of_neighbors() -> None:
    config = triton_model("credit", {1: manifest(AGE).model_copy(update={"inputs": WITH})}).config
    assert '{ name: "neighbors" data_type: TYPE_FP32 dims: [-1, -1, 2] }' in config
    assert '{ name: "neighbor_mask" data_type: TYPE_BOOL dims: [-1, -1] }' in config
