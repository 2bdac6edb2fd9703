"""FLAML on the folds of a table, in an environment of its own: ``python flaml_folds.py TABLE.npz SECONDS OUT.json``.

The file holds ``features`` float32 [N, F], ``label`` int8 [N], ``categories`` and, for fold k, ``train_k`` and
``test_k``. Writes a list with the scores of each fold's test rows.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from flaml import AutoML


def main(path: str, seconds: float, out: str) -> None:
    held = np.load(path)
    frame = pd.DataFrame(held["features"]).add_prefix("c")
    for column in held["categories"]:
        frame[f"c{column}"] = frame[f"c{column}"].fillna(-1).astype(int).astype(str).astype("category")
    label, scores = held["label"], []
    for fold in range(sum(name.startswith("train_") for name in held.files)):
        train, test = held[f"train_{fold}"], held[f"test_{fold}"]
        automl = AutoML()
        automl.fit(
            frame.iloc[train],
            label[train],
            task="classification",
            metric="roc_auc",
            time_budget=seconds,
            n_jobs=1,
            seed=int(held["seeds"][fold]),
            verbose=0,
        )
        scores.append(automl.predict_proba(frame.iloc[test])[:, 1].tolist())
    with Path(out).open("w", encoding="utf-8") as file:
        json.dump(scores, file)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3])
