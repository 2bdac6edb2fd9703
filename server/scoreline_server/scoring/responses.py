"""Encodes the results of a scored block as one ScoreResponse per call, in rows or columns like its request."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from scoreline.v1 import scoring_pb2 as pb
from scoreline_server.errors import CallError, ScoringError
from scoreline_server.scoring import wire
from scoreline_server.scoring.binding import CLIPPED, DEFAULTED, MISSING, UNSEEN
from scoreline_server.scoring.compiled_route import NO_BAND, CompiledRoute
from scoreline_server.scoring.decoding import DecodedRequest
from scoreline_server.scoring.reasons.codes import RowReasons
from scoreline_server.scoring.results import RowResults
from scoreline_server.scoring.wire import CALL_ID_BYTES
from scoreline_server.status_codes import numeric_code


class ResponseEncoder:
    """Encodes the results of one route's calls."""

    def __init__(self, route: CompiledRoute, results: RowResults, call_ids: bytes) -> None:
        """``call_ids`` are CALL_ID_BYTES per call."""
        self._route = route
        self._results = results
        self._ids = call_ids
        self._scores = results.scores.tobytes()
        self._reasons = results.reasons.tobytes()
        self._served: list[int] = results.served.tolist()
        self._bands = b"" if results.bands is None else wire.bands(results.band_names)
        self._explained = results.explanations is not None
        self._rated = (
            results.bands is not None
            or results.points is not None
            or results.quality is not None
            or results.profile_states is not None
        )

    def encode(self, requests: Sequence[DecodedRequest]) -> list[bytes | ScoringError]:
        """The serialized ScoreResponse to each request, whose rows follow one another.

        A call of one entity that cannot be scored fails as a whole, with that entity's error.
        """
        responses: list[bytes | ScoringError] = []
        start = 0
        for call, request in enumerate(requests):
            stop = start + len(request.rows.ids)
            call_id = self._ids[call * CALL_ID_BYTES : (call + 1) * CALL_ID_BYTES]
            if stop == start + 1 and start in self._results.errors:
                responses.append(self._results.errors[start])
            elif stop == start + 1 and request.packed and not request.extras and not self._explained:
                responses.append(self._row(start, call_id))
            else:
                responses.append(self._response(request, start, stop, call_id))
            start = stop
        return responses

    def _response(self, request: DecodedRequest, start: int, stop: int, call_id: bytes) -> bytes:
        response = pb.ScoreResponse(revision=self._route.revision, call_id=call_id)
        if request.packed:
            self._pack(response.packed, request.extras, start, stop)
        else:
            for row in range(start, stop):
                self._add_score(response, request.extras, row, row - start)
        return response.SerializeToString()

    def entity_score(self, row: int, prediction_id: str) -> pb.EntityScore:
        """The score of a row that has one, without extra outputs."""
        return pb.EntityScore(**self._score_fields(row, prediction_id))

    def _row(self, row: int, call_id: bytes) -> bytes:
        """The packed response of one row, without the cost of a message, see ``wire``."""
        score, reason = self._scores[4 * row : 4 * row + 4], self._reasons[row : row + 1]
        encoder = self._route.row_encoders[self._served[row]]
        return encoder.encode(score, reason, call_id, self._optional(row) if self._rated else b"")

    def _optional(self, row: int) -> bytes:
        """The fields of PackedScores that not every row has."""
        results, fields = self._results, b""
        if results.bands is not None:
            fields += self._bands + wire.band_index(results.bands[row].tobytes())
        if results.points is not None:
            fields += wire.points(results.points[row].tobytes())
        if results.quality is not None and results.quality[row].any():
            fields += wire.quality(results.quality[row].tobytes())
        if results.profile_states is not None and results.profile_states[row]:
            fields += wire.profile_states(results.profile_states[row].tobytes())
        return fields

    def _pack(self, packed: pb.PackedScores, extras: Sequence[str], start: int, stop: int) -> None:
        results, rows = self._results, slice(start, stop)
        packed.scores = results.scores[rows].tobytes()
        served, local = np.unique(results.served[rows], return_inverse=True)
        packed.served.extend(self._route.arms[index].served_arm for index in served.tolist())
        packed.served_index = local.astype("<u2").tobytes()
        packed.reasons = results.reasons[rows].tobytes()
        if results.bands is not None:
            packed.bands.extend(results.band_names)
            packed.band_index = results.bands[rows].tobytes()
        if results.points is not None:
            packed.points = results.points[rows].tobytes()
        if results.quality is not None and results.quality[rows].any():
            packed.quality = results.quality[rows].tobytes()
        if results.profile_states is not None and results.profile_states[rows].any():
            packed.profile_states = results.profile_states[rows].tobytes()
        if results.explanations is not None:
            _pack_explanations(packed, results.explanations[rows])
        for name in extras:
            packed.extras.extend(_extra_column(name, results, start, stop))
        if results.errors:
            packed.errors.extend(
                entity_error(row - start, results.errors[row]) for row in range(start, stop) if row in results.errors
            )

    def _add_score(self, response: pb.ScoreResponse, extras: Sequence[str], row: int, position: int) -> None:
        results = self._results
        if row in results.errors:
            response.scores.add(error=entity_error(position, results.errors[row]))
            return
        entity = response.scores.add(**self._score_fields(row, f"{response.call_id.hex()}-{position}"))
        for name in extras:
            for column in _extra_column(name, results, row, row + 1):
                entity.extras[name].CopyFrom(pb.Tensor(shape=column.values.shape[1:], data=column.values.data))

    def _score_fields(self, row: int, prediction_id: str) -> dict[str, Any]:
        """The fields of a row's EntityScore but its extra outputs."""
        results = self._results
        arm = self._route.arms[results.served[row]]
        quality = [0] * 4 if results.quality is None else results.quality[row].tolist()
        band = NO_BAND if results.bands is None else int(results.bands[row])
        return {
            "score": float(results.scores[row]),
            "band": "" if band == NO_BAND else results.band_names[band],
            "points": _points(results, row),
            "model": arm.model.name,
            "version": arm.model.version,
            "arm": arm.ref,
            "reason": pb.Reason.ValueType(int(results.reasons[row])),
            "prediction_id": prediction_id,
            "quality": pb.DataQuality(
                missing=quality[MISSING],
                defaulted=quality[DEFAULTED],
                unseen=quality[UNSEEN],
                clipped=quality[CLIPPED],
                profile_state=_profile_state(results, row),
            ),
            "explanation": _explanation(results, row),
        }


