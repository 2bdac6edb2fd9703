"""Counterfactuals by DiCE, in an environment of its own: ``python dice_ways.py FOLDER METHOD``.

FOLDER has ``model.onnx``, whose input is ``features`` float32 [N, F], and ``task.json``: the training rows, the rows to
change, which columns are categories, the range of each column that may change by row, and the score to stay below.
Writes ``ways.json``: for each row the changed one or null, and the seconds that it took.
"""

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import dice_ml
import numpy as np
import onnxruntime as ort
import pandas as pd


class Classifier:
    """The served graph as DiCE calls a classifier: class 1 is a score of the target or above."""

    def __init__(self, path: Path, columns: list[str], below: float) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._columns, self._below = columns, below

    def predict_proba(self, frame: Any) -> Any:
        """float [N, 2], shifted so that one half lies at the target."""
        values = np.column_stack([frame[name].astype(np.float64) for name in self._columns]).astype(np.float32)
        scores = self._session.run(["score"], {"features": values})[0].astype(np.float64)
        shifted = np.where(scores < self._below, 0.5 * scores / self._below, 0.5 + 0.5 * (scores - self._below))
        return np.column_stack([1 - shifted, shifted])

    def predict(self, frame: Any) -> Any:
        """int [N]."""
        return (self.predict_proba(frame)[:, 1] >= 0.5).astype(int)


def main(folder: Path, method: str) -> None:
    """Changes each row of the task."""
    task = json.loads((folder / "task.json").read_text())
    columns, categories = task["columns"], set(task["categories"])

    def frame_of(rows: Any) -> Any:
        frame = pd.DataFrame(rows, columns=columns)
        for name in columns:
            whole = name in task["whole"]
            frame[name] = (
                frame[name].astype(int).astype(str)
                if name in categories
                else frame[name].astype(int if whole else float)
            )
        return frame

    training = frame_of(task["training"])
    model = Classifier(folder / "model.onnx", columns, task["below"])
    training["outcome"] = model.predict(training)
    data = dice_ml.Data(
        dataframe=training,
        continuous_features=[name for name in columns if name not in categories],
        outcome_name="outcome",
    )
    explainer = dice_ml.Dice(data, dice_ml.Model(model=model, backend="sklearn"), method=method)
    found = []
    for row, ranges in zip(task["rows"], task["ranges"], strict=True):
        permitted = {
            name: [str(code) for code in each] if name in categories else each for name, each in ranges.items()
        }
        start = time.perf_counter()
        try:
            answer = explainer.generate_counterfactuals(
                frame_of([row]),
                total_CFs=1,
                desired_class=0,
                features_to_vary=list(permitted),
                permitted_range=permitted,
                verbose=False,
            )
            changed = answer.cf_examples_list[0].final_cfs_df
            way = None if changed is None or not len(changed) else [float(changed[name].iloc[0]) for name in columns]
        except Exception as error:  # noqa: BLE001  a row without a way is an answer
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            way = None
        found.append({"way": way, "seconds": time.perf_counter() - start})
    (folder / "ways.json").write_text(json.dumps(found))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]), sys.argv[2])
