"""The explanation of a version as one JSON document, stored as ``explanation.json``. Values only.

Contributions are Shapley values of the margin against a reference cohort: those of a row add up to its margin minus
``base_value``. A source is what a caller sends: a feature, a step feature over all steps, or a neighbor feature.
"""

from typing import Literal, TypeAlias

from pydantic import Field

from scoreline_registry.documents.base import FrozenModel

EXPLANATION_SCHEMA = 1

Link = Literal["log odds", "identity"]
SourceKind = Literal["number", "category", "steps", "neighbors"]

# A number, the name of a category, None where missing or where a source has many values, as steps have.
SourceValue: TypeAlias = float | str | None


class Importance(FrozenModel):
    """One source in the ranking.

    Attributes:
        importance: the mean absolute contribution over the explained rows.
        low, high: its 95 % bootstrap interval over rows.
        share: of the sum of all importances, 0 to 1.
        direction: Spearman's correlation of the values with the contributions, -1 to 1; None for other than numbers,
            and where either is constant.
    """

    name: str
    kind: SourceKind = "number"
    importance: float = Field(ge=0)
    low: float | None = None
    high: float | None = None
    share: float = Field(default=0.0, ge=0, le=1)
    direction: float | None = None


class Dependence(FrozenModel):
    """Contributions of one source beside its values, at most 300 rows; as long as each other."""

    name: str
    kind: SourceKind = "number"
    values: tuple[SourceValue, ...]
    contributions: tuple[float, ...]


class SummaryRow(FrozenModel):
    """Points of one source in a summary plot (beeswarm).

    ``ranks`` are the places of the values among all, 0 (lowest) to 1, None where missing or not a number.
    """

    name: str
    ranks: tuple[float | None, ...]
    contributions: tuple[float, ...]


class Interaction(FrozenModel):
    """How much two sources matter together beyond what each does alone.

    Attributes:
        strength: mean absolute Shapley interaction index over the rows it was computed for.
        low, high: its 95 % interval.
    """

    first: str
    second: str
    strength: float = Field(ge=0)
    low: float | None = None
    high: float | None = None


class Contribution(FrozenModel):
    """One source's part in the margin of one row; ``error`` is its standard error where it was sampled."""

    name: str
    value: SourceValue = None
    contribution: float
    error: float | None = None


class Waterfall(FrozenModel):
    """One row, explained: ``base`` plus the contributions, the largest first, plus ``others`` make ``margin``.

    ``title`` says which row it is: "lowest score", "median score", "nearest the cut", "highest score".
    """

    title: str
    score: float
    margin: float
    base: float
    contributions: tuple[Contribution, ...]
    others: float = 0.0


class ReferenceFacts(FrozenModel):
    """The rows in ``reference.npz``.

    Attributes:
        population: rows drawn from the training rows; ``base_value`` is their mean margin.
        near_cut: further rows with scores nearest ``cut``, as a comparison for reasons.
        cut: the score they are near.
    """

    population: int = Field(ge=1)
    near_cut: int = Field(default=0, ge=0)
    cut: float | None = None


class StepProfile(FrozenModel):
    """One step feature: the mean absolute integrated gradient at each age of a step, the newest step first."""

    name: str
    gradients: tuple[float, ...]


class HistoryProfile(FrozenModel):
    """Which steps of a history a network looks at, by age: the newest step first, at most 60.

    Attributes:
        rows: how many rows the means are over.
        steps: of each step feature.
        attention: mean share of each age; None for a network without attention.
        error: mean difference of the gradients' sum from the margin, as the integration is not exact.
    """

    rows: int = Field(ge=1)
    steps: tuple[StepProfile, ...]
    attention: tuple[float, ...] | None = None
    error: float = 0.0


class Explanation(FrozenModel):
    """What a version's inputs contribute to its margin.

    Attributes:
        method: how contributions are computed, such as "exact (trees)" or "sampled permutations".
        exact: whether the method has no sampling error.
        link: the margin is the log odds of the score, or the score itself.
        base_value: mean margin of the population rows of the reference.
        near_cut_value: mean margin of the rows near the cut, where there are any.
        rows: how many rows were explained; they were not trained on.
        standard_error: the mean standard error of one contribution, 0 where exact.
        ranking: all sources, the most important first.
        dependence: of the first sources of the ranking.
        summary: of the first sources of the ranking; the same rows in each.
        interactions: pairs of the first sources, the strongest first.
        waterfalls: some rows.
        history: of a network over histories.
    """

    schema_number: int = Field(default=EXPLANATION_SCHEMA, ge=1)
    method: str
    exact: bool
    link: Link = "log odds"
    base_value: float
    near_cut_value: float | None = None
    reference: ReferenceFacts
    rows: int = Field(ge=0)
    standard_error: float = Field(default=0.0, ge=0)
    ranking: tuple[Importance, ...]
    dependence: tuple[Dependence, ...] = ()
    summary: tuple[SummaryRow, ...] = ()
    interactions: tuple[Interaction, ...] = ()
    waterfalls: tuple[Waterfall, ...] = ()
    history: HistoryProfile | None = None
