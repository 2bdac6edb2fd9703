"""Compares contributions with those of the ``shap`` package: models for it, and what it says of them.

``python -m tests.trainers.explanation.shap_package PYTHON``, with a Python that has shap and LightGBM, writes
``shap_values.npz`` anew: graphs, rows, reference rows and shap's values of some small models.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from scoreline_registry.documents.manifest import BOOSTER_FILE
from scoreline_trainers.data.batch import Float32
from scoreline_trainers.data.columns import Columns, FeatureSpec
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.families.logistic import FittedLogistic
from scoreline_trainers.families.trees.random_forest import FittedRandomForest
from scoreline_trainers.families.trees.trees import floored
from scoreline_trainers.families.trees.xgboost import FittedXGBoost
from scoreline_trainers.family import Fitted
from scoreline_trainers.progress import Silent

FIXTURE = Path(__file__).with_name("shap_values.npz")
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "peers" / "shap_values.py"

NAMES = tuple("abcdefgh")
FAMILIES_COMPARED: Mapping[str, Mapping[str, Any]] = {
    "lightgbm": {"n_estimators": 8, "num_leaves": 15},
    "xgboost": {"n_estimators": 8, "max_depth": 4},
    "random_forest": {"n_estimators": 5, "max_leaf_nodes": 24},
    "logistic": {"scaling": "standard"},
}

Arrays = dict[str, npt.NDArray[Any]]


def made_data(rows: int, *, seed: int = 0) -> Dataset:
    """Numbers without gaps, which both sides take alike, and a label with an interaction."""
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(rows, len(NAMES))).astype(np.float32)
    odds = values[:, 0] + values[:, 1] * values[:, 2] - 0.5 * values[:, 3]
    label = (draw.random(rows) < 1 / (1 + np.exp(-odds))).astype(np.int8)
    frame = pl.DataFrame(values, schema=list(NAMES)).with_columns(label=pl.Series(label))
    return Dataset.from_table(frame, Columns(label="label", features=tuple(FeatureSpec(name=name) for name in NAMES)))


def fitted(family: str, data: Dataset, config: Mapping[str, Any]) -> Fitted:
    """A trained model."""
    options = FAMILIES[family].config_type.model_validate_json(json.dumps(dict(config)))
    return FAMILIES[family].fit(data, options, seed=0, progress=Silent())


def shap_values(
    models: Mapping[str, Fitted], rows: Float32, reference: Float32, *, python: str
) -> Mapping[str, Arrays]:
    """What shap says: for each model ``values`` float64 [N, F]."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for family, model in models.items():
            _write(folder, family, model, rows, reference)
        subprocess.run([python, str(SCRIPT), name], check=True, capture_output=True, timeout=900)
        return {family: dict(np.load(folder / f"{family}.values.npz")) for family in models}


def _write(folder: Path, family: str, model: Fitted, rows: Float32, reference: Float32) -> None:
    arrays: Arrays = {"rows": rows, "reference": reference}
    if isinstance(model, FittedXGBoost):
        (folder / f"{family}.json").write_text(json.dumps(model.dump()), encoding="utf-8")
    elif isinstance(model, FittedRandomForest):
        arrays |= _forest(model)
    elif isinstance(model, FittedLogistic):
        design = {"rows": model.design.apply(rows), "reference": model.design.apply(reference)}
        arrays = {**design, "coefficients": model.weights, "intercept": np.asarray(model.bias)}
    else:
        (folder / f"{family}.txt").write_bytes(model.files()[BOOSTER_FILE])
    np.savez(folder / f"{family}.npz", allow_pickle=False, **arrays)


def _forest(model: FittedRandomForest) -> Arrays:
    trees = [estimator.tree_ for estimator in model.forest.estimators_]
    shares = [tree.value[:, 0, 1] / tree.value[:, 0].sum(axis=1) / len(trees) for tree in trees]
    return {
        "left": np.concatenate([tree.children_left for tree in trees]),
        "right": np.concatenate([tree.children_right for tree in trees]),
        "column": np.concatenate([tree.feature for tree in trees]),
        # shap rounds thresholds to the nearest float32, so that a row may go the wrong way.
        "threshold": np.array([floored(each) for tree in trees for each in tree.threshold.tolist()]),
        "value": np.concatenate(shares),
        "starts": np.cumsum([0, *(tree.node_count for tree in trees[:-1])]),
    }


def write_fixture(python: str) -> None:
    """Writes ``shap_values.npz``."""
    data = made_data(600)
    table = data.batch.table
    rows, reference = table[:25], table[100:160]
    models = {family: fitted(family, data, config) for family, config in FAMILIES_COMPARED.items()}
    found = shap_values(models, rows, reference, python=python)
    arrays: Arrays = {"rows": rows, "reference": reference}
    for family, model in models.items():
        graph = model.to_onnx().SerializeToString()
        arrays[f"{family}_graph"] = np.frombuffer(graph, np.uint8)
        arrays[f"{family}_values"] = found[family]["values"]
    np.savez_compressed(FIXTURE, allow_pickle=False, **arrays)


if __name__ == "__main__":
    write_fixture(sys.argv[1])
