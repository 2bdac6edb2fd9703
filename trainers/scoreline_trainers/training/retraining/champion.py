"""The published version that a challenger is to replace, with its own graph as the judge of its scores."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
from pydantic import ValidationError

from scoreline_registry.documents.manifest import BASELINE_FILE, MODEL_FILE, REPORT_FILE, Manifest
from scoreline_registry.registry import Registry
from scoreline_trainers.data.batch import Float32
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import RetrainError
from scoreline_trainers.evaluation.baseline import Baseline
from scoreline_trainers.graph.scorer import OnnxScorer
from scoreline_trainers.reporting.document import RunReport
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.retraining.rule import RetrainRule

BLOCK = 65_536
"""Rows that are scored at once."""


@dataclass(frozen=True, eq=False)
class Champion:
    """A version of a model.

    Attributes:
        model, version: its name and number.
        manifest: of the version.
        graph: the bytes of its ONNX graph.
        baseline: counts of its training rows; None where it has none.
        data_until: time of the newest row that it was made of; None where that is not known.
    """

    model: str
    version: int
    manifest: Manifest
    graph: bytes
    baseline: Baseline | None = None
    data_until: datetime | None = None

    def __str__(self) -> str:
        return f"{self.model}@{self.version}"

    @property
    def recipe(self) -> Recipe:
        """The recipe as it was run. Of several classes it names the one whose probability is the score.

        New tables may hold other classes, and the score keeps its meaning.

        Raises:
            RetrainError: there is none.
            RecipeError: this release cannot read it.
        """
        training = self.manifest.training
        if training is None or training.recipe is None:
            raise RetrainError(str(self), "holds no recipe: only versions that `scoreline train` made can be retrained")
        recipe, classes = Recipe.parse(training.recipe, source=f"of {self}"), self.manifest.score.classes
        if not classes or recipe.positive is not None:
            return recipe
        return recipe.model_copy(update={"positive": classes[-1]})

    @property
    def rule(self) -> RetrainRule:
        """The recipe's rule, or the defaults."""
        return self.recipe.retrain or RetrainRule()

    @property
    def data_sha256(self) -> str | None:
        """The digest of the table that it was made of."""
        return None if self.manifest.training is None else self.manifest.training.data_sha256

    def score(self, rows: Dataset) -> Float32:
        """Scores float32 [N] of rows that are encoded by its contract, block by block."""
        blocks = (np.arange(start, min(start + BLOCK, len(rows))) for start in range(0, len(rows), BLOCK))
        return np.concatenate([self._scorer.score(rows.batch.take(block)) for block in blocks])

    @cached_property
    def _scorer(self) -> OnnxScorer:
        return OnnxScorer(self.graph)


def read_champion(registry: Registry, model: str, version: int) -> Champion:
    """Reads a version. Raises RegistryError, and RetrainError where its files cannot be read by this release."""
    names = registry.latest().state.models.require(model).entry(version).files

    def file(name: str) -> bytes | None:
        return registry.read_file(model, version, name) if name in names else None

    baseline, report = file(BASELINE_FILE), file(REPORT_FILE)
    try:
        return Champion(
            model,
            version,
            registry.manifest(model, version),
            registry.read_file(model, version, MODEL_FILE),
            None if baseline is None else Baseline.model_validate_json(baseline),
            None if report is None else RunReport.model_validate_json(report).data_until,
        )
    except ValidationError as error:
        problem = f"has a {error.title} that this release cannot read"
        raise RetrainError(f"{model}@{version}", problem) from error
