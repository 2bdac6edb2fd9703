"""What a block's rows came to, and the slices of it that answer each call in the form in which it asked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from scoreline.v1 import scoring_pb2 as pb
from scoreline_server.errors import CallError, ScoringError
from scoreline_server.reasons import numeric_code
from scoreline_server.scoring import wire
from scoreline_server.scoring.binding import CLIPPED, DEFAULTED, MISSING, UNSEEN, Indices
from scoreline_server.scoring.compiled_route import NO_BAND, ServedRoute
from scoreline_server.scoring.decoding import Question
from scoreline_server.scoring.model import Float32
from scoreline_server.scoring.wire import CALL_ID_BYTES


@dataclass(frozen=True, slots=True)
class Run:
    """One arm's turn at some rows of a block: which arm, how many rows, how long, and whether its model failed."""

    arm: int
    rows: int
    seconds: float
    failed: bool


@dataclass(slots=True)
class Outcome:
    """N scored rows. Arrays that most batches do not need are None until something is written to them.

    Attributes:
        scores: float32 [N], NaN where there is an error.
        assigned: uint16 [N], index of the arm that the route chose.
        served: uint16 [N], index of the arm that scored.
        reasons: uint8 [N], values of pb.Reason.
        bands: uint16 [N], indices into ``band_names``, or NO_BAND; None where no arm has bands.
        points: float64 [N] with NaN for none, or None where no arm has points.
        quality: uint16 [N, 4]: missing, defaulted, unseen, clipped; None where all are 0.
        extras: per name, (rows, values) of each run.
        errors: why rows have no score.
        runs: what each arm did, in order.
    """

    scores: Float32
    assigned: npt.NDArray[np.uint16]
    served: npt.NDArray[np.uint16]
    reasons: npt.NDArray[np.uint8]
    errors: dict[int, ScoringError]
    bands: npt.NDArray[np.uint16] | None = None
    points: npt.NDArray[np.float64] | None = None
    quality: npt.NDArray[np.uint16] | None = None
    band_names: list[str] = field(default_factory=list)
    extras: dict[str, list[tuple[Indices, npt.NDArray[Any]]]] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)

    @classmethod
    def assigned_to(cls, arms: Sequence[int], reasons: Sequence[int], *, errors: dict[int, ScoringError]) -> Self:
        """N rows that were assigned and that nothing has scored yet."""
        assigned = np.array(arms, np.uint16)
        scores = np.empty(len(assigned), np.float32)
        scores.fill(np.nan)
        return cls(scores, assigned, assigned, np.array(reasons, np.uint8), errors)

    @property
    def has_failed_run(self) -> bool:
        """Whether a model failed."""
        return any(run.failed for run in self.runs)

    def where(self, rows: Indices) -> Indices | slice:
        """Rows, each once and ascending, as an index: a slice costs a fraction of what an array of indices does."""
        return slice(None) if len(rows) == len(self.scores) else rows

    def fall_back(self, rows: Indices, arm: int) -> None:
        """Leaves rows to another arm than the one they were assigned to."""
        self.served = self.served.copy()
        self.served[rows] = arm
        self.reasons[rows] = pb.REASON_FALLBACK

    def band_ids(self, names: tuple[str, ...]) -> npt.NDArray[np.uint16]:
        """The index of each name in ``band_names``, which grows as arms bring new ones."""
        self.band_names.extend(name for name in names if name not in self.band_names)
        return np.array([self.band_names.index(name) for name in names], np.uint16)

    def set_bands(self, rows: Indices, bands: npt.NDArray[np.uint16]) -> None:
        """Writes indices into ``band_names``."""
        if self.bands is None:
            self.bands = np.full(len(self.scores), NO_BAND, np.uint16)
        self.bands[rows] = bands

    def set_quality(self, rows: Indices, quality: npt.NDArray[np.uint16]) -> None:
        """Writes counts of what was odd about inputs."""
        if self.quality is None:
            self.quality = np.zeros((len(self.scores), 4), np.uint16)
        self.quality[rows] = quality

    def set_points(self, rows: Indices, points: npt.NDArray[np.float64]) -> None:
        """Writes scorecard points."""
        if self.points is None:
            self.points = np.full(len(self.scores), np.nan)
        self.points[rows] = points


