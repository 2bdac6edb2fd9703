"""The server's columns become scores, or an error when they cannot be columns."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoreline import Code, Reason, Score, ScorelineError, Scores, ServerError
from scoreline.calls.chunks import ScoredRows
from scoreline.calls.scores_builder import ScoresBuilder
from scoreline.decoding.responses import read_answer
from scoreline.decoding.row_responses import RowResult, read_rows
from scoreline.v1 import scoring_pb2 as pb


@st.composite
def answers(draw: st.DrawFn, count: int = 1) -> pb.ScoreResponse:
    """An answer to ``count`` entities with any of its optional blocks."""
    arms = draw(st.integers(1, 3))
    bands = draw(st.lists(st.text(max_size=3), max_size=2))
    errors = draw(st.sets(st.integers(0, count - 1), max_size=count))

    def block(values: st.SearchStrategy[Any], dtype: str, *, width: int = 1) -> bytes:
        size = count * width
        return np.array(draw(st.lists(values, min_size=size, max_size=size)), dtype).tobytes()

    packed = pb.PackedScores(
        scores=block(st.floats(width=32, allow_nan=False), "<f4"),
        served=[pb.ServedArm(model=f"m{i}", version=i + 1, arm=f"m{i}@a", model_digest="d") for i in range(arms)],
        served_index=block(st.integers(0, arms - 1), "<u2"),
        reasons=block(st.integers(0, 255), "u1"),
        bands=bands,
        band_index=block(st.sampled_from([*range(len(bands)), 65535]), "<u2") if draw(st.booleans()) else b"",
        points=block(st.floats(), "<f8") if draw(st.booleans()) else b"",
        quality=block(st.integers(0, 9), "<u2", width=4) if draw(st.booleans()) else b"",
        errors=[pb.EntityError(row=row, code=3, reason="NOT_FINITE", message="why") for row in sorted(errors)],
    )
    if draw(st.booleans()):
        rows = np.array(draw(st.lists(st.integers(0, count - 1), unique=True).map(sorted)), "<i4")
        values = np.ones((len(rows), 2), "<f4")
        tensor = pb.Tensor(shape=values.shape, data=values.tobytes())
        packed.extras.append(pb.ExtraColumn(name="members", rows=rows.tobytes(), values=tensor))
    return pb.ScoreResponse(packed=packed, revision=draw(st.integers(0, 9)), call_id=draw(st.binary(max_size=12)))


def shown(score: Score) -> dict[str, Any]:
    """A score as values that can be compared."""
    facts = {field.name: getattr(score, field.name) for field in fields(score)}
    error = facts.pop("error")
    extras = {name: value.tolist() for name, value in facts["extras"].items()}
    return facts | {
        "extras": extras,
        "score": repr(score.score),
        "error": error and (getattr(error, "row", None), error.reason),
    }


@given(answer=answers(count=3))
def test_rows_are_read_one_by_one_as_they_are_by_column(answer: pb.ScoreResponse) -> None:
    by_column = read_answer(answer, 3)
    for row, outcome in enumerate(read_rows(answer, 3)):
        if isinstance(outcome, Score):
            assert shown(outcome) == shown(by_column[row])
        else:
            assert told(outcome) == told(by_column.errors[row])


def told(error: RowResult) -> tuple[Any, ...]:
    """What an error says."""
    assert isinstance(error, ScorelineError)
    return (type(error), error.message, error.code, error.reason, error.metadata)


@given(answer=answers(count=3), known=st.booleans(), first=st.permutations(range(3)))
def test_gathered_parts_hold_every_row_of_each(answer: pb.ScoreResponse, known: bool, first: list[int]) -> None:
    part = read_answer(answer, 3)
    parts = [part, Scores.failed(2, ServerError("down")), part]
    places = [np.arange(3), np.arange(3, 5), np.arange(5, 8)]
    builder = ScoresBuilder(8 if known else 0)
    builder.add(ScoredRows(places[index], parts[index]) for index in first)
    joined = builder.scores()
    rows = [shown(score) for score in joined]
    assert rows[:3] == [shown(score) for score in part]
    assert [row["error"] for row in rows[3:5]] == [(None, "")] * 2
    moved = {row + 5: (row + 5, "NOT_FINITE") for row in part.errors}
    assert [row["error"] for row in rows[5:]] == [moved.get(row) for row in range(5, 8)]


def test_parts_need_not_be_of_consecutive_rows() -> None:
    part = Scores.blank(2)
    builder = ScoresBuilder()
    builder.add(
        [ScoredRows(np.array([0, 3]), part), ScoredRows(np.array([1, 2]), Scores.failed(2, ServerError("down")))]
    )
    assert sorted(builder.scores().errors) == [1, 2]


def test_an_output_that_arms_give_in_several_shapes_is_kept_whole() -> None:
    packed = answer().packed
    for row, width in ((0, 2), (1, 3)):
        tensor = pb.Tensor(shape=[1, width], data=np.full(width, width, "<f4").tobytes())
        packed.extras.append(pb.ExtraColumn(name="x", rows=np.array([row], "<i4").tobytes(), values=tensor))
    packed.scores, packed.served_index, packed.reasons = bytes(8), bytes(4), bytes(2)
    both = pb.ScoreResponse(packed=packed)
    scores = read_answer(both, 2)
    assert [scores[row].extras["x"].tolist() for row in (0, 1)] == [[2, 2], [3, 3, 3]]
    assert [shown(score) for score in scores] == [shown(row) for row in read_rows(both, 2) if isinstance(row, Score)]


def answer(**blocks: Any) -> pb.ScoreResponse:
    """A good answer to one entity, changed."""
    good = pb.PackedScores(
        scores=np.ones(1, "<f4").tobytes(), served=[pb.ServedArm(model="m")], served_index=bytes(2), reasons=b"\1"
    )
    for name, value in blocks.items():
        if isinstance(value, bytes):
            setattr(good, name, value)
        else:
            getattr(good, name).extend(value)
    return pb.ScoreResponse(packed=good)


@pytest.mark.parametrize(
    "wrong",
    [
        pb.ScoreResponse(),
        pb.ScoreResponse(scores=[pb.EntityScore(score=1)]),
        answer(scores=bytes(5)),
        answer(served_index=b"\1\0"),
        answer(band_index=b"\0\0"),
        answer(points=bytes(3)),
        answer(reasons=b"\1\1"),
        answer(errors=[pb.EntityError(row=1)]),
        answer(extras=[pb.ExtraColumn(name="x", rows=bytes(4), values=pb.Tensor(shape=[1, 2], data=bytes(4)))]),
    ],
)
def test_what_cannot_be_an_answer_is_the_server_s_error(wrong: pb.ScoreResponse) -> None:
    with pytest.raises(ServerError):
        read_rows(wrong, 1)
    with pytest.raises(ServerError):
        read_answer(wrong, 1)


def test_reasons_and_codes_of_a_newer_server_are_unknown_not_errors() -> None:
    (score,) = read_rows(answer(reasons=bytes([99])), 1)
    assert isinstance(score, Score)
    assert score.reason is Reason.UNKNOWN
    error = read_answer(answer(errors=[pb.EntityError(row=0, code=77, reason="NEW")]), 1).errors[0]
    assert (error.code, error.reason) == (Code.UNKNOWN, "NEW")


def test_a_row_outside_is_an_index_error() -> None:
    with pytest.raises(IndexError, match="row 1 of 1"):
        _ = Scores.blank(1)[1]
