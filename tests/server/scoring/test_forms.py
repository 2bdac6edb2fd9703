"""Both forms of a request as rows of a layout, and what is said of mistakes in them."""

import numpy as np
import pytest

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.documents.ragged import SEQUENCE, RaggedInput
from scoreline_server.errors import ScoringError
from scoreline_server.scoring.column_form import read_packed
from scoreline_server.scoring.layout import Layout
from scoreline_server.scoring.row_form import read_named
from tests.server.wire import entity

LAYOUT = Layout(
    {"income": "number", "age": "number", "city": "category"}, (RaggedInput(SEQUENCE, ("paid", "late"), 2),)
)
STEP = {"paid": 1.0, "late": 2.0}


def told(error: ScoringError) -> tuple[str, str, dict[str, str]]:
    return error.reason, error.message, dict(error.metadata)


@pytest.mark.parametrize(
    ("bad", "reason", "message", "feature"),
    [
        (
            entity(incom=1.0), "UNKNOWN_FEATURE",
            "the route has no feature 'incom'; did you mean 'income'?", "incom",
        ),
        (
            entity(xyz=1.0), "UNKNOWN_FEATURE",
            "the route has no feature 'xyz'; GetSchema lists what it takes", "xyz",
        ),
        (
            entity(steps=[{"lat": 1.0}]), "UNKNOWN_FEATURE",
            f"the route has no {SEQUENCE.item} feature 'lat'; did you mean 'late'?", "lat",
        ),
        (entity(city=1.0), "WRONG_TYPE", "feature 'city' is a category, send its name as text", "city"),
        (entity(age="old"), "WRONG_TYPE", "feature 'age' is a number, got a text", "age"),
        (
            entity(age=-1e39), "NOT_FINITE",
            "feature 'age' is infinite or beyond the range of float32", "age",
        ),
    ],
)  # fmt: skip
def test_a_mistake_in_a_named_entity_is_said_with_its_feature(
    bad: pb.Entity, reason: str, message: str, feature: str
) -> None:
    rows = read_named([entity("good", income=1.0), bad], LAYOUT)
    assert {row: told(error) for row, error in rows.errors.items()} == {1: (reason, message, {"feature": feature})}


def test_a_named_entity_of_too_many_steps_says_how_many_it_has() -> None:
    (error,) = read_named([entity(steps=[STEP] * 3)], LAYOUT).errors.values()
    assert told(error) == (
        "SEQUENCE_TOO_LONG", "the sequence has 3 steps, the route takes at most 2: send the newest",
        {"found": "3", "most": "2"},
    )  # fmt: skip


def test_named_entities_become_the_rows_of_the_layout() -> None:
    rows = read_named([entity("a", age=2.0, city="york", steps=[STEP]), entity("b", city="bath", income=True)], LAYOUT)
    numbers = np.frombuffer(rows.numbers, "<f4").reshape(2, 2)
    np.testing.assert_array_equal(numbers, [[np.nan, 2.0], [1.0, np.nan]])
    assert [rows.dictionary[code] for code in np.frombuffer(rows.categories, "<i4")] == ["york", "bath"]
    (steps,) = rows.ragged
    assert np.frombuffer(steps.values, "<f4").tolist() == [1.0, 2.0]
    assert np.frombuffer(steps.counts, "<i4").tolist() == [1, 0]
    assert (list(rows.ids), rows.errors) == (["a", "b"], {})


def columns(**changed: object) -> pb.PackedEntities:
    """Two rows of the layout in columns: one step in the first, two in the second."""
    blocks = {
        "entity_ids": ["a", "b"],
        "numbers": np.arange(4, dtype="<f4").tobytes(),
        "categories": np.array([0, -1], "<i4").tobytes(),
        "dictionary": ["york"],
        "lengths": np.array([1, 2], "<i4").tobytes(),
        "steps": np.arange(6, dtype="<f4").tobytes(),
    }
    return pb.PackedEntities(**(blocks | changed))  # type: ignore[arg-type]


def test_columns_are_taken_as_they_come() -> None:
    rows = read_packed(columns(), LAYOUT)
    assert (rows.numbers, rows.categories, list(rows.dictionary)) == (
        columns().numbers, columns().categories, ["york"],
    )  # fmt: skip
    assert (rows.ragged[0].values, rows.ragged[0].counts, rows.errors) == (columns().steps, columns().lengths, {})


@pytest.mark.parametrize(
    ("changed", "message", "facts"),
    [
        (
            {"numbers": bytes(12)}, "block numbers has 12 bytes where float32 [2, 2] needs 16",
            {"block": "numbers", "found": "12", "expected": "16"},
        ),
        (
            {"categories": bytes(4)}, "block categories has 4 bytes where int32 [2, 1] needs 8",
            {"block": "categories", "found": "4", "expected": "8"},
        ),
        (
            {"lengths": bytes(12)}, "block lengths has 12 bytes where int32 [2, 1] needs 8",
            {"block": "lengths", "found": "12", "expected": "8"},
        ),
        (
            {"steps": bytes(16)}, "block steps has 16 bytes where float32 [3, 2] needs 24",
            {"block": "steps", "found": "16", "expected": "24"},
        ),
        (
            {"lengths": np.array([-1, 4], "<i4").tobytes()}, "block lengths holds a negative number",
            {"block": "lengths"},
        ),
        (
            {"contexts": [pb.Context()] * 3}, "send no context, one, or 2; got 3",
            {"block": "contexts"},
        ),
        (
            {"neighbor_counts": bytes(4)}, "block neighbor_counts has 4 bytes where int32 [0, 1] needs 0",
            {"block": "neighbor_counts", "found": "4", "expected": "0"},
        ),
        (
            {"neighbors": bytes(4)}, "block neighbors has 4 bytes where float32 [0, 0] needs 0",
            {"block": "neighbors", "found": "4", "expected": "0"},
        ),
    ],
)  # fmt: skip
def test_a_block_of_another_length_is_said_with_both_lengths(
    changed: dict[str, object], message: str, facts: dict[str, str]
) -> None:
    with pytest.raises(ScoringError) as caught:
        read_packed(columns(**changed), LAYOUT)
    assert told(caught.value) == ("WRONG_BLOCK_LENGTH", message, facts)


def test_a_row_of_too_many_steps_fails_alone() -> None:
    more = {"lengths": np.array([0, 3], "<i4").tobytes()}
    assert [(row, error.reason) for row, error in read_packed(columns(**more), LAYOUT).errors.items()] == [
        (1, "SEQUENCE_TOO_LONG")
    ]
