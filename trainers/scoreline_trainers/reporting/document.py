"""The report of a version as one JSON document. Values only.

``RunReport`` is what a training run knows beside the manifest; it is stored as ``report.json`` in the version's folder.
``VersionReport`` adds what the registry knows, and is what pages and model cards are made of.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from scoreline_registry.documents.base import FrozenModel
from scoreline_registry.documents.manifest import Manifest, Moment
from scoreline_trainers.evaluation.bands.summary import BandSummary
from scoreline_trainers.evaluation.document import Evaluation, Interval
from scoreline_trainers.explanation.document import Explanation
from scoreline_trainers.profiling.document import TableProfile

REPORT_SCHEMA = 1

TrialState = Literal["complete", "pruned", "failed"]


class StageFacts(FrozenModel):
    """One stage of a training run, such as "fit": its time, and the most memory the process had until its end."""

    title: str
    seconds: float = Field(ge=0)
    peak_bytes: int | None = Field(default=None, ge=0)


class Trial(FrozenModel):
    """One set of options that a search tried.

    ``value`` is the mean of the search's metric over its folds and ``deviation`` their standard deviation; both are
    None where the trial did not complete.
    """

    number: int = Field(ge=0)
    config: dict[str, Any]
    value: float | None = None
    deviation: float | None = None
    seconds: float | None = None
    state: TrialState = "complete"


class SearchFacts(FrozenModel):
    """A search for options: the trials in their order; ``best`` is the number of the chosen one."""

    metric: str
    trials: tuple[Trial, ...]
    best: int | None = None
    seconds: float | None = None
    space: dict[str, str] = Field(default_factory=dict)


class Candidacy(FrozenModel):
    """One feature in a selection: its importance on held-out rows, and whether it was kept."""

    name: str
    importance: float | None = None
    kept: bool
    reason: str = ""


class SelectionFacts(FrozenModel):
    """A selection of features, the most important first."""

    method: str
    features: tuple[Candidacy, ...]


class PairedFigures(FrozenModel):
    """A metric of champion and challenger on the same rows; ``difference`` is challenger minus champion."""

    metric: str
    champion: float
    challenger: float
    difference: Interval


class ChampionComparison(FrozenModel):
    """A challenger beside the version that it was trained to replace, on rows that neither has learned from.

    ``reason`` says why it was trained. ``refitted`` says that the published model then learned from these rows too, so
    that the figures are those of the model before.
    """

    champion: str
    rows: int
    positives: int | None = None
    figures: tuple[PairedFigures, ...]
    worse: bool = False
    refitted: bool = False
    reason: str = ""


class RunReport(FrozenModel):
    """What a training run knows of a version beside its manifest.

    Attributes:
        description: what the recipe says in words.
        intended_use, limits: of the model, in words, as the recipe has them; empty where it says nothing.
        described: the fitted model's facts about itself.
        warnings: what a person should look at, one line each.
        bands: the score's bands with the validation rows in each.
        data_from, data_until: times of the oldest and the newest row that the run used, where the recipe names a time.
        profile: of the table that the run read, without values of sensitive columns.
        evaluation: on rows that the model was not trained on.
        champion: the comparison with the version before, where this one was trained by `scoreline retrain`.
        stages: of the run, in order.
    """

    schema_number: int = Field(default=REPORT_SCHEMA, ge=1)
    description: str = ""
    intended_use: str = ""
    limits: tuple[str, ...] = ()
    described: dict[str, Any] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    bands: tuple[BandSummary, ...] = ()
    data_from: datetime | None = None
    data_until: datetime | None = None
    profile: TableProfile | None = None
    evaluation: Evaluation | None = None
    search: SearchFacts | None = None
    selection: SelectionFacts | None = None
    champion: ChampionComparison | None = None
    stages: tuple[StageFacts, ...] = ()


class Publication(FrozenModel):
    """The registry's record of a version: its number, when and by whom it was published, and the names it has now."""

    version: int = Field(ge=1)
    published_at: Moment
    author: str
    message: str = ""
    aliases: tuple[str, ...] = ()
    retired: bool = False


class VersionReport(FrozenModel):
    """Everything that is known of one version of a model.

    ``publication`` is None before the version is published; ``run`` is None for a version that was not trained here, or
    by a Scoreline that stored no ``report.json``. ``explanation`` is the version's ``explanation.json``, where there is
    one.
    """

    model: str
    manifest: Manifest
    publication: Publication | None = None
    run: RunReport | None = None
    explanation: Explanation | None = None
