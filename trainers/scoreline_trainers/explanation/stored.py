"""Explains rows by a version that a registry has, from its files alone."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from scipy.special import expit

from scoreline_registry.documents.documents import decode
from scoreline_registry.documents.manifest import EXPLANATION_FILE, MODEL_FILE, REFERENCE_FILE, Manifest
from scoreline_registry.registry import Registry
from scoreline_trainers.data.batch import Float64
from scoreline_trainers.data.columns import Columns
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import ExplainError
from scoreline_trainers.explanation.cohort import POPULATION_ROWS, Cohort
from scoreline_trainers.explanation.document import EXPLANATION_SCHEMA, Explanation
from scoreline_trainers.explanation.explainers import Explainer, explainer_of
from scoreline_trainers.explanation.margins import Attributions

_AT_ONCE = 65_536


@dataclass(frozen=True)
class StoredVersion:
    """A version as the registry has it; ``files`` are those that explain it, and its graph."""

    model: str
    version: int
    manifest: Manifest
    files: Mapping[str, bytes]

    @classmethod
    def read(cls, registry: Registry, model: str, version: int) -> "StoredVersion":
        """Reads a version. Raises NotFoundError, CorruptError, and ExplainError where its score is no score."""
        there = registry.latest().state.models.require(model).entry(version).files
        names = [name for name in (MODEL_FILE, REFERENCE_FILE, EXPLANATION_FILE) if name in there]
        manifest = registry.manifest(model, version)
        if manifest.inputs.is_empty:
            raise ExplainError(f"{model}@{version}", "takes raw tensors, which have no features to explain")
        return cls(model, version, manifest, {name: registry.read_file(model, version, name) for name in names})

    def __str__(self) -> str:
        return f"{self.model}@{self.version}"

    @property
    def explanation(self) -> Explanation:
        """What was found when it was trained. Raises ExplainError where that is not stored."""
        if EXPLANATION_FILE not in self.files:
            raise ExplainError(
                str(self), "was published without an explanation: name rows with --data, and others with --reference"
            )
        key = f"{EXPLANATION_FILE} of {self}"
        return decode(Explanation, self.files[EXPLANATION_FILE], key=key, supported=EXPLANATION_SCHEMA)

    @cached_property
    def recipe(self) -> Mapping[str, Any]:
        """The recipe as it was run; empty where there is none."""
        training = self.manifest.training
        return {} if training is None or training.recipe is None else training.recipe

    def rows(self, frame: pl.DataFrame) -> Dataset:
        """The rows of a table as the version takes them; no label is needed. Raises DataError."""
        return Dataset.from_table(frame, self._columns(frame), inputs=self.manifest.inputs)

    def explainer(self, reference: pl.DataFrame | None = None, *, seed: int = 0) -> Explainer:
        """Compares with the stored cohort, or with at most 100 rows of another table.

        Raises:
            ExplainError: the version has no cohort, and no table is given.
            DataError: the table does not fit.
        """
        if reference is not None:
            cohort = Cohort.drawn(self.rows(reference).batch, count=POPULATION_ROWS, seed=seed)
        elif REFERENCE_FILE in self.files:
            cohort = Cohort.read(self.files[REFERENCE_FILE])
        else:
            raise ExplainError(str(self), f"has no {REFERENCE_FILE}: name a table to compare with by --reference")
        return explainer_of(self.files[MODEL_FILE], self.manifest.inputs, cohort.population, seed=seed)

    def _columns(self, frame: pl.DataFrame) -> Columns:
        """The roles of the columns as the recipe has them, without those that scoring does not need."""
        kept = ("null_values", "decimal", "dates", "sequence", "neighbors", "unit")
        roles = {name: self.recipe[name] for name in kept if self.recipe.get(name)}
        if roles.get("unit") not in frame.columns and "neighbors" not in roles:
            roles.pop("unit", None)
        features = [{"name": feature.name} for feature in self.manifest.inputs.features]
        return Columns.model_validate_json(json.dumps({**roles, "features": features}))


@dataclass(frozen=True, slots=True)
class ExplainedTable:
    """Contributions of all rows of a table, part by part."""

    explainer: Explainer
    data: Dataset

    def parts(self) -> Iterator[Attributions]:
        """Those of some thousand rows after another."""
        for start in range(0, len(self.data), _AT_ONCE):
            yield self.explainer.explain(self.data.batch.take(slice(start, start + _AT_ONCE)))

    def all(self) -> Attributions:
        """Those of all rows."""
        parts = list(self.parts())
        errors = [part.errors for part in parts if part.errors is not None]
        return replace(
            parts[0],
            margins=np.concatenate([part.margins for part in parts]),
            values=np.concatenate([part.values for part in parts]),
            errors=np.concatenate(errors) if errors else None,
        )

    def frame(self, found: Attributions) -> pl.DataFrame:
        """One row per row: the unit where there is one, score, margin, base value and a column per source."""
        unit = {} if self.data.unit is None else {str(self.data.unit.name): self.data.unit}
        names = [source.name for source in self.explainer.sources]
        return pl.DataFrame(
            {
                **unit,
                "score": scores_of(self.explainer, found),
                "margin": found.margins,
                "base_value": np.full(len(found.margins), found.base),
                **{f"contribution_{name}": found.values[:, place] for place, name in enumerate(names)},
            }
        )


def scores_of(explainer: Explainer, found: Attributions) -> Float64:
    """float64 [N]: the scores behind some margins."""
    scores: Float64 = expit(found.margins) if explainer.link == "log odds" else found.margins
    return scores
