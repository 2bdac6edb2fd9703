"""Reads the server's packed answer."""

import math
import struct
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline.errors import Code, EntityFailedError, ServerError
from scoreline.results import DataQuality, ExtraColumn, Names, Reason, Score, Scores
from scoreline.v1 import scoring_pb2 as pb

_NO_BAND = 65535
_FLOAT, _DOUBLE, _INDEX, _QUALITY = map(struct.Struct, ("<f", "<d", "<H", "<4H"))


def read_answer(answer: pb.ScoreResponse, count: int) -> Scores:
    """The scores of a packed answer to ``count`` entities. Raises ServerError when it cannot be one."""
    if not answer.HasField("packed"):
        raise ServerError(
            "the server did not answer in the packed form in which it was asked: is it a Scoreline server?"
        )
    packed = answer.packed
    failed = [error.row for error in packed.errors]
    if failed and not 0 <= min(failed) <= max(failed) < count:
        raise ServerError(f"the answer has an error for a row that is none of the {count} asked")
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
        extras={extra.name: _extra(extra) for extra in packed.extras},
        errors={error.row: _entity_error(error) for error in packed.errors},
    )


def read_score(answer: pb.ScoreResponse) -> Score:
    """What ``read_answer(answer, 1)[0]`` is, at a tenth of its cost. Raises ServerError."""
    packed = answer.packed
    if packed.errors:
        return read_answer(answer, 1)[0]
    try:
        (score,), (reason,) = _FLOAT.unpack(packed.scores), packed.reasons
        (served,) = _INDEX.unpack(packed.served_index)
        (band,) = _INDEX.unpack(packed.band_index) if packed.band_index else (_NO_BAND,)
        (points,) = _DOUBLE.unpack(packed.points) if packed.points else (math.nan,)
        quality = DataQuality(*_QUALITY.unpack(packed.quality)) if packed.quality else DataQuality()
        arm = packed.served[served]
        return Score(
            score=score,
            band=None if band == _NO_BAND else packed.bands[band],
            points=None if math.isnan(points) else points,
            extras={extra.name: _extra(extra).values[0] for extra in packed.extras if extra.rows},
            model=arm.model,
            version=arm.version,
            arm=arm.arm,
            reason=Reason(reason),
            prediction_id=f"{answer.call_id.hex()}-0",
            revision=answer.revision,
            model_digest=arm.model_digest,
            quality=quality,
        )
    except (struct.error, ValueError, IndexError) as error:
        raise ServerError(f"the answer is not one packed score ({error}): is it a Scoreline server?") from error


def _served(packed: pb.PackedScores, count: int, failed: list[int]) -> npt.NDArray[np.int64]:
    """Each row's index into the arms, or one past them where nobody served the row."""
    served = _array("served_index", packed.served_index, "<u2", (count,)).astype(np.int64)
    nobody = len(packed.served)
    served[failed] = 0
    if len(failed) < count and served.max() >= nobody:
        raise ServerError(f"the answer points outside its {nobody} arms")
    served[failed] = nobody
    return served


def _texts(names: Iterable[str], index: npt.NDArray[Any]) -> Names:
    found: Names = np.array([*names, ""], object)[index]
    return found


def _bands(packed: pb.PackedScores, count: int) -> Names:
    if not packed.band_index:
        return np.full(count, None, object)
    index = _array("band_index", packed.band_index, "<u2", (count,)).astype(np.int64)
    index[index == _NO_BAND] = -1  # finds the None at the end
    if index.max(initial=-1) >= len(packed.bands):
        raise ServerError(f"the answer points outside its {len(packed.bands)} bands")
    found: Names = np.array([*packed.bands, None], object)[index]
    return found


def _extra(extra: pb.ExtraColumn) -> ExtraColumn:
    shape = tuple(extra.values.shape)
    rows = _array(f"rows of {extra.name}", extra.rows, "<i4", shape[:1])
    return ExtraColumn(rows.astype(np.int64), _array(extra.name, extra.values.data, "<f4", shape))


def _optional(name: str, data: bytes, dtype: str, shape: tuple[int, ...], absent: float) -> npt.NDArray[Any]:
    return _array(name, data, dtype, shape) if data else np.full(shape, absent, dtype)


def _array(name: str, data: bytes, dtype: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    expected = math.prod(shape) * np.dtype(dtype).itemsize
    if len(data) != expected:
        raise ServerError(f"the answer's block {name} has {len(data)} bytes where {expected} were due")
    return np.frombuffer(data, dtype).reshape(shape)


def _entity_error(error: pb.EntityError) -> EntityFailedError:
    return EntityFailedError(
        error.message, row=error.row, code=Code(error.code), reason=error.reason, metadata=error.metadata
    )