class Answers:
    """Cuts one route's outcome into the serialized responses of its calls."""

    def __init__(self, route: ServedRoute, outcome: Outcome, call_ids: bytes) -> None:
        """``call_ids`` are CALL_ID_BYTES for each call."""
        self._route = route
        self._outcome = outcome
        self._ids = call_ids
        self._scores = outcome.scores.tobytes()
        self._reasons = outcome.reasons.tobytes()
        self._served: list[int] = outcome.served.tolist()
        self._bands = wire.bands(outcome.band_names)
        self._rated = outcome.bands is not None or outcome.points is not None or outcome.quality is not None

    def all(self, questions: Sequence[Question]) -> list[bytes | ScoringError]:
        """The ScoreResponse to each call, whose rows follow one another.

        A call with one entity that cannot be scored fails as a whole, with that entity's error.
        """
        answers: list[bytes | ScoringError] = []
        start = 0
        for call, question in enumerate(questions):
            stop = start + len(question.piece.ids)
            call_id = self._ids[call * CALL_ID_BYTES : (call + 1) * CALL_ID_BYTES]
            if stop == start + 1 and start in self._outcome.errors:
                answers.append(self._outcome.errors[start])
            elif stop == start + 1 and question.packed and not question.extras:
                answers.append(self._row(start, call_id))
            else:
                answers.append(self._response(question, start, stop, call_id))
            start = stop
        return answers

    def _response(self, question: Question, start: int, stop: int, call_id: bytes) -> bytes:
        response = pb.ScoreResponse(revision=self._route.revision, call_id=call_id)
        if question.packed:
            self._pack(response.packed, question.extras, start, stop)
        else:
            for row in range(start, stop):
                self._name(response, question.extras, row, row - start)
        return response.SerializeToString()

    def _row(self, row: int, call_id: bytes) -> bytes:
        """The packed response of one row, without the cost of a message, see ``wire``."""
        score, reason = self._scores[4 * row : 4 * row + 4], self._reasons[row : row + 1]
        encoder = self._route.row_encoders[self._served[row]]
        return encoder.encode(score, reason, call_id, self._optional(row) if self._rated else b"")

    def _optional(self, row: int) -> bytes:
        """The fields of PackedScores that not every row has."""
        outcome, fields = self._outcome, b""
        if outcome.bands is not None:
            fields += self._bands + wire.band_index(outcome.bands[row].tobytes())
        if outcome.points is not None:
            fields += wire.points(outcome.points[row].tobytes())
        if outcome.quality is not None and outcome.quality[row].any():
            fields += wire.quality(outcome.quality[row].tobytes())
        return fields

    def _pack(self, packed: pb.PackedScores, extras: Sequence[str], start: int, stop: int) -> None:
        outcome, rows = self._outcome, slice(start, stop)
        packed.scores = outcome.scores[rows].tobytes()
        served, local = np.unique(outcome.served[rows], return_inverse=True)
        packed.served.extend(self._route.arms[index].shown for index in served.tolist())
        packed.served_index = local.astype("<u2").tobytes()
        packed.reasons = outcome.reasons[rows].tobytes()
        if outcome.bands is not None:
            packed.bands.extend(outcome.band_names)
            packed.band_index = outcome.bands[rows].tobytes()
        if outcome.points is not None:
            packed.points = outcome.points[rows].tobytes()
        if outcome.quality is not None and outcome.quality[rows].any():
            packed.quality = outcome.quality[rows].tobytes()
        for name in extras:
            packed.extras.extend(_extra_column(name, outcome, start, stop))
        if outcome.errors:
            packed.errors.extend(
                entity_error(row - start, outcome.errors[row]) for row in range(start, stop) if row in outcome.errors
            )

    def _name(self, response: pb.ScoreResponse, extras: Sequence[str], row: int, position: int) -> None:
        outcome = self._outcome
        if row in outcome.errors:
            response.scores.add(error=entity_error(position, outcome.errors[row]))
            return
        arm = self._route.arms[outcome.served[row]]
        quality = [0] * 4 if outcome.quality is None else outcome.quality[row].tolist()
        band = NO_BAND if outcome.bands is None else int(outcome.bands[row])
        entity = response.scores.add(
            score=float(outcome.scores[row]),
            band="" if band == NO_BAND else outcome.band_names[band],
            points=_points(outcome, row),
            model=arm.model.name,
            version=arm.model.version,
            arm=arm.ref,
            reason=pb.Reason.ValueType(int(outcome.reasons[row])),
            prediction_id=f"{response.call_id.hex()}-{position}",
            quality=pb.DataQuality(
                missing=quality[MISSING],
                defaulted=quality[DEFAULTED],
                unseen=quality[UNSEEN],
                clipped=quality[CLIPPED],
            ),
        )
        for name in extras:
            for column in _extra_column(name, outcome, row, row + 1):
                entity.extras[name].CopyFrom(pb.Tensor(shape=column.values.shape[1:], data=column.values.data))


def entity_error(row: int, error: CallError) -> pb.EntityError:
    """An error in its entity's place."""
    return pb.EntityError(
        row=row,
        code=numeric_code(error.reason),
        reason=error.reason,
        message=error.message,
        metadata=error.metadata,
    )


def _points(outcome: Outcome, row: int) -> float | None:
    if outcome.points is None or np.isnan(outcome.points[row]):
        return None
    return float(outcome.points[row])


def _extra_column(name: str, outcome: Outcome, start: int, stop: int) -> list[pb.ExtraColumn]:
    """The column of one extra output over some rows: one per shape, since arms may differ in it."""
    columns = []
    for rows, values in outcome.extras.get(name, ()):
        own = (rows >= start) & (rows < stop)
        if own.any():
            block = np.ascontiguousarray(values[own], np.float32)
            tensor = pb.Tensor(shape=block.shape, data=block.tobytes())
            columns.append(pb.ExtraColumn(name=name, rows=(rows[own] - start).astype("<i4").tobytes(), values=tensor))
    return columns
