"""Encoded responses against the generated code, which is the wire contract."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.registry import Registry
from scoreline_registry.routing.route_file import read_route
from scoreline_server.errors import ErrorReason, ScoringError
from scoreline_server.loading.loader import load
from scoreline_server.scoring.compiled_route import NO_BAND, CompiledRoute, compile_route
from scoreline_server.scoring.decoding import DecodedRequest
from scoreline_server.scoring.responses import ResponseEncoder
from scoreline_server.scoring.results import RowResults
from scoreline_server.scoring.rows import EncodedRows
from scoreline_server.scoring.wire import CALL_ID_BYTES
from tests.server.routes import ROUTE
from tests.server.toys import publish_linear

FLOAT32 = st.floats(width=32)
TEXT = st.text(max_size=8)
SERVED = st.builds(
    pb.ServedArm, model=TEXT, version=st.integers(0, 2**63 - 1), arm=TEXT, model_digest=st.text(max_size=200)
)
COUNTS = st.lists(st.integers(0, 65535), min_size=4, max_size=4)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> CompiledRoute:
    """A route with one arm."""
    registry = Registry.create(str(tmp_path_factory.mktemp("responses") / "registry"))
    publish_linear(registry, "linear", aliases=("champion",))
    document = read_route(ROUTE, source="test")
    registry.apply_route(document, author="tester", message="apply")
    stored = registry.latest().routes["credit"]
    return compile_route(stored, 1, {"linear@champion": load(registry, "linear", 1)})


def results_of(
    scores: Sequence[float], served: Sequence[int], reasons: Sequence[int],
    bands: Sequence[int] | None, names: Sequence[str], points: Sequence[float] | None,
    quality: Sequence[Sequence[int]] | None, profile_states: Sequence[int] | None,
) -> RowResults:  # fmt: skip
    arms = np.array(served, np.uint16)
    return RowResults(
        scores=np.array(scores, np.float32),
        assigned=arms,
        served=arms,
        reasons=np.array(reasons, np.uint8),
        errors={},
        bands=None if bands is None else np.array(bands, np.uint16),
        band_names=list(names) if bands is not None else [],
        points=None if points is None else np.array(points, np.float64),
        quality=None if quality is None else np.array(quality, np.uint16),
        profile_states=None if profile_states is None else np.array(profile_states, np.uint8),
    )


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[pb.ServedArm], RowResults, bytes]:
    """The arms of a route, the results of one-row calls that they served, and the ids of the calls."""
    arms = draw(st.lists(SERVED, min_size=1, max_size=3))
    count = draw(st.integers(1, 4))

    def column(values: st.SearchStrategy[float]) -> st.SearchStrategy[list[float]]:
        return st.lists(values, min_size=count, max_size=count)

    names = draw(st.lists(TEXT, min_size=1, max_size=3, unique=True))
    index = st.one_of(st.integers(0, len(names) - 1), st.just(NO_BAND))
    results = results_of(
        draw(column(FLOAT32)),
        [int(arm) for arm in draw(column(st.integers(0, len(arms) - 1)))],
        [int(reason) for reason in draw(column(st.sampled_from(pb.Reason.values())))],
        draw(st.none() | st.lists(index, min_size=count, max_size=count)),
        names,
        draw(st.none() | column(st.floats())),
        draw(st.none() | st.lists(COUNTS, min_size=count, max_size=count)),
        draw(st.none() | st.lists(st.sampled_from(pb.ProfileState.values()), min_size=count, max_size=count)),
    )
    return arms, results, draw(st.binary(min_size=CALL_ID_BYTES * count, max_size=CALL_ID_BYTES * count))


def expected(arms: Sequence[pb.ServedArm], results: RowResults, row: int, revision: int, call_id: bytes) -> bytes:
    """The response of one row by the generated code, in its canonical bytes."""
    packed = pb.PackedScores(
        scores=results.scores[row].tobytes(),
        served=[arms[results.served[row]]],
        served_index=b"\0\0",
        reasons=results.reasons[row].tobytes(),
    )
    if results.bands is not None:
        packed.bands.extend(results.band_names)
        packed.band_index = results.bands[row].tobytes()
    if results.points is not None:
        packed.points = results.points[row].tobytes()
    if results.quality is not None and any(results.quality[row]):
        packed.quality = results.quality[row].tobytes()
    if results.profile_states is not None and results.profile_states[row]:
        packed.profile_states = results.profile_states[row].tobytes()
    return pb.ScoreResponse(packed=packed, revision=revision, call_id=call_id).SerializeToString(deterministic=True)


@given(batches(), st.integers(0, 2**63 - 1))
def test_a_one_row_response_is_the_generated_message_in_every_field(
    compiled: CompiledRoute, batch: tuple[list[pb.ServedArm], RowResults, bytes], revision: int
) -> None:
    served, results, call_ids = batch
    route = replace(
        compiled, revision=revision, arms=tuple(replace(compiled.arms[0], served_arm=arm) for arm in served)
    )
    calls = [DecodedRequest(route, EncodedRows(["u"], b""), True, (), "", 0.0, 0.0) for _ in results.scores]
    for row, response in enumerate(ResponseEncoder(route, results, call_ids).encode(calls)):
        call_id = call_ids[CALL_ID_BYTES * row : CALL_ID_BYTES * (row + 1)]
        assert isinstance(response, bytes)
        decoded = pb.ScoreResponse.FromString(response)
        assert decoded.call_id == call_id
        assert decoded.revision == revision
        assert decoded.SerializeToString(deterministic=True) == expected(served, results, row, revision, call_id)


def extra_runs(results: RowResults, rows: Sequence[int], width: int, name: str) -> None:
    """Adds the extra output of one run: for each row its number, ``width`` times."""
    places = np.array(rows, np.intp)
    values = np.repeat(places[:, None], width, axis=1).astype(np.float32)
    results.extras.setdefault(name, []).append((places, values))


def by_rows(response: pb.ScoreResponse, band_names: Sequence[str]) -> list[dict[str, object]]:
    """What a response in columns says of each row, as one in rows does."""
    packed, rows = response.packed, list[dict[str, object]]()
    count = len(packed.reasons)
    scores, served = np.frombuffer(packed.scores, "<f4"), np.frombuffer(packed.served_index, "<u2")
    assert (len(scores), len(served), list(packed.bands)) == (count, count, list(band_names))
    bands, points = np.frombuffer(packed.band_index, "<u2"), np.frombuffer(packed.points, "<f8")
    quality = np.frombuffer(packed.quality or bytes(8 * count), "<u2").reshape(count, 4)
    states = packed.profile_states or bytes(count)
    errors = {error.row: error for error in packed.errors}
    for row in range(count):
        if row in errors:
            rows.append({"error": errors.pop(row)})
            continue
        arm = packed.served[served[row]]
        extras: dict[str, object] = {}
        for column in packed.extras:
            values = np.frombuffer(column.values.data, "<f4").reshape(column.values.shape)
            own = np.frombuffer(column.rows, "<i4") == row
            for each in values[own]:
                extras[column.name] = each.tolist()
        rows.append({
            "score": scores[row], "band": "" if bands[row] == NO_BAND else packed.bands[bands[row]],
            "points": None if np.isnan(points[row]) else points[row], "arm": arm.arm, "reason": packed.reasons[row],
            "quality": quality[row].tolist(), "profile_state": states[row], "extras": extras,
        })  # fmt: skip
    assert not errors
    return rows


def stated(score: pb.EntityScore) -> dict[str, object]:
    """What one row of a response in rows says."""
    if score.HasField("error"):
        return {"error": score.error}
    extras = {name: np.frombuffer(tensor.data, "<f4").tolist() for name, tensor in score.extras.items()}
    found = score.quality
    return {
        "score": np.float32(score.score), "band": score.band, "points": score.points or None, "arm": score.arm,
        "reason": score.reason, "quality": [found.missing, found.defaulted, found.unseen, found.clipped],
        "profile_state": found.profile_state, "extras": extras,
    }  # fmt: skip


def test_calls_of_several_rows_say_the_same_in_rows_and_in_columns(compiled: CompiledRoute) -> None:
    (arm,) = compiled.arms
    route = replace(compiled, arms=tuple(replace(arm, ref=ref, served_arm=pb.ServedArm(arm=ref)) for ref in "abc"))
    sizes = (2, 3, 4)
    results = results_of(
        [row / 8 for row in range(9)], [2, 1, 0, 0, 2, 2, 1, 1, 2], [1, 2, 3, 4, 5, 1, 2, 3, 4],
        [0, 1, NO_BAND, 1, 0, 1, 0, NO_BAND, 1], ["low", "high"], [1, 2, np.nan, 4, 5, np.nan, 7, 8, 9],
        [[row, row + 1, row + 2, row % 2] for row in range(9)], [1, 0, 2, 3, 0, 1, 0, 0, 0],
    )  # fmt: skip
    extra_runs(results, [0, 3, 4, 5], 1, "logit")
    extra_runs(results, [2, 6, 8], 2, "logit")
    extra_runs(results, [1, 2, 5], 3, "other")
    for row in (1, 4, 7):
        results.errors[row] = ScoringError(ErrorReason.NOT_FINITE, f"row {row} is wrong", feature=f"f{row}")
    ids = bytes(range(3 * CALL_ID_BYTES))

    def decoded(*, packed: bool) -> list[pb.ScoreResponse]:
        calls = [
            DecodedRequest(route, EncodedRows(["u"] * size, b""), packed, ("logit",), "", 0.0, 0.0) for size in sizes
        ]
        responses = ResponseEncoder(route, results, ids).encode(calls)
        return [pb.ScoreResponse.FromString(each) for each in responses if isinstance(each, bytes)]

    in_rows, in_columns = decoded(packed=False), decoded(packed=True)
    assert [len(response.scores) for response in in_rows] == list(sizes)
    for own, other in zip(in_rows, in_columns, strict=True):
        assert {(score.model, score.version) for score in own.scores if not score.HasField("error")} == {("linear", 1)}
        assert [stated(score) for score in own.scores] == by_rows(other, ["low", "high"])
    assert [score.HasField("error") for score in in_rows[1].scores] == [False, False, True]
    assert [response.call_id for response in in_rows] == [ids[:12], ids[12:24], ids[24:]]
    assert [response.call_id for response in in_columns] == [ids[:12], ids[12:24], ids[24:]]
    error = in_rows[1].scores[2].error
    assert (error.row, error.reason, dict(error.metadata)) == (2, "NOT_FINITE", {"feature": "f4"})
    assert [list(np.frombuffer(column.rows, "<i4")) for column in in_columns[1].packed.extras] == [[1, 2], [0]]
