"""The server's columns become scores, or an error when they cannot be columns."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoreline import Code, Reason, Score, Scores, ServerError
from scoreline.answers import read_answer, read_score
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


@given(answer=answers())
def test_one_score_is_read_as_a_column_of_one(answer: pb.ScoreResponse) -> None:
    assert shown(read_score(answer)) == shown(read_answer(answer, 1)[0])


@given(answer=answers(count=3))
def test_joined_parts_hold_every_row_of_each(answer: pb.ScoreResponse) -> None:
    part = read_answer(answer, 3)
    joined = Scores.concatenate([part, Scores.failed(2, ServerError("down")), part])
    rows = [shown(score) for score in joined]
    assert rows[:3] == [shown(score) for score in part]
    assert [row["error"] for row in rows[3:5]] == [(None, "")] * 2
    moved = {row + 5: (row + 5, "NOT_FINITE") for row in part.errors}
    assert [row["error"] for row in rows[5:]] == [moved.get(row) for row in range(5, 8)]


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
    for read in (read_score, lambda answer: read_answer(answer, 1)):
        with pytest.raises(ServerError):
            read(wrong)


def test_reasons_and_codes_of_a_newer_server_are_unknown_not_errors() -> None:
    assert read_score(answer(reasons=bytes([99]))).reason is Reason.UNKNOWN
    error = read_answer(answer(errors=[pb.EntityError(row=0, code=77, reason="NEW")]), 1).errors[0]
    assert (error.code, error.reason) == (Code.UNKNOWN, "NEW")


def test_a_row_outside_is_an_index_error() -> None:
    with pytest.raises(IndexError, match="row 1 of 1"):
        _ = Scores.blank(1)[1]
