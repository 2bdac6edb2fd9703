"""Gradient-boosted trees by XGBoost."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import onnx
import xgboost
from pydantic import Field, model_validator
from scipy.special import expit

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.batch import Batch, Float32, Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.splits import hold_out
from scoreline_trainers.errors import FitError
from scoreline_trainers.families.trees.tree_columns import TreeColumns
from scoreline_trainers.families.trees.trees import tree_edges
from scoreline_trainers.families.trees.xgboost_graph import FAMILY, booster_graph, booster_trees
from scoreline_trainers.family import FamilyConfig, Fitted
from scoreline_trainers.progress import Progress

# XGBoost's own parameters that this family decides, and those no exact graph exists for or that another field says.
_OWN = {"objective", "seed", "random_state", "verbosity", "nthread", "n_jobs", "eta", "alpha", "lambda"}
_INEXACT = {"booster", "multi_strategy", "num_class", "enable_categorical", "max_cat_to_onehot", "device"}


class XGBoostConfig(FamilyConfig):
    """Options of the family; names and defaults of XGBoost unless said otherwise.

    A category becomes one 0/1 column for each of its names, one for "other" and one for missing.

    Attributes:
        num_boost_round: largest number of trees.
        stopping_fraction: share of the training rows that is held out to decide when to stop.
        early_stopping_rounds: stops after this many rounds without a better log loss there; 0 never stops early.
        threads: 0 uses every core. The model may depend on it in the last digits.
        params: any other parameter of XGBoost, by its name.
    """

    num_boost_round: int = Field(default=500, ge=1)
    learning_rate: float = Field(default=0.05, gt=0)
    max_depth: int = Field(default=6, ge=1, le=20)
    min_child_weight: float = Field(default=1.0, ge=0)
    subsample: float = Field(default=1.0, gt=0, le=1)
    colsample_bytree: float = Field(default=1.0, gt=0, le=1)
    gamma: float = Field(default=0.0, ge=0)
    reg_alpha: float = Field(default=0.0, ge=0)
    reg_lambda: float = Field(default=1.0, ge=0)
    max_bin: int = Field(default=256, ge=2)
    stopping_fraction: float = Field(default=0.1, gt=0, lt=1)
    early_stopping_rounds: int = Field(default=50, ge=0)
    threads: int = Field(default=1, ge=0)
    params: dict[str, bool | int | float | str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _exportable(self) -> Self:
        for name in self.params:
            if name in _INEXACT:
                raise ValueError(f"{name!r} cannot be exported exactly")
            if name in _OWN or name in type(self).model_fields:
                raise ValueError(f"{name!r} does not go under 'params'")
        return self

    def parameters(self, *, seed: int) -> dict[str, Any]:
        """What XGBoost is given."""
        ours = {"num_boost_round", "stopping_fraction", "early_stopping_rounds", "threads", "params"}
        return {
            "tree_method": "hist",
            **self.model_dump(exclude=ours),
            **self.params,
            "objective": "binary:logistic",
            "eval_metric": "logloss",
            "seed": seed,
            "nthread": self.threads,
            "verbosity": 0,
        }


@dataclass(frozen=True, slots=True, eq=False)
class FittedXGBoost(Fitted):
    """A booster cut at its best round, over the matrix that ``columns`` makes."""

    inputs: InputContract
    columns: TreeColumns
    booster: xgboost.Booster

    def predict(self, batch: Batch) -> Float64:
        """float64 [N], of XGBoost's log odds, which are float32."""
        margin = self.booster.inplace_predict(self.columns.apply(batch.table), predict_type="margin")
        score: Float64 = expit(np.asarray(margin, np.float64))
        return score

    def to_onnx(self) -> onnx.ModelProto:
        """See ``xgboost_graph``."""
        return booster_graph(self.dump(), self.columns, self.inputs)

    def edges(self) -> Mapping[int, Float32]:
        """Both sides of every threshold."""
        return tree_edges(booster_trees(self.dump(), self.columns))

    def dump(self) -> Mapping[str, Any]:
        """The booster as XGBoost's own JSON."""
        return dict(json.loads(self.booster.save_raw("json")))

    def describe(self) -> Mapping[str, str | int | float]:
        """Trees, and the five columns that gain most."""
        gains: Mapping[str, Any] = self.booster.get_score(importance_type="total_gain")
        top = sorted(gains, key=lambda column: -float(gains[column]))[:5]
        names = ", ".join(self._column_name(int(column.removeprefix("f"))) for column in top)
        return {"trees": self.booster.num_boosted_rounds(), "gain most": names}

    def _column_name(self, column: int) -> str:
        return self.columns.names(self.inputs.features)[column]


class XGBoost:
    """The family."""

    name = FAMILY
    config_type = XGBoostConfig
    libraries = ("xgboost-cpu",)

    def fit(self, data: Dataset, config: XGBoostConfig, *, seed: int, progress: Progress) -> FittedXGBoost:
        """Boosts until the log loss on held-out training rows stops falling."""
        if data.features is None or not data.has_features_only:
            raise FitError(self.name, "learns from features and takes no sequence and no neighbors")
        columns = TreeColumns.of(data.inputs.features, family=self.name)
        booster = _boosted(data, columns, config, seed=seed, progress=progress)
        booster.set_param({"nthread": 1})
        return FittedXGBoost(data.inputs, columns, booster)


def _boosted(
    data: Dataset, columns: TreeColumns, config: XGBoostConfig, *, seed: int, progress: Progress
) -> xgboost.Booster:
    progress.begin("boost trees", total=config.num_boost_round)
    learned, stop = hold_out(len(data), fraction=config.stopping_fraction, seed=seed)
    train = data.take(learned) if config.early_stopping_rounds else data
    watched = [(_matrix(data.take(stop), columns), "stop")] if config.early_stopping_rounds else []
    booster = xgboost.train(
        config.parameters(seed=seed),
        _matrix(train, columns),
        config.num_boost_round,
        evals=watched,
        early_stopping_rounds=config.early_stopping_rounds or None,
        verbose_eval=False,
        callbacks=[_Told(progress)],
    )
    return booster[: booster.best_iteration + 1] if config.early_stopping_rounds else booster


def _matrix(data: Dataset, columns: TreeColumns) -> xgboost.DMatrix:
    return xgboost.DMatrix(columns.apply(data.batch.table), data.label)


class _Told(xgboost.callback.TrainingCallback):
    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Any]) -> bool:
        del model, epoch
        losses = evals_log.get("stop", {}).get("logloss")
        self._progress.advance(f"log loss {losses[-1]:.5f}" if losses else "")
        return False
