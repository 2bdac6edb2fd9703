"""The results of scoring a block of rows: scores, arms, reasons, bands, points, data quality and errors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.routing.assignment import Assignments
from scoreline_server.errors import ScoringError
from scoreline_server.scoring.arrays import Float32, Indices
from scoreline_server.scoring.compiled_route import NO_BAND, CompiledRoute
from scoreline_server.scoring.decided import DecidedRows
from scoreline_server.scoring.decoding import DecodedRequest
from scoreline_server.scoring.reasons.codes import RowReasons
from scoreline_server.scoring.rows import RowBlock

ASSIGNMENT_REASONS: Mapping[str, "pb.Reason.ValueType"] = {
    "STATIC": pb.REASON_STATIC,
    "SPLIT": pb.REASON_SPLIT,
    "RULE_MATCH": pb.REASON_RULE_MATCH,
    "HOLDOUT": pb.REASON_HOLDOUT,
    "OVERRIDE": pb.REASON_OVERRIDE,
}
"""The wire value of each reason that an assigner gives."""


@dataclass(frozen=True, slots=True)
class ArmRun:
    """One run of an arm's model: the arm's index, how many rows, how long it took, and whether it failed."""

    arm: int
    rows: int
    seconds: float
    failed: bool


@dataclass(slots=True)
class RowResults:
    """The results of N rows. Arrays that most batches do not need are None until they are written to.

    Attributes:
        scores: float32 [N], NaN where there is an error.
        assigned: uint16 [N], index of the assigned arm.
        served: uint16 [N], index of the arm that scored.
        reasons: uint8 [N], values of pb.Reason.
        errors: why rows have no score, by row.
        rules: the deciding rule of each row as a byte, see ``Assignments``; None where it is the route's last.
        bands: uint16 [N], indices into ``band_names``, or NO_BAND; None where no arm has bands.
        points: float64 [N] with NaN for none, or None where no arm has points.
        quality: uint16 [N, 4], how many inputs of the row were missing, defaulted, unseen and clipped (the columns
            MISSING, DEFAULTED, UNSEEN and CLIPPED of ``binding``); None where all are 0.
        profile_states: uint8 [N], values of pb.ProfileState, 0 where there is an error; None where no profile is read.
        explanations: [N], the reasons of each row, None for rows that want none or have an error; None where none does.
        band_names: the names of the bands of all arms that ran.
        extras: by name of an extra output, (rows, values) of each run.
        runs: the runs of models, in order.
    """

    scores: Float32
    assigned: npt.NDArray[np.uint16]
    served: npt.NDArray[np.uint16]
    reasons: npt.NDArray[np.uint8]
    errors: dict[int, ScoringError]
    rules: bytearray | None = None
    bands: npt.NDArray[np.uint16] | None = None
    points: npt.NDArray[np.float64] | None = None
    quality: npt.NDArray[np.uint16] | None = None
    profile_states: npt.NDArray[np.uint8] | None = None
    explanations: Sequence[RowReasons | None] | None = None
    band_names: list[str] = field(default_factory=list)
    extras: dict[str, list[tuple[Indices, npt.NDArray[Any]]]] = field(default_factory=dict)
    runs: list[ArmRun] = field(default_factory=list)

    @classmethod
    def unscored(cls, assignments: Assignments, *, errors: dict[int, ScoringError]) -> Self:
        """Results of N assigned rows before any model has run."""
        arms, why, rules = assignments
        assigned = np.array(arms, np.uint16)
        scores = np.empty(len(assigned), np.float32)
        scores.fill(np.nan)
        reasons = np.array([ASSIGNMENT_REASONS[reason] for reason in why], np.uint8)
        return cls(scores, assigned, assigned, reasons, errors, rules)

    @property
    def has_failed_run(self) -> bool:
        """Whether a model failed."""
        return any(run.failed for run in self.runs)

    def index_of(self, rows: Indices) -> Indices | slice:
        """Distinct ascending rows as an index; a slice for all rows, which costs a fraction of an index array."""
        return slice(None) if len(rows) == len(self.scores) else rows

    def add_run(self, rows: Indices, seconds: float, *, failed: bool) -> None:
        """Records one run of a model under each arm whose rows it scored."""
        served = self.served[self.index_of(rows)].tolist()
        for arm in set(served):
            self.runs.append(ArmRun(arm, served.count(arm), seconds, failed=failed))

    def fall_back(self, rows: Indices, arm: int) -> None:
        """Moves rows to the route's fallback arm."""
        self.served = self.served.copy()
        self.served[rows] = arm
        self.reasons[rows] = pb.REASON_FALLBACK

    def band_ids(self, names: tuple[str, ...]) -> npt.NDArray[np.uint16]:
        """The index of each name in ``band_names``; new names are appended."""
        self.band_names.extend(name for name in names if name not in self.band_names)
        return np.array([self.band_names.index(name) for name in names], np.uint16)

    def set_bands(self, rows: Indices, bands: npt.NDArray[np.uint16]) -> None:
        """Writes the bands of rows, as indices into ``band_names``."""
        if self.bands is None:
            self.bands = np.full(len(self.scores), NO_BAND, np.uint16)
        self.bands[rows] = bands

    def set_quality(self, rows: Indices, quality: npt.NDArray[np.uint16]) -> None:
        """Writes the data quality counts of rows."""
        if self.quality is None:
            self.quality = np.zeros((len(self.scores), 4), np.uint16)
        self.quality[rows] = quality

    def set_profile_states(self, states: npt.NDArray[np.uint8]) -> None:
        """Writes how the profiles of all rows were read, once they have been scored."""
        self.profile_states = states.copy()
        self.profile_states[list(self.errors)] = 0

    def set_points(self, rows: Indices, points: npt.NDArray[np.float64]) -> None:
        """Writes the scorecard points of rows."""
        if self.points is None:
            self.points = np.full(len(self.scores), np.nan)
        self.points[rows] = points


@dataclass(frozen=True, slots=True)
class ScoredBatch:
    """The calls to one route that were scored together.

    Attributes:
        route: the route as it was served.
        requests: the calls, in the order of their rows.
        rows: their entities in the route's layout.
        results: the result of each row.
        call_ids: see ``new_call_ids``; with a row's index in its call they are its prediction id.
        decisions: what a policy decided for the rows; None where they were only scored.
    """

    route: CompiledRoute
    requests: Sequence[DecodedRequest]
    rows: RowBlock
    results: RowResults
    call_ids: bytes
    decisions: DecidedRows | None = None


Observe: TypeAlias = Callable[[ScoredBatch], None]
"""Receives each scored batch, once per route; nothing in it changes any more."""
