"""Decodes a packed response row by row, which is faster than by columns where the rows are few."""

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from scoreline.decoding.explanations import read_explanations
from scoreline.decoding.responses import NO_BAND, entity_error, not_packed, read_extra
from scoreline.decoding.results import DataQuality, ProfileState, Reason, Score
from scoreline.errors import EntityFailedError, ScorelineError, ServerError
from scoreline.v1 import scoring_pb2 as pb

RowResult: TypeAlias = Score | ScorelineError
"""The score of one row, or its error."""

_Extras: TypeAlias = Mapping[str, npt.NDArray[np.float32]]
_REASONS = tuple(map(Reason, range(256)))
_STATES = tuple(map(ProfileState, range(256)))
_CLEAN = DataQuality()


def read_rows(answer: pb.ScoreResponse, count: int) -> list[RowResult]:
    """The scores and errors of ``read_answer(answer, count)``, as one result per row.

    Errors are of row 0, since each caller scores one entity. Raises ServerError as ``read_answer`` does.
    """
    if not answer.HasField("packed"):
        raise not_packed()
    try:
        return _results(answer, count, _errors(answer.packed, count))
    except (struct.error, ValueError, LookupError) as error:
        raise ServerError(f"the response is not {count} packed scores ({error}): is it a Scoreline server?") from error


def _errors(packed: pb.PackedScores, count: int) -> dict[int, EntityFailedError]:
    errors = {error.row: entity_error(error, 0) for error in packed.errors}
    if errors and not 0 <= min(errors) <= max(errors) < count:
        raise ServerError(f"the response has an error for a row beyond the {count} sent")
    return errors


def _results(answer: pb.ScoreResponse, count: int, errors: Mapping[int, ScorelineError]) -> list[RowResult]:
    packed = answer.packed
    scores = _unpack("f", count, packed.scores)
    points = _points(packed, count)
    reasons, served = _unpack("B", count, packed.reasons), _unpack("H", count, packed.served_index)
    arms = [(arm.model, arm.version, arm.arm, arm.model_digest) for arm in packed.served]
    band_index = _unpack("H", count, packed.band_index) if packed.band_index else (NO_BAND,) * count
    bands: dict[int, str | None] = {NO_BAND: None, **dict(enumerate(packed.bands))}
    quality, extras = _quality(packed, count), _extras(packed, count)
    states = _unpack("B", count, packed.profile_states) if packed.profile_states else (0,) * count
    explanations = read_explanations(packed, count) if packed.explanations else {}
    call_id, revision = answer.call_id.hex(), answer.revision
    found: list[RowResult] = []
    for row in range(count):
        if row in errors:
            found.append(errors[row])
            continue
        model, version, arm, digest = arms[served[row]]
        score = Score(
            score=scores[row],
            band=bands[band_index[row]],
            points=points[row],
            extras=extras[row],
            model=model,
            version=version,
            arm=arm,
            reason=_REASONS[reasons[row]],
            prediction_id=f"{call_id}-{row}",
            revision=revision,
            model_digest=digest,
            quality=quality[row],
            profile_state=_STATES[states[row]],
            explanation=explanations.get(row) if explanations else None,
        )
        found.append(score)
    return found


def _unpack(kind: str, count: int, data: bytes) -> tuple[Any, ...]:
    return struct.unpack(f"<{count}{kind}", data)


def _points(packed: pb.PackedScores, count: int) -> Sequence[float | None]:
    if not packed.points:
        return (None,) * count
    return [None if math.isnan(points) else points for points in _unpack("d", count, packed.points)]


def _quality(packed: pb.PackedScores, count: int) -> Sequence[DataQuality]:
    if not packed.quality:
        return [_CLEAN] * count
    counts = iter(_unpack("H", 4 * count, packed.quality))
    return [DataQuality(*four) for four in zip(counts, counts, counts, counts, strict=True)]


def _extras(packed: pb.PackedScores, count: int) -> Sequence[_Extras]:
    found: list[dict[str, npt.NDArray[np.float32]]] = [{} for _ in range(count)]
    for extra in packed.extras:
        column = read_extra(extra)
        for row, value in zip(column.rows.tolist(), column.values, strict=True):
            found[row][extra.name] = np.asarray(value)
    return found
