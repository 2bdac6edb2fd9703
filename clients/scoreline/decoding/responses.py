"""Decodes a packed response to columns."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline.decoding.explanations import Explanation, read_explanations
from scoreline.decoding.results import ExtraColumn, Names, Scores
from scoreline.errors import Code, EntityFailedError, ServerError
from scoreline.v1 import scoring_pb2 as pb

NO_BAND = 65535


def read_answer(answer: pb.ScoreResponse, count: int) -> Scores:
    """The scores of a packed response to ``count`` entities. Raises ServerError for an invalid one."""
    if not answer.HasField("packed"):
        raise not_packed()
    packed = answer.packed
    failed = [error.row for error in packed.errors]
    if failed and not 0 <= min(failed) <= max(failed) < count:
        raise ServerError(f"the response has an error for a row beyond the {count} sent")
    served = _served(packed, count, failed)
    call_id = answer.call_id.hex()
    return Scores(
        scores=_array("scores", packed.scores, "<f4", (count,)),
        band=_bands(packed, count),
        points=_optional("points", packed.points, "<f8", (count,), np.nan),
        model=_texts((arm.model for arm in packed.served), served),
        version=np.array([*(arm.version for arm in packed.served), 0], np.int64)[served],
        arm=_texts((arm.arm for arm in packed.served), served),
        reason=_array("reasons", packed.reasons, "u1", (count,)),
        prediction_id=np.array([f"{call_id}-{row}" for row in range(count)], object),
        revision=np.full(count, answer.revision, np.int64),
        model_digest=_texts((arm.model_digest for arm in packed.served), served),
        quality=_optional("quality", packed.quality, "<u2", (count, 4), 0),
        profile_state=_optional("profile_states", packed.profile_states, "u1", (count,), 0),
        extras=_extras(packed),
        errors={error.row: entity_error(error, error.row) for error in packed.errors},
        explanations=_explanations(packed, count),
    )


def _explanations(packed: pb.PackedScores, count: int) -> dict[int, Explanation]:
    try:
        return read_explanations(packed, count) if packed.explanations else {}
    except ValueError as error:
        raise ServerError(f"the response is not {count} packed scores: {error}") from error


def _served(packed: pb.PackedScores, count: int, failed: list[int]) -> npt.NDArray[np.int64]:
    """Each row's index into the arms, or one past them where the row failed."""
    served = _array("served_index", packed.served_index, "<u2", (count,)).astype(np.int64)
    none = len(packed.served)
    served[failed] = 0
    if len(failed) < count and served.max() >= none:
        raise ServerError(f"the response refers to an arm beyond its {none}")
    served[failed] = none
    return served


def _texts(names: Iterable[str], index: npt.NDArray[Any]) -> Names:
    found: Names = np.array([*names, ""], object)[index]
    return found


def _bands(packed: pb.PackedScores, count: int) -> Names:
    if not packed.band_index:
        return np.full(count, None, object)
    index = _array("band_index", packed.band_index, "<u2", (count,)).astype(np.int64)
    index[index == NO_BAND] = -1  # the None at the end
    if index.max(initial=-1) >= len(packed.bands):
        raise ServerError(f"the response refers to a band beyond its {len(packed.bands)}")
    found: Names = np.array([*packed.bands, None], object)[index]
    return found


def _extras(packed: pb.PackedScores) -> dict[str, ExtraColumn]:
    # Where arms give an output in different shapes, there are several columns of it.
    columns: dict[str, list[ExtraColumn]] = {}
    for extra in packed.extras:
        columns.setdefault(extra.name, []).append(read_extra(extra))
    return {name: ExtraColumn.joined(parts) for name, parts in columns.items()}


def read_extra(extra: pb.ExtraColumn) -> ExtraColumn:
    """An extra output's column. Raises ServerError where its blocks do not match."""
    shape = tuple(extra.values.shape)
    rows = _array(f"rows of {extra.name}", extra.rows, "<i4", shape[:1])
    return ExtraColumn(rows.astype(np.int64), _array(extra.name, extra.values.data, "<f4", shape))


def _optional(name: str, data: bytes, dtype: str, shape: tuple[int, ...], absent: float) -> npt.NDArray[Any]:
    return _array(name, data, dtype, shape) if data else np.full(shape, absent, dtype)


def _array(name: str, data: bytes, dtype: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    expected = math.prod(shape) * np.dtype(dtype).itemsize
    if len(data) != expected:
        raise ServerError(f"the response has {len(data)} bytes of {name}, not {expected}")
    return np.frombuffer(data, dtype).reshape(shape)


def entity_error(error: pb.EntityError, row: int) -> EntityFailedError:
    """The error of one entity, whose index for the caller is ``row``."""
    return EntityFailedError(
        error.message, row=row, code=Code(error.code), reason=error.reason, metadata=error.metadata
    )


def not_packed() -> ServerError:
    """The error for a response in another form than the request's."""
    return ServerError("the response is not in the packed form of the request: is it a Scoreline server?")