def _explanation(results: RowResults, row: int) -> pb.Explanation | None:
    found = None if results.explanations is None else results.explanations[row]
    return None if found is None else explanation_message(found)


def explanation_message(found: RowReasons) -> pb.Explanation:
    """The reasons of one row on the wire."""
    return pb.Explanation(
        reasons=[
            pb.ReasonCode(
                input=code.input,
                value=code.value,
                contribution=code.contribution,
                standard_error=code.standard_error,
                text=code.text,
                language=code.language,
            )
            for code in found.codes
        ],
        base=found.base,
        margin=found.margin,
        rest=found.rest,
        standard_error=found.standard_error,
    )


def _pack_explanations(packed: pb.PackedScores, found: Sequence[RowReasons | None]) -> None:
    """One explanation per row of a call; none where no row of it has one."""
    if any(each is not None for each in found):
        packed.explanations.extend(pb.Explanation() if each is None else explanation_message(each) for each in found)


def entity_error(row: int, error: CallError) -> pb.EntityError:
    """The error of one row of a call."""
    return pb.EntityError(
        row=row,
        code=numeric_code(error.reason),
        reason=error.reason,
        message=error.message,
        metadata=error.metadata,
    )


def _profile_state(results: RowResults, row: int) -> "pb.ProfileState.ValueType":
    if results.profile_states is None:
        return pb.PROFILE_STATE_UNSPECIFIED
    return pb.ProfileState.ValueType(int(results.profile_states[row]))


def _points(results: RowResults, row: int) -> float | None:
    if results.points is None or np.isnan(results.points[row]):
        return None
    return float(results.points[row])


def _extra_column(name: str, results: RowResults, start: int, stop: int) -> list[pb.ExtraColumn]:
    """One extra output of a call's rows: a column per run, because arms may differ in its shape."""
    columns = []
    for rows, values in results.extras.get(name, ()):
        own = (rows >= start) & (rows < stop)
        if own.any():
            block = np.ascontiguousarray(values[own], np.float32)
            tensor = pb.Tensor(shape=block.shape, data=block.tobytes())
            columns.append(pb.ExtraColumn(name=name, rows=(rows[own] - start).astype("<i4").tobytes(), values=tensor))
    return columns
