"""Symmetric gradient-boosted trees by CatBoost."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import catboost
import numpy as np
import onnx
from pydantic import Field, model_validator

from scoreline_registry.documents.contract import InputContract
from scoreline_registry.errors import first_line
from scoreline_trainers.data.batch import Batch, Float32, Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.splits import hold_out
from scoreline_trainers.errors import FitError
from scoreline_trainers.families.trees.catboost_graph import FAMILY, booster_graph, booster_trees
from scoreline_trainers.families.trees.tree_columns import TreeColumns
from scoreline_trainers.families.trees.trees import tree_edges
from scoreline_trainers.family import FamilyConfig, Fitted
from scoreline_trainers.progress import Progress

# CatBoost's own parameters that this family decides, with their aliases, and those no exact graph exists for.
_OWN = {
    *("loss_function", "objective", "random_seed", "random_state", "logging_level", "verbose", "silent", "eta"),
    *("n_estimators", "num_boost_round", "num_trees", "max_depth", "reg_lambda", "od_type", "od_wait", "thread_count"),
}
_INEXACT = {"grow_policy", "cat_features", "text_features", "embedding_features", "boost_from_average", "classes_count"}


class CatBoostConfig(FamilyConfig):
    """Options of the family; names and defaults of CatBoost unless said otherwise.

    A category becomes one 0/1 column for each of its names, one for "other" and one for missing: CatBoost's own
    statistics of categories cannot be exported, so ``cat_features`` is refused.

    Attributes:
        iterations: largest number of trees.
        boosting_type: "Ordered" resists overfitting on few rows and is slower.
        nan_mode: whether a missing number counts as below or above all others.
        stopping_fraction: share of the training rows that is held out to decide when to stop.
        early_stopping_rounds: stops after this many rounds without a better log loss there; 0 never stops early.
        threads: -1 uses every core. The model may depend on it in the last digits.
        params: any other parameter of CatBoost, by its name.
    """

    iterations: int = Field(default=500, ge=1)
    learning_rate: float = Field(default=0.05, gt=0)
    depth: int = Field(default=6, ge=1, le=10)
    l2_leaf_reg: float = Field(default=3.0, ge=0)
    border_count: int = Field(default=254, ge=1, le=65535)
    boosting_type: Literal["Plain", "Ordered"] = "Plain"
    nan_mode: Literal["Min", "Max"] = "Min"
    stopping_fraction: float = Field(default=0.1, gt=0, lt=1)
    early_stopping_rounds: int = Field(default=50, ge=0)
    threads: int = Field(default=1, ge=-1)
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
        """What CatBoost is given."""
        ours = {"stopping_fraction", "early_stopping_rounds", "threads", "params"}
        return {
            **self.model_dump(exclude=ours),
            **self.params,
            "loss_function": "Logloss",
            "random_seed": seed,
            "thread_count": self.threads,
            "allow_writing_files": False,
            "logging_level": "Silent",
        }


@dataclass(frozen=True, slots=True, eq=False)
class FittedCatBoost(Fitted):
    """A model cut at its best round, over the matrix that ``columns`` makes."""

    inputs: InputContract
    columns: TreeColumns
    model: catboost.CatBoost

    def predict(self, batch: Batch) -> Float64:
        """float64 [N]."""
        matrix = self.columns.apply(batch.table)
        both = self.model.predict(matrix, prediction_type="Probability", thread_count=1)
        return np.asarray(both, np.float64)[:, 1]

    def to_onnx(self) -> onnx.ModelProto:
        """See ``catboost_graph``."""
        return booster_graph(self.dump(), self.columns, self.inputs)

    def edges(self) -> Mapping[int, Float32]:
        """Both sides of every border."""
        return tree_edges(booster_trees(self.dump(), self.columns))

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
        return {"trees": int(self.model.tree_count_), "matter most": ", ".join(names[column] for column in top)}


class CatBoost:
    """The family."""

    name = FAMILY
    config_type = CatBoostConfig
    libraries = ("catboost",)

    def fit(self, data: Dataset, config: CatBoostConfig, *, seed: int, progress: Progress) -> FittedCatBoost:
        """Boosts until the log loss on held-out training rows stops falling."""
        if data.features is None or not data.has_features_only:
            raise FitError(self.name, "learns from features and takes no sequence and no neighbors")
        columns = TreeColumns.of(data.inputs.features, family=self.name)
        model = catboost.CatBoost(config.parameters(seed=seed))
        progress.begin("boost trees", total=config.iterations)
        try:
            _boost(model, data, columns, config, seed=seed, progress=progress)
        except catboost.CatBoostError as error:
            raise FitError(self.name, f"cannot learn from these rows: {first_line(error)}") from error
        return FittedCatBoost(data.inputs, columns, model)


def _boost(
    model: catboost.CatBoost,
    data: Dataset,
    columns: TreeColumns,
    config: CatBoostConfig,
    *,
    seed: int,
    progress: Progress,
) -> None:
    told = [_Told(progress)]
    if not config.early_stopping_rounds:
        model.fit(_pool(data, columns), callbacks=told)
        return
    learned, stop = hold_out(len(data), fraction=config.stopping_fraction, seed=seed)
    model.fit(
        _pool(data.take(learned), columns),
        eval_set=_pool(data.take(stop), columns),
        early_stopping_rounds=config.early_stopping_rounds,
        use_best_model=True,
        callbacks=told,
    )


def _pool(data: Dataset, columns: TreeColumns) -> catboost.Pool:
    return catboost.Pool(columns.apply(data.batch.table), data.label)


class _Told:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def after_iteration(self, info: Any) -> bool:
        """True: go on."""
        losses = (info.metrics or {}).get("validation", {}).get("Logloss")
        self._progress.advance(f"log loss {losses[-1]:.5f}" if losses else "")
        return True
