"""The meaning of a score in a recipe, its bands and points."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from scoreline_registry.documents.contract import Band, Points, ScoreContract
from scoreline_trainers.data.batch import Float64
from scoreline_trainers.data.columns import Spec, Task
from scoreline_trainers.evaluation.bands.cut_offs import Bands, RateBands
from scoreline_trainers.evaluation.metrics import Label

_MEANING = "probability that the label is 1"


class PointsSpec(Spec):
    """Scorecard points, see ``scoreline_registry.documents.contract.Points``."""

    base: float
    odds: float = Field(gt=0)
    pdo: float = Field(gt=0)


class ScoreSpec(Spec):
    """The meaning of the score, its bands and points.

    ``bands`` maps each band's name to the score it starts at, ascending from 0 to 1, or says how the cut-offs are
    chosen. Where ``adverse`` is "raises" or "lowers", reasons name only inputs that move the score that way.
    """

    meaning: str = Field(default=_MEANING, min_length=1)
    bands: Bands = Field(default_factory=dict)
    points: PointsSpec | None = None
    adverse: Literal["raises", "lowers"] | None = None

    @model_serializer(mode="wrap")
    def _without_empty(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Recipes as run that do not say it stay as earlier releases read them."""
        return {name: value for name, value in serialize(self).items() if name != "adverse" or value is not None}

    @property
    def band_names(self) -> tuple[str, ...]:
        """The names of the bands, ascending."""
        if isinstance(self.bands, dict):
            return tuple(self.bands)
        return tuple(self.bands.rates if isinstance(self.bands, RateBands) else self.bands.shares)

    def with_cuts(self, label: Label, score: Float64) -> "ScoreSpec":
        """The same with cut-offs chosen on validation rows, where they are to be chosen. Raises DataError."""
        if isinstance(self.bands, dict):
            return self
        return self.model_copy(update={"bands": self.bands.cuts(label, score)})

    def contract(
        self, *, task: Task = "binary", classes: Sequence[str] = (), extras: Sequence[str] = ()
    ) -> ScoreContract:
        """The same as the registry stores it; cut-offs that are still to be chosen are left out."""
        cuts = self.bands if isinstance(self.bands, dict) else {}
        return ScoreContract(
            meaning=self._meaning(task, classes),
            kind="value" if task == "regression" else "probability",
            classes=tuple(classes),
            bands=tuple(Band(name=name, from_score=start) for name, start in cuts.items()),
            points=None if self.points is None else Points(**self.points.model_dump()),
            extras=tuple(extras),
            adverse=self.adverse,
        )

    def _meaning(self, task: Task, classes: Sequence[str]) -> str:
        if self.meaning != _MEANING or task == "binary":
            return self.meaning
        return "expected value of the label" if not classes else f"probability of the class {classes[-1]!r}"
