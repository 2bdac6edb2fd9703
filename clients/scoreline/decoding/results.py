"""The results of calls: one score, or many as columns."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from scoreline.decoding.explanations import Explanation, ReasonCode
from scoreline.errors import ScorelineError

Names: TypeAlias = npt.NDArray[np.object_]
"""Texts, one per row."""


class Reason(IntEnum):
    """Why an arm was chosen."""

    UNKNOWN = 0
    """Not scored, or a reason that this version does not know."""
    STATIC = 1
    """No condition matched, and the last rule has a single arm."""
    SPLIT = 2
    """No condition matched, and the last rule's split gave the unit this arm."""
    RULE_MATCH = 3
    """A rule's condition matched; its arm, or its split, decided."""
    HOLDOUT = 4
    """The unit is in the route's holdout."""
    FALLBACK = 5
    """The assigned arm failed and the route's fallback scored instead."""
    OVERRIDE = 6
    """The route's definition gives this unit the arm."""

    @classmethod
    def _missing_(cls, value: object) -> "Reason | None":
        return cls.UNKNOWN if isinstance(value, int) else None


class ProfileState(IntEnum):
    """Whether an entity's profile was read when it was scored."""

    NONE = 0
    """The route reads no profile."""
    READ = 1
    """The profile was read."""
    NEW = 2
    """The entity has no events before the time of scoring: the features of the profile have their defaults."""
    UNREACHABLE = 3
    """The store of profiles did not answer in time: the features have their defaults."""

    @classmethod
    def _missing_(cls, value: object) -> "ProfileState | None":
        return cls.NONE if isinstance(value, int) else None


class DataQuality(NamedTuple):
    """How many of an entity's features were missing, replaced by a default, unseen categories, or clipped."""

    missing: int = 0
    defaulted: int = 0
    unseen: int = 0
    clipped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One entity's score, the model that scored it and why.

    ``score`` is defined by the model's contract, usually a probability from 0 to 1; NaN where ``error`` is set.
    ``band`` and ``points`` are None where the model has none. ``extras`` holds the requested extra outputs that this
    arm has. ``revision`` is the registry revision that the route was adopted from. ``profile_state`` says whether the
    entity's profile was read. ``explanation`` is there where reasons were asked for.
    """

    score: float
    band: str | None
    points: float | None
    extras: Mapping[str, npt.NDArray[np.float32]]
    model: str
    version: int
    arm: str
    reason: Reason
    prediction_id: str
    revision: int
    model_digest: str
    quality: DataQuality
    error: ScorelineError | None = None
    profile_state: ProfileState = ProfileState.NONE
    explanation: Explanation | None = None

    @property
    def reasons(self) -> tuple[ReasonCode, ...]:
        """The inputs that moved the score most; empty where no reasons were asked for."""
        return () if self.explanation is None else self.explanation.reasons


@dataclass(frozen=True, slots=True, eq=False)
class ExtraColumn:
    """One extra output of the rows whose arm has it: ``rows`` int64 [R] ascending, ``values`` float32 [R, ...].

    Where arms give it in different shapes, ``values`` is an object array [R] of float32 arrays.
    """

    rows: npt.NDArray[np.int64]
    values: npt.NDArray[Any]

    @classmethod
    def joined(cls, columns: Sequence[Self]) -> Self:
        """The columns of one output over different rows as one."""
        if len(columns) == 1:
            return columns[0]
        rows = np.concatenate([column.rows for column in columns])
        order = np.argsort(rows, kind="stable")
        return cls(rows[order], _stacked([column.values for column in columns])[order])

    def get(self, row: int) -> npt.NDArray[np.float32] | None:
        """The value at a row, or None where its arm lacks the output."""
        index = int(np.searchsorted(self.rows, row))
        if index == len(self.rows) or self.rows[index] != row:
            return None
        value: npt.NDArray[np.float32] = np.asarray(self.values[index])
        return value


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Scores:
    """N scores as columns, in the order in which the entities were given; iterating yields ``Score``.

    Every field but ``scores``, ``errors``, ``extras`` and ``explanations`` has the name that it has on Score and one
    value per row: ``scores`` float32 [N] with NaN where the row failed, ``points`` float64 [N] with NaN for none,
    ``version`` and ``revision`` int64 [N], ``reason`` uint8 [N] of Reason values, ``quality`` uint16 [N, 4] (missing,
    defaulted, unseen, clipped), ``profile_state`` uint8 [N] of ProfileState values, and object arrays [N] of texts, of
    which ``band`` has None where there is none. ``extras`` holds a column per output, ``errors`` an error per failed
    row, ``explanations`` one for each row whose reasons were asked for.
    """

    scores: npt.NDArray[np.float32]
    band: Names
    points: npt.NDArray[np.float64]
    model: Names
    version: npt.NDArray[np.int64]
    arm: Names
    reason: npt.NDArray[np.uint8]
    prediction_id: Names
    revision: npt.NDArray[np.int64]
    model_digest: Names
    quality: npt.NDArray[np.uint16]
    profile_state: npt.NDArray[np.uint8]
    extras: Mapping[str, ExtraColumn] = field(default_factory=dict)
    errors: Mapping[int, ScorelineError] = field(default_factory=dict)
    explanations: Mapping[int, Explanation] = field(default_factory=dict)

    @classmethod
    def failed(cls, count: int, error: ScorelineError) -> Self:
        """N rows that failed with the same error."""
        return replace(cls.blank(count), errors=dict.fromkeys(range(count), error))

    @classmethod
    def blank(cls, count: int) -> Self:
        """N rows without scores."""
        text = np.full(count, "", object)
        return cls(
            scores=np.full(count, np.nan, np.float32),
            band=np.full(count, None, object),
            points=np.full(count, np.nan),
            model=text,
            version=np.zeros(count, np.int64),
            arm=text,
            reason=np.zeros(count, np.uint8),
            prediction_id=text,
            revision=np.zeros(count, np.int64),
            model_digest=text,
            quality=np.zeros((count, 4), np.uint16),
            profile_state=np.zeros(count, np.uint8),
        )

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Score]:
        return (self[row] for row in range(len(self)))

    def __getitem__(self, row: int) -> Score:
        """The score at a row from 0. Raises IndexError."""
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)} scores")
        points = float(self.points[row])
        values = {name: column.get(row) for name, column in self.extras.items()}
        return Score(
            score=float(self.scores[row]),
            band=self.band[row],
            points=None if np.isnan(points) else points,
            extras={name: value for name, value in values.items() if value is not None},
            model=self.model[row],
            version=int(self.version[row]),
            arm=self.arm[row],
            reason=Reason(int(self.reason[row])),
            prediction_id=self.prediction_id[row],
            revision=int(self.revision[row]),
            model_digest=self.model_digest[row],
            quality=DataQuality(*self.quality[row].tolist()),
            error=self.errors.get(row),
            profile_state=ProfileState(int(self.profile_state[row])),
            explanation=self.explanations.get(row),
        )


def _stacked(parts: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    if len({(part.dtype, part.shape[1:]) for part in parts}) == 1:
        return np.concatenate(parts)
    values = np.empty(sum(map(len, parts)), object)
    for index, value in enumerate(value for part in parts for value in part):
        values[index] = value
    return values
