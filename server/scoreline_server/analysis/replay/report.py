"""The report of a replay: values that the command prints, and that ``--json`` writes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

OTHER_BUILD = 1e-6
"""The largest difference that is allowed where another build of ONNX Runtime or another host scored."""


@dataclass(frozen=True, slots=True)
class ScoreDifferences:
    """The differences, replayed minus journaled, of rows that have both scores.

    Attributes:
        rows: how many rows have both scores.
        equal: how many are equal bit for bit.
        largest: the largest absolute difference.
        mean, mean_absolute: over all of the rows.
        quantiles: of the differences, by level.
        sampled: how many rows the quantiles are of: all, or a uniform sample of many.
    """

    rows: int
    equal: int
    largest: float
    mean: float
    mean_absolute: float
    quantiles: Mapping[float, float]
    sampled: int


@dataclass(frozen=True, slots=True)
class ArmReplay:
    """The rows that one arm answered: ``not_replayed`` of them are not among the others."""

    route: str
    revision: int
    arm: str
    model: str
    version: int
    rows: int
    equal: int
    largest: float
    not_replayed: int


@dataclass(frozen=True, slots=True)
class Runtime:
    """Rows scored by one build of ONNX Runtime on one host; ``beyond`` differ by more than ``allowed``."""

    onnxruntime: str
    host: str
    is_this: bool
    rows: int
    allowed: float
    beyond: int


@dataclass(frozen=True, slots=True)
class Flips:
    """Scores on the other side of a band's lower cut-off of the version that answered; ``rows`` have both scores."""

    model: str
    version: int
    band: str
    cut: float
    rows: int
    up: int
    down: int


@dataclass(frozen=True, slots=True)
class Change:
    """Rows with another value: an error's reason, an assigned arm or a band; empty for none."""

    before: str
    after: str
    rows: int


@dataclass(frozen=True, slots=True)
class RowDifference:
    """One of the rows whose scores differ most."""

    prediction_id: str
    entity_id: str
    revision: int
    arm: str
    replayed_arm: str
    score: float
    replayed_score: float


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay found.

    Attributes:
        mode: "as decided", "as of revision 7" or the version's reference.
        onnxruntime, host: of this replay.
        rows: how many rows were selected.
        not_replayed: rows that were not scored again, by the reason.
        scores: the differences of scores.
        errors, assigned, bands: what else changed; ``assigned`` is of the arms that rows are assigned to.
        flips: at each cut-off of the versions that answered.
        arms, runtimes: the rows by the arm that answered, and by the build and host that scored.
        most: the rows whose scores differ most.
        beyond: rows that differ by more than is allowed, errors and arms too; None where they may differ.
    """

    mode: str
    onnxruntime: str
    host: str
    rows: int
    not_replayed: Mapping[str, int]
    scores: ScoreDifferences
    errors: tuple[Change, ...]
    assigned: tuple[Change, ...]
    bands: tuple[Change, ...]
    flips: tuple[Flips, ...]
    arms: tuple[ArmReplay, ...]
    runtimes: tuple[Runtime, ...]
    most: tuple[RowDifference, ...]
    beyond: int | None

    @property
    def replayed(self) -> int:
        """How many rows were scored again."""
        return self.rows - sum(self.not_replayed.values())

    @property
    def has_failed(self) -> bool:
        """Whether rows differ that were expected to be equal."""
        return bool(self.beyond)

    def as_json(self) -> dict[str, Any]:
        """The report as JSON data."""
        values = asdict(self)
        values["scores"]["quantiles"] = {f"{level:g}": value for level, value in self.scores.quantiles.items()}
        return {"replayed": self.replayed, **values}
