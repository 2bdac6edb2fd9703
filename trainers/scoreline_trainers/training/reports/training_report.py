"""The report of a training run."""

from dataclasses import asdict, dataclass, field
from typing import Any

from scoreline_trainers.evaluation.bands.summary import BandSummary
from scoreline_trainers.training.reports.summary import ColumnSummary
from scoreline_trainers.training.stages import Stage


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """The result of one run; ``version`` and ``revision`` are None where nothing was published.

    Attributes:
        seconds: spent fitting.
        parity_rows: rows on which the graph was compared with the native model.
        max_difference: the largest difference of a score among them.
        described: the fitted model's facts about itself.
        columns: the features as they were read.
        bands: the score's bands, with the validation rows in each.
        warnings: what a person should look at, one line each.
        stages: of the run, with their time and peak memory.
        chosen: what a selection of features and a search chose, in words.
    """

    model: str
    family: str
    training_rows: int
    validation_rows: int
    metrics: dict[str, float]
    seconds: float
    parity_rows: int
    max_difference: float
    model_bytes: int
    described: dict[str, str | int | float]
    columns: tuple[ColumnSummary, ...] = ()
    bands: tuple[BandSummary, ...] = ()
    warnings: tuple[str, ...] = ()
    stages: tuple[Stage, ...] = ()
    chosen: dict[str, str] = field(default_factory=dict)
    version: int | None = None
    aliases: tuple[str, ...] = ()
    route: str | None = None
    revision: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return asdict(self)
