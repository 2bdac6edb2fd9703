"""Stacking: a model over the scores of members, by default a calibrated regression.

Wolpert, Stacked Generalization (Neural Networks 5, 1992): it learns from scores of rows that the members had not
learned from, those of the fold that each was left out of. Of probabilities it takes log odds, because where the label
is rare all scores are near 0, and a regression over the scores themselves sees little there.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field, field_validator

from scoreline_trainers.calibration import MethodChoice
from scoreline_trainers.data.batch import Int64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import FitError
from scoreline_trainers.families import BuiltIn
from scoreline_trainers.families.ensembles.ensemble import (
    Combination,
    Ensemble,
    EnsembleConfig,
    chosen_facts,
    fit_members,
)
from scoreline_trainers.families.ensembles.members import MemberSpec
from scoreline_trainers.families.ensembles.meta_model import MetaColumns, fit_meta_model
from scoreline_trainers.families.ensembles.out_of_fold import OutOfFold, folds_of, out_of_fold
from scoreline_trainers.families.ensembles.regressions import AmountMeta, stacked
from scoreline_trainers.family import FamilyConfig, Fitted
from scoreline_trainers.progress import Progress
from scoreline_trainers.spaces import Range, Space


class StackingConfig(EnsembleConfig):
    """Options of the family.

    Attributes:
        folds: number of folds; every member is trained once without each fold, then on all rows. Rows of one unit share
            a fold.
        C: inverse strength of the ridge penalty that draws the regression's weights to each other.
        meta: the model over the scores: a family by its name, or with its options; null takes a logistic regression, of
            amounts a linear one.
        passthrough: gives that model the features too.
        calibration: method, fitted on out-of-fold scores of that model; auto takes isotonic where 1,000 rows have each
            label, else sigmoid; null leaves the scores as they are. Amounts are never calibrated.
    """

    folds: int = Field(default=5, ge=2)
    C: float = Field(default=0.01, gt=0)
    meta: MemberSpec | None = None
    passthrough: bool = False
    calibration: MethodChoice | None = "auto"

    space: ClassVar[Space] = {"C": Range(low=0.001, high=10.0, log=True)}

    @field_validator("meta", mode="before")
    @classmethod
    def _by_name(cls, meta: object) -> object:
        return {"family": meta} if isinstance(meta, str) else meta

    @property
    def nested(self) -> Sequence[tuple[str, FamilyConfig]]:
        """Every member's, and the meta-model's."""
        meta = [] if self.meta is None else [(self.meta.family, self.meta.options())]
        return [*super().nested, *meta]

    def meta_spec(self, data: Dataset) -> MemberSpec | None:
        """The model over the scores where it is not the regression that is built in."""
        if self.meta is None and self.passthrough:
            return MemberSpec(family="logistic" if data.amount is None else "linear")
        return self.meta


class Stacking(BuiltIn):
    """The model family ``stacking``."""

    name = "stacking"
    config_type = StackingConfig
    libraries = ("scikit-learn",)

    def fit(self, data: Dataset, config: StackingConfig, *, seed: int, progress: Progress) -> Fitted:
        """Fits the meta-model on out-of-fold scores of the members, then trains the members on all rows."""
        fold = folds_of(data, folds=config.folds, seed=seed)
        if any(data.take(np.flatnonzero(fold != each)).is_constant for each in range(config.folds)):
            raise FitError(self.name, f"has too few rows of each label for {config.folds} folds: lower 'folds'")
        measured = out_of_fold(config.members, data, fold, ensemble=self.name, seed=seed, progress=progress)
        places = measured.places(config.choose, ensemble=self.name)
        members = fit_members(config, places, data, ensemble=self.name, seed=seed, progress=progress)
        taken, facts = measured.only(places), chosen_facts(measured, places)
        spec = config.meta_spec(data)
        if spec is None:
            return Ensemble(data.inputs, members, _combination(taken, fold, config), facts)
        columns = MetaColumns.of(data, members, passthrough=config.passthrough)
        return fit_meta_model(
            spec,
            columns,
            columns.training(data, taken.scores),
            fold,
            calibration=config.calibration,
            facts=facts,
            seed=seed,
            progress=progress,
        )


def _combination(measured: OutOfFold, fold: Int64, config: StackingConfig) -> Combination:
    if measured.amount is not None:
        return AmountMeta.fit(measured.scores, measured.amount, C=config.C, weight=measured.weight)
    return stacked(
        measured.scores,
        measured.label,
        fold,
        C=config.C,
        calibration=config.calibration,
        weight=measured.weight,
        population_weight=measured.population_weight,
    )
