"""Gradient-boosted trees by LightGBM."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import lightgbm
import numpy as np
import onnx
from pydantic import Field, model_validator

from scoreline_registry.documents.contract import InputContract
from scoreline_registry.documents.manifest import BOOSTER_FILE
from scoreline_trainers.data.batch import Batch, Float64
from scoreline_trainers.data.columns import Task
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.features import category_columns
from scoreline_trainers.families.trees.booster import (
    ALIASES,
    AfterRound,
    BoosterConfig,
    BoosterFamily,
    FittedBooster,
    missing_start,
)
from scoreline_trainers.families.trees.lightgbm_graph import FAMILY, booster_graph, booster_trees
from scoreline_trainers.families.trees.trees import Tree
from scoreline_trainers.family import Start
from scoreline_trainers.spaces import Choices, Range, Space


class LightGBMConfig(BoosterConfig):
    """Options of the family, by LightGBM's names. The model is the same on any cores.

    Each tree has at most 15 leaves and sees 70 % of the features and 80 % of the rows, where LightGBM's own defaults
    are 31 leaves and all of both: on tables of some thousand rows that generalises better.

    Attributes:
        boosting: "dart" drops earlier trees at random and cannot stop early.
    """

    boosting: Literal["gbdt", "dart"] = "gbdt"
    num_leaves: int = Field(default=15, ge=2)
    max_depth: int = -1
    min_data_in_leaf: int = Field(default=20, ge=1)
    feature_fraction: float = Field(default=0.7, gt=0, le=1)
    bagging_fraction: float = Field(default=0.8, gt=0, le=1)
    bagging_freq: int = Field(default=1, ge=0)
    lambda_l1: float = Field(default=0.0, ge=0)
    lambda_l2: float = Field(default=0.0, ge=0)

    space: ClassVar[Space] = {
        "learning_rate": Range(low=0.01, high=0.2, log=True),
        "num_leaves": Range(low=4, high=128, log=True),
        "min_data_in_leaf": Range(low=5, high=200, log=True),
        "feature_fraction": Range(low=0.4, high=1.0),
        "bagging_fraction": Range(low=0.5, high=1.0),
        "bagging_freq": Choices(choices=(0, 1)),
        "lambda_l2": Range(low=0.001, high=100.0, log=True),
    }
    aliases: ClassVar[Mapping[str, str]] = {
        **ALIASES,
        "min_child_samples": "min_data_in_leaf",
        "colsample_bytree": "feature_fraction",
        "subsample": "bagging_fraction",
        "subsample_freq": "bagging_freq",
        "reg_alpha": "lambda_l1",
        "reg_lambda": "lambda_l2",
    }
    decided: ClassVar[frozenset[str]] = frozenset(
        {"objective", "verbosity", "verbose", "deterministic", "categorical_feature"}
    )
    inexact: ClassVar[frozenset[str]] = frozenset(
        {"linear_tree", "linear_trees", "zero_as_missing", "boosting_type", "boost", "use_missing"}
    )

    @model_validator(mode="after")
    def _dart_runs_on(self) -> Self:
        if self.boosting == "dart" and self.early_stopping_rounds:
            raise ValueError("'dart' rewrites earlier trees and cannot stop early: set early_stopping_rounds: 0")
        return self

    def parameters(self, *, seed: int, task: Task) -> dict[str, Any]:
        """The parameters passed to LightGBM."""
        return {
            **self.own_parameters(),
            "num_threads": max(self.threads, 0),
            "objective": "regression" if task == "regression" else "binary",
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }


@dataclass(frozen=True, slots=True, eq=False)
class FittedLightGBM(FittedBooster):
    """A booster cut at its best round."""

    inputs: InputContract
    booster: lightgbm.Booster

    def predict(self, batch: Batch) -> Float64:
        """float64 [N]."""
        return np.asarray(self.booster.predict(batch.table, num_threads=1), np.float64)

    @property
    def rounds(self) -> int:
        """How many trees there are."""
        return self.booster.num_trees()

    def to_onnx(self) -> onnx.ModelProto:
        """See ``lightgbm_graph``."""
        return booster_graph(self.booster.dump_model(), self.inputs)

    def trees(self) -> Sequence[Tree]:
        """See ``lightgbm_graph``."""
        return booster_trees(self.booster.dump_model())

    def describe(self) -> Mapping[str, str | int | float]:
        """Trees, and the five features that gain most."""
        gains = self.booster.feature_importance("gain")
        top = sorted(range(len(gains)), key=lambda column: -gains[column])[:5]
        names = ", ".join(self.inputs.features[column].name for column in top)
        return {"trees": self.booster.num_trees(), "gain most": names}

    def files(self) -> Mapping[str, bytes]:
        """The booster as LightGBM's own text, which later training can continue from."""
        return {BOOSTER_FILE: self.booster.model_to_string().encode()}


class LightGBM(BoosterFamily[LightGBMConfig, FittedLightGBM]):
    """The model family ``lightgbm``."""

    name = FAMILY
    config_type = LightGBMConfig
    libraries = ("lightgbm",)

    def boost(
        self,
        train: Dataset,
        stop: Dataset | None,
        config: LightGBMConfig,
        *,
        seed: int,
        after_round: AfterRound,
        first: FittedLightGBM | None,
    ) -> FittedLightGBM:
        """Cuts the booster at its best round."""
        table, watched, callbacks = _table(train), [], [_reported(after_round)]
        if stop is not None:
            watched.append(table.create_valid(stop.batch.table, stop.target, weight=stop.weight))
            callbacks.append(lightgbm.early_stopping(config.early_stopping_rounds, verbose=False))
        booster = lightgbm.train(
            config.parameters(seed=seed, task=train.task),
            table,
            config.n_estimators,
            valid_sets=watched,
            callbacks=callbacks,
            init_model=None if first is None else first.booster,
        )
        best = booster.best_iteration if booster.best_iteration > 0 else booster.num_trees()
        return FittedLightGBM(train.inputs, lightgbm.Booster(model_str=booster.model_to_string(num_iteration=best)))

    def published(self, start: Start) -> FittedLightGBM:
        """By the booster's own text. Raises FitError."""
        if BOOSTER_FILE not in start.files:
            raise missing_start(self.name, start, BOOSTER_FILE)
        return FittedLightGBM(start.inputs, lightgbm.Booster(model_str=start.files[BOOSTER_FILE].decode()))


def _table(data: Dataset) -> lightgbm.Dataset:
    names = [f"f{column}" for column in range(len(data.inputs.features))]
    categories = list(category_columns(data.inputs.features))
    return lightgbm.Dataset(
        data.batch.table,
        data.target,
        weight=data.weight,
        feature_name=names,
        categorical_feature=categories,
        free_raw_data=False,
    )


def _reported(after_round: AfterRound) -> Any:
    def callback(env: Any) -> None:
        after_round(next((value for _, _, value, _ in env.evaluation_result_list or ()), None))

    return callback
