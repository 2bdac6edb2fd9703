"""Gradient-boosted trees by LightGBM."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import lightgbm
import numpy as np
import onnx
from pydantic import Field, model_validator

from scoreline_registry.documents.contract import InputContract
from scoreline_registry.documents.manifest import BOOSTER_FILE
from scoreline_trainers.data.batch import Batch, Float32, Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.features import category_columns
from scoreline_trainers.data.splits import hold_out
from scoreline_trainers.errors import FitError
from scoreline_trainers.families.trees.lightgbm_graph import FAMILY, booster_graph, booster_trees
from scoreline_trainers.families.trees.trees import tree_edges
from scoreline_trainers.family import FamilyConfig, Fitted
from scoreline_trainers.progress import Progress

# LightGBM's own parameters that this family decides, with their aliases, and those no exact graph exists for.
_OWN = {"objective", "seed", "random_state", "verbosity", "verbose", "deterministic", "categorical_feature"}
_INEXACT = {"linear_tree", "linear_trees", "zero_as_missing", "boosting_type", "boost", "use_missing"}


class LightGBMConfig(FamilyConfig):
    """Options of the family; names and defaults of LightGBM unless said otherwise.

    Attributes:
        num_iterations: largest number of trees.
        stopping_fraction: share of the training rows that is held out to decide when to stop.
        early_stopping_rounds: stops after this many rounds without a better log loss there; 0 never stops early.
        num_threads: 0 uses every core. The model does not depend on it.
        params: any other parameter of LightGBM, by its name.
    """

    boosting: Literal["gbdt", "dart"] = "gbdt"
    num_iterations: int = Field(default=500, ge=1)
    learning_rate: float = Field(default=0.05, gt=0)
    num_leaves: int = Field(default=31, ge=2)
    max_depth: int = -1
    min_data_in_leaf: int = Field(default=20, ge=1)
    feature_fraction: float = Field(default=1.0, gt=0, le=1)
    bagging_fraction: float = Field(default=1.0, gt=0, le=1)
    bagging_freq: int = Field(default=0, ge=0)
    lambda_l1: float = Field(default=0.0, ge=0)
    lambda_l2: float = Field(default=0.0, ge=0)
    stopping_fraction: float = Field(default=0.1, gt=0, lt=1)
    early_stopping_rounds: int = Field(default=50, ge=0)
    num_threads: int = Field(default=0, ge=0)
    params: dict[str, bool | int | float | str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _exportable(self) -> Self:
        fields = set(type(self).model_fields)
        for name in self.params:
            if name in _INEXACT:
                raise ValueError(f"{name!r} cannot be exported exactly")
            if name in _OWN or name in fields:
                raise ValueError(f"{name!r} does not go under 'params'")
        if self.boosting == "dart" and self.early_stopping_rounds:
            raise ValueError("'dart' rewrites earlier trees and cannot stop early: set early_stopping_rounds: 0")
        return self

    def parameters(self, *, seed: int) -> dict[str, Any]:
        """What LightGBM is given."""
        ours = {"num_iterations", "stopping_fraction", "early_stopping_rounds", "params"}
        return {
            **self.model_dump(exclude=ours),
            **self.params,
            "objective": "binary",
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }


@dataclass(frozen=True, slots=True, eq=False)
class FittedLightGBM(Fitted):
    """A booster cut at its best round."""

    inputs: InputContract
    booster: lightgbm.Booster

    def predict(self, batch: Batch) -> Float64:
        """float64 [N]."""
        return np.asarray(self.booster.predict(batch.table, num_threads=1), np.float64)

    def to_onnx(self) -> onnx.ModelProto:
        """See ``lightgbm_graph``."""
        return booster_graph(self.booster.dump_model(), self.inputs)

    def edges(self) -> Mapping[int, Float32]:
        """Both sides of every threshold."""
        return tree_edges(booster_trees(self.booster.dump_model()))

    def describe(self) -> Mapping[str, str | int | float]:
        """Trees, and the five features that gain most."""
        gains = self.booster.feature_importance("gain")
        top = sorted(range(len(gains)), key=lambda column: -gains[column])[:5]
        names = ", ".join(self.inputs.features[column].name for column in top)
        return {"trees": self.booster.num_trees(), "gain most": names}

    def files(self) -> Mapping[str, bytes]:
        """The booster's text, from which attributions are computed later."""
        return {BOOSTER_FILE: self.booster.model_to_string().encode()}


class LightGBM:
    """The family."""

    name = FAMILY
    config_type = LightGBMConfig
    libraries = ("lightgbm",)

    def fit(self, data: Dataset, config: LightGBMConfig, *, seed: int, progress: Progress) -> FittedLightGBM:
        """Boosts until the log loss on held-out training rows stops falling."""
        if data.features is None or not data.has_features_only:
            raise FitError(self.name, "learns from features and takes no sequence and no neighbors")
        booster = _boosted(data, config, seed=seed, progress=progress)
        best = booster.best_iteration if booster.best_iteration > 0 else booster.num_trees()
        cut = lightgbm.Booster(model_str=booster.model_to_string(num_iteration=best))
        return FittedLightGBM(data.inputs, cut)


def _boosted(data: Dataset, config: LightGBMConfig, *, seed: int, progress: Progress) -> lightgbm.Booster:
    progress.begin("boost trees", total=config.num_iterations)
    parameters = config.parameters(seed=seed)
    callbacks = [_told(progress)]
    if not config.early_stopping_rounds:
        return lightgbm.train(parameters, _table(data), config.num_iterations, callbacks=callbacks)
    learned, stop = hold_out(len(data), fraction=config.stopping_fraction, seed=seed)
    train = _table(data.take(learned))
    callbacks.append(lightgbm.early_stopping(config.early_stopping_rounds, verbose=False))
    return lightgbm.train(
        parameters,
        train,
        config.num_iterations,
        valid_sets=[train.create_valid(data.batch.take(stop).table, data.label[stop])],
        callbacks=callbacks,
    )


def _table(data: Dataset) -> lightgbm.Dataset:
    names = [f"f{column}" for column in range(len(data.inputs.features))]
    categories = list(category_columns(data.inputs.features))
    return lightgbm.Dataset(
        data.batch.table, data.label, feature_name=names, categorical_feature=categories, free_raw_data=False
    )


def _told(progress: Progress) -> Any:
    def after_round(env: Any) -> None:
        losses = [value for _, _, value, _ in env.evaluation_result_list or ()]
        progress.advance(f"log loss {losses[0]:.5f}" if losses else "")

    return after_round
