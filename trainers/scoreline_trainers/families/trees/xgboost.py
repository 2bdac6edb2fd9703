"""Gradient-boosted trees by XGBoost."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import onnx
import xgboost
from pydantic import Field
from scipy.special import expit

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.batch import Batch, Float64
from scoreline_trainers.data.columns import Task
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.families.trees.booster import (
    ALIASES,
    AfterRound,
    BoosterConfig,
    BoosterFamily,
    FittedBooster,
    missing_start,
)
from scoreline_trainers.families.trees.tree_columns import TreeColumns
from scoreline_trainers.families.trees.trees import Tree
from scoreline_trainers.families.trees.xgboost_graph import FAMILY, booster_graph, booster_trees
from scoreline_trainers.family import Start
from scoreline_trainers.spaces import Range, Space

# What evaluations call the rows that decide when to stop.
_STOP = "stop"
XGBOOST_FILE = "booster.ubj"


class XGBoostConfig(BoosterConfig):
    """Options of the family, by XGBoost's names.

    Trees are less deep than XGBoost's own defaults (6) and each sees part of the rows and columns: on tables of some
    thousand rows that generalises better. A category becomes one 0/1 column for each of its names, one for "other" and
    one for missing.
    """

    max_depth: int = Field(default=4, ge=1, le=20)
    min_child_weight: float = Field(default=1.0, ge=0)
    subsample: float = Field(default=0.8, gt=0, le=1)
    colsample_bytree: float = Field(default=0.7, gt=0, le=1)
    gamma: float = Field(default=0.0, ge=0)
    reg_alpha: float = Field(default=0.0, ge=0)
    reg_lambda: float = Field(default=1.0, ge=0)
    max_bin: int = Field(default=256, ge=2)

    space: ClassVar[Space] = {
        "learning_rate": Range(low=0.01, high=0.2, log=True),
        "max_depth": Range(low=2, high=10),
        "min_child_weight": Range(low=0.5, high=50.0, log=True),
        "subsample": Range(low=0.5, high=1.0),
        "colsample_bytree": Range(low=0.4, high=1.0),
        "gamma": Range(low=0.0, high=5.0),
        "reg_lambda": Range(low=0.001, high=100.0, log=True),
    }
    aliases: ClassVar[Mapping[str, str]] = {
        **ALIASES,
        "alpha": "reg_alpha",
        "lambda": "reg_lambda",
        "min_split_loss": "gamma",
    }
    decided: ClassVar[frozenset[str]] = frozenset({"objective", "verbosity", "eval_metric"})
    inexact: ClassVar[frozenset[str]] = frozenset(
        {"booster", "multi_strategy", "num_class", "enable_categorical", "max_cat_to_onehot", "device"}
    )

    def parameters(self, *, seed: int, task: Task) -> dict[str, Any]:
        """The parameters passed to XGBoost."""
        objective, metric = ("reg:squarederror", "rmse") if task == "regression" else ("binary:logistic", "logloss")
        return {
            "tree_method": "hist",
            **self.own_parameters(),
            "nthread": max(self.threads, 0),
            "objective": objective,
            "eval_metric": metric,
            "seed": seed,
            "verbosity": 0,
        }


@dataclass(frozen=True, slots=True, eq=False)
class FittedXGBoost(FittedBooster):
    """A booster cut at its best round, over the matrix that ``columns`` makes."""

    inputs: InputContract
    columns: TreeColumns
    booster: xgboost.Booster
    task: Task = "binary"

    @property
    def rounds(self) -> int:
        """How many trees there are."""
        return self.booster.num_boosted_rounds()

    def predict(self, batch: Batch) -> Float64:
        """float64 [N], of XGBoost's log odds or amounts, which are float32."""
        found = self.booster.inplace_predict(self.columns.apply(batch.table), predict_type="margin")
        margin = np.asarray(found, np.float64)
        score: Float64 = margin if self.task == "regression" else expit(margin)
        return score

    def to_onnx(self) -> onnx.ModelProto:
        """See ``xgboost_graph``."""
        return booster_graph(self.dump(), self.columns, self.inputs)

    def trees(self) -> Sequence[Tree]:
        """See ``xgboost_graph``."""
        return booster_trees(self.dump(), self.columns)

    def dump(self) -> Mapping[str, Any]:
        """The booster as XGBoost's own JSON."""
        return dict(json.loads(self.booster.save_raw("json")))

    def describe(self) -> Mapping[str, str | int | float]:
        """Trees, and the five columns that gain most."""
        gains: Mapping[str, Any] = self.booster.get_score(importance_type="total_gain")
        top = sorted(gains, key=lambda column: -float(gains[column]))[:5]
        names = ", ".join(self._column_name(int(column.removeprefix("f"))) for column in top)
        return {"trees": self.booster.num_boosted_rounds(), "gain most": names}

    def files(self) -> Mapping[str, bytes]:
        """The booster as XGBoost's own file, which later training can continue from."""
        return {XGBOOST_FILE: bytes(self.booster.save_raw("ubj"))}

    def _column_name(self, column: int) -> str:
        return self.columns.names(self.inputs.features)[column]


class XGBoost(BoosterFamily[XGBoostConfig, FittedXGBoost]):
    """The model family ``xgboost``."""

    name = FAMILY
    config_type = XGBoostConfig
    libraries = ("xgboost-cpu",)

    def boost(
        self,
        train: Dataset,
        stop: Dataset | None,
        config: XGBoostConfig,
        *,
        seed: int,
        after_round: AfterRound,
        first: FittedXGBoost | None,
    ) -> FittedXGBoost:
        """Cuts the booster at its best round."""
        columns = TreeColumns.of(train.inputs.features, family=self.name)
        booster = xgboost.train(
            config.parameters(seed=seed, task=train.task),
            _matrix(train, columns),
            config.n_estimators,
            evals=[] if stop is None else [(_matrix(stop, columns), _STOP)],
            early_stopping_rounds=None if stop is None else config.early_stopping_rounds,
            verbose_eval=False,
            callbacks=[_Reported(after_round)],
            xgb_model=None if first is None else first.booster,
        )
        if stop is not None:
            booster = booster[: booster.best_iteration + 1]
        booster.set_param({"nthread": 1})
        return FittedXGBoost(train.inputs, columns, booster, train.task)

    def published(self, start: Start) -> FittedXGBoost:
        """By XGBoost's own file. Raises FitError."""
        if XGBOOST_FILE not in start.files:
            raise missing_start(self.name, start, XGBOOST_FILE)
        columns = TreeColumns.of(start.inputs.features, family=self.name)
        booster = xgboost.Booster(model_file=bytearray(start.files[XGBOOST_FILE]))
        return FittedXGBoost(start.inputs, columns, booster)


def _matrix(data: Dataset, columns: TreeColumns) -> xgboost.DMatrix:
    return xgboost.DMatrix(columns.apply(data.batch.table), data.target, weight=data.weight)


class _Reported(xgboost.callback.TrainingCallback):
    def __init__(self, after_round: AfterRound) -> None:
        self._after_round = after_round

    def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Any]) -> bool:
        del model, epoch
        losses = next(iter(evals_log.get(_STOP, {}).values()), None)
        self._after_round(losses[-1] if losses else None)
        return False
