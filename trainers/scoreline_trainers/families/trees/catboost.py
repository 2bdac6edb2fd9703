"""Symmetric gradient-boosted trees by CatBoost."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import catboost
import numpy as np
import onnx
from pydantic import Field

from scoreline_registry.documents.contract import InputContract
from scoreline_registry.errors import first_line
from scoreline_trainers.data.batch import Batch, Float64
from scoreline_trainers.data.columns import Task
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import FitError
from scoreline_trainers.families.trees.booster import (
    ALIASES,
    AfterRound,
    BoosterConfig,
    BoosterFamily,
    FittedBooster,
    missing_start,
)
from scoreline_trainers.families.trees.catboost_graph import FAMILY, booster_graph, booster_trees
from scoreline_trainers.families.trees.tree_columns import TreeColumns
from scoreline_trainers.families.trees.trees import Tree
from scoreline_trainers.family import Start
from scoreline_trainers.spaces import Range, Space

CATBOOST_FILE = "booster.json"


class CatBoostConfig(BoosterConfig):
    """Options of the family; names and defaults of CatBoost unless said otherwise.

    A category becomes one 0/1 column for each of its names, one for "other" and one for missing: CatBoost's own
    statistics of categories cannot be exported, so ``cat_features`` is refused.

    Attributes:
        boosting_type: "Ordered" resists overfitting on few rows and is slower.
        nan_mode: whether a missing number counts as below or above all others.
    """

    depth: int = Field(default=6, ge=1, le=10)
    l2_leaf_reg: float = Field(default=3.0, ge=0)
    border_count: int = Field(default=254, ge=1, le=65535)
    boosting_type: Literal["Plain", "Ordered"] = "Plain"
    nan_mode: Literal["Min", "Max"] = "Min"

    space: ClassVar[Space] = {
        "learning_rate": Range(low=0.01, high=0.2, log=True),
        "depth": Range(low=3, high=8),
        "l2_leaf_reg": Range(low=0.5, high=30.0, log=True),
    }
    aliases: ClassVar[Mapping[str, str]] = {
        **ALIASES,
        "max_depth": "depth",
        "reg_lambda": "l2_leaf_reg",
        "max_bin": "border_count",
        "od_wait": "early_stopping_rounds",
    }
    decided: ClassVar[frozenset[str]] = frozenset(
        {"loss_function", "objective", "logging_level", "verbose", "silent", "od_type", "allow_writing_files"}
    )
    inexact: ClassVar[frozenset[str]] = frozenset(
        {"grow_policy", "cat_features", "text_features", "embedding_features", "boost_from_average", "classes_count"}
    )

    def parameters(self, *, seed: int, task: Task) -> dict[str, Any]:
        """The parameters passed to CatBoost."""
        return {
            **self.own_parameters(),
            "iterations": self.n_estimators,
            "thread_count": self.threads or -1,
            "loss_function": "RMSE" if task == "regression" else "Logloss",
            "random_seed": seed,
            "allow_writing_files": False,
            "logging_level": "Silent",
        }


@dataclass(frozen=True, slots=True, eq=False)
class FittedCatBoost(FittedBooster):
    """A model cut at its best round, over the matrix that ``columns`` makes."""

    inputs: InputContract
    columns: TreeColumns
    model: catboost.CatBoost
    task: Task = "binary"

    @property
    def rounds(self) -> int:
        """How many trees there are."""
        return int(self.model.tree_count_)

    def predict(self, batch: Batch) -> Float64:
        """float64 [N]."""
        matrix = self.columns.apply(batch.table)
        if self.task == "regression":
            return np.asarray(self.model.predict(matrix, prediction_type="RawFormulaVal", thread_count=1), np.float64)
        both = self.model.predict(matrix, prediction_type="Probability", thread_count=1)
        return np.asarray(both, np.float64)[:, 1]

    def to_onnx(self) -> onnx.ModelProto:
        """See ``catboost_graph``."""
        return booster_graph(self.dump(), self.columns, self.inputs, task=self.task)

    def trees(self) -> Sequence[Tree]:
        """See ``catboost_graph``."""
        return booster_trees(self.dump(), self.columns)

    def dump(self) -> Mapping[str, Any]:
        """The model as CatBoost's own JSON, which it writes to files only."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.json"
            self.model.save_model(str(path), format="json")
            return dict(json.loads(path.read_bytes()))

    def describe(self) -> Mapping[str, str | int | float]:
        """Trees, and the five columns that change predictions most."""
        importance = self.model.get_feature_importance(type="PredictionValuesChange")
        names = self.columns.names(self.inputs.features)
        top = sorted(range(len(importance)), key=lambda column: -importance[column])[:5]
        return {"trees": self.rounds, "matter most": ", ".join(names[column] for column in top)}

    def files(self) -> Mapping[str, bytes]:
        """The model as CatBoost's own JSON, without times and random ids; later training can continue from it."""
        dump = {name: value for name, value in self.dump().items() if name != "model_info"}
        return {CATBOOST_FILE: json.dumps(dump, sort_keys=True).encode()}


class CatBoost(BoosterFamily[CatBoostConfig, FittedCatBoost]):
    """The model family ``catboost``."""

    name = FAMILY
    config_type = CatBoostConfig
    libraries = ("catboost",)

    def boost(
        self,
        train: Dataset,
        stop: Dataset | None,
        config: CatBoostConfig,
        *,
        seed: int,
        after_round: AfterRound,
        first: FittedCatBoost | None,
    ) -> FittedCatBoost:
        """Cuts the model at its best round. Raises FitError for rows that CatBoost refuses."""
        columns = TreeColumns.of(train.inputs.features, family=self.name)
        model = catboost.CatBoost(config.parameters(seed=seed, task=train.task))
        stopping: dict[str, Any] = {}
        if stop is not None:
            rounds = config.early_stopping_rounds
            stopping = {"eval_set": _pool(stop, columns), "early_stopping_rounds": rounds, "use_best_model": True}
        try:
            before = None if first is None else first.model
            model.fit(_pool(train, columns), callbacks=[_Reported(after_round)], init_model=before, **stopping)
        except catboost.CatBoostError as error:
            raise FitError(self.name, f"cannot learn from these rows: {first_line(error)}") from error
        return FittedCatBoost(train.inputs, columns, model, train.task)

    def published(self, start: Start) -> FittedCatBoost:
        """By CatBoost's own JSON, which it reads from files only. Raises FitError."""
        if CATBOOST_FILE not in start.files:
            raise missing_start(self.name, start, CATBOOST_FILE)
        columns = TreeColumns.of(start.inputs.features, family=self.name)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / CATBOOST_FILE
            path.write_bytes(start.files[CATBOOST_FILE])
            model = catboost.CatBoost().load_model(str(path), format="json")
        return FittedCatBoost(start.inputs, columns, model)


def _pool(data: Dataset, columns: TreeColumns) -> catboost.Pool:
    return catboost.Pool(columns.apply(data.batch.table), data.target, weight=data.weight)


class _Reported:
    def __init__(self, after_round: AfterRound) -> None:
        self._after_round = after_round

    def after_iteration(self, info: Any) -> bool:
        """True: go on."""
        losses = next(iter((info.metrics or {}).get("validation", {}).values()), None)
        self._after_round(losses[-1] if losses else None)
        return True
