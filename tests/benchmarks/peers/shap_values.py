"""Shapley values by the ``shap`` package, in an environment of its own: ``python shap_values.py FOLDER``.

For each NAME.npz with ``rows`` and ``reference`` [., C], the model is NAME.txt (LightGBM), NAME.json (XGBoost's own
JSON, whose trees are handed on as they are), or in the file itself: ``coefficients`` and ``intercept``, or a forest's
nodes as scikit-learn has them. Writes ``values`` float64 [N, C] and ``base`` to NAME.values.npz.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import shap

Trees = list[dict[str, Any]]


def main(folder: Path) -> None:
    """Explains each model of a folder."""
    for path in sorted(folder.glob("*.npz")):
        data = np.load(path)
        explainer = _explainer(path, data)
        values = np.asarray(explainer.shap_values(data["rows"]))
        np.savez(path.with_suffix(".values.npz"), values=values, base=np.asarray(explainer.expected_value).reshape(-1))


def _explainer(path: Path, data: Any) -> Any:
    reference = data["reference"]
    if "coefficients" in data:
        masker = shap.maskers.Independent(reference, max_samples=len(reference))
        return shap.LinearExplainer((data["coefficients"], float(data["intercept"])), masker)
    options = {"feature_perturbation": "interventional", "model_output": "raw"}
    booster = path.with_suffix(".txt")
    if booster.exists():
        import lightgbm

        return shap.TreeExplainer(lightgbm.Booster(model_file=str(booster)), reference, **options)
    dump = path.with_suffix(".json")
    trees = _xgboost_trees(dump) if dump.exists() else _forest_trees(data)
    return shap.TreeExplainer({"trees": trees}, reference, **options)


def _xgboost_trees(dump: Path) -> Trees:
    """XGBoost's ``x < t`` is ``x <= `` the float32 below t; a leaf has its value in the place of a threshold."""
    model = json.loads(dump.read_text(encoding="utf-8"))["learner"]["gradient_booster"]["model"]
    found = []
    for tree in model["trees"]:
        left = np.array(tree["left_children"])
        conditions = np.array(tree["split_conditions"], np.float32)
        below = np.nextafter(conditions, np.float32(-np.inf))
        inner = left >= 0
        found.append(
            _tree(left, tree["right_children"], tree["split_indices"], np.where(inner, below, 0), conditions * ~inner)
        )
    return found


def _forest_trees(data: Any) -> Trees:
    """Nodes of all trees one after another; ``starts`` says where each begins."""
    ends = [*data["starts"][1:].tolist(), len(data["left"])]
    parts = [slice(start, end) for start, end in zip(data["starts"].tolist(), ends, strict=True)]
    names = ("left", "right", "column", "threshold", "value")
    return [_tree(*(data[name][part] for name in names)) for part in parts]


def _tree(left: Any, right: Any, column: Any, threshold: Any, value: Any) -> dict[str, Any]:
    left = np.asarray(left, np.int32)
    return {
        "children_left": left,
        "children_right": np.asarray(right, np.int32),
        "children_default": left,
        "features": np.asarray(column, np.int32),
        "thresholds": np.asarray(threshold, np.float64),
        "values": np.asarray(value, np.float64).reshape(-1, 1),
        "node_sample_weight": np.ones(len(left)),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
