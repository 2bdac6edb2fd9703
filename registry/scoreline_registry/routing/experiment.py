"""The plan of an experiment on a route: metrics, error rate and start, as the registry stores them."""

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from scoreline_registry.documents.base import FrozenModel, OmitDefaults
from scoreline_registry.documents.documents import canonical_json, sha256_hex
from scoreline_registry.names import check_feature_name

DEFAULT_KEEP_DAYS = 180
MAX_METRICS = 50
MAX_SEGMENTS = 20
MAX_NAME_LENGTH = 128
FACT_FEATURE = "feature."
FACT_CONTEXT = "context."

Direction: TypeAlias = Literal["increase", "decrease"]
MetricKind: TypeAlias = Literal["mean", "rate", "ratio"]


def _check_name(name: str) -> str:
    if not 1 <= len(name) <= MAX_NAME_LENGTH or not name.isprintable() or name != name.strip():
        rule = f"use 1 to {MAX_NAME_LENGTH} printable characters without leading or trailing spaces"
        raise ValueError(f"{name[:40]!r} is not a valid name: {rule}")
    return name


def _check_fact(text: str) -> str:
    prefix = next((prefix for prefix in (FACT_FEATURE, FACT_CONTEXT) if text.startswith(prefix)), None)
    if prefix is None:
        raise ValueError(f"{text!r} is neither a feature nor a context key: write feature.<name> or context.<key>")
    check_feature_name(text.removeprefix(prefix))
    return text


def _check_moment(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time has its zone: write it as 2026-11-01T00:00:00Z")
    return moment.astimezone(UTC)


OutcomeName = Annotated[str, AfterValidator(_check_name)]
MetricName = Annotated[str, AfterValidator(_check_name)]
# A journaled fact of a row: feature.<name> or context.<key>.
Fact = Annotated[str, AfterValidator(_check_fact)]
UtcMoment = Annotated[datetime, AfterValidator(_check_moment)]


class Outcomes(FrozenModel):
    """How long outcomes of a route's rows may take: the journal keeps rows, without inputs, for so many days."""

    keep_days: int = Field(default=DEFAULT_KEEP_DAYS, ge=1, le=3660)


class Metric(OmitDefaults):
    """A figure per arm, computed from one kind of outcome.

    ``rate`` is the share of units with a value that is not 0, ``mean`` the mean of the values, ``ratio`` the sum of the
    values over the sum of the outcome ``denominator``. ``direction`` is the change that one hopes for.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"denominator"})

    outcome: OutcomeName
    kind: MetricKind
    direction: Direction
    denominator: OutcomeName | None = None

    @model_validator(mode="after")
    def _denominated(self) -> Self:
        if (self.kind == "ratio") != (self.denominator is not None):
            raise ValueError("a ratio has a `denominator`, the name of an outcome; other kinds have none")
        return self


class Experiment(OmitDefaults):
    """What was planned before the labels came.

    Attributes:
        start: rows scored before it do not count; None counts all.
        primary: the metric that decides.
        alpha: the error rate of the intervals and tests of the primary metric, 0.05 for 95 % intervals.
        minimum_effect: the smallest difference worth finding, in the unit of the primary metric.
        tuning_rows: the number of rows, both arms together, at which the always-valid interval is narrowest.
        covariate: a number known before the assignment, by which the variance of metrics is reduced (CUPED).
        maturity_days: an outcome counts when it is observed within so many days of its row, and rows younger than that
            are left out in every arm; 0 counts every outcome and every row.
        segments: facts of a row by which figures are broken down.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"start", "minimum_effect", "covariate", "segments"})

    start: UtcMoment | None = None
    primary: MetricName
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    minimum_effect: float | None = Field(default=None, gt=0)
    tuning_rows: int = Field(default=5000, ge=100, le=1_000_000_000)
    covariate: Fact | None = None
    maturity_days: int = Field(default=0, ge=0, le=3660)
    segments: tuple[Fact, ...] = Field(default=(), max_length=MAX_SEGMENTS)
    metrics: dict[MetricName, Metric] = Field(min_length=1, max_length=MAX_METRICS)

    @model_validator(mode="after")
    def _primary_is_a_metric(self) -> Self:
        if self.primary not in self.metrics:
            raise ValueError(f"primary: unknown metric {self.primary!r}; the metrics are {', '.join(self.metrics)}")
        return self

    @property
    def digest(self) -> str:
        """Identifies the plan: the sha256 of its canonical JSON. Any change of it gives another one."""
        return sha256_hex(canonical_json(self.model_dump(mode="json")))

    @property
    def primary_metric(self) -> Metric:
        """The metric that decides."""
        return self.metrics[self.primary]
