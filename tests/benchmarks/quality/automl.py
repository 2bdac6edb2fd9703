"""FLAML on the same folds, in an environment of its own that ``make bench-peers`` installs."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.features import category_columns
from tests.benchmarks.quality.folds import Fold
from tests.benchmarks.rivals import INSTALLED

PYTHON = INSTALLED / "flaml" / "bin" / "python"
PROGRAM = Path(__file__).parents[1] / "peers" / "flaml_folds.py"


def automl_scores(data: Dataset, splits: Sequence[Fold], *, seconds: float, python: Path = PYTHON) -> list[Float64]:
    """The scores of each fold's test rows by FLAML's best model within ``seconds`` of search on its training rows.

    Args:
        data: all rows of a table.
        splits: the folds.
        seconds: of search for each fold, on one core.
        python: of the environment that has FLAML.

    Raises:
        FileNotFoundError: FLAML is not installed.
        subprocess.CalledProcessError: it failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        rows, out = Path(folder) / "rows.npz", Path(folder) / "scores.json"
        parts: dict[str, Any] = {f"train_{number}": fold.train for number, fold in enumerate(splits)}
        parts |= {f"test_{number}": fold.test for number, fold in enumerate(splits)}
        np.savez(
            rows,
            features=data.batch.table,
            label=data.label,
            categories=np.array(category_columns(data.inputs.features), np.int64),
            seeds=np.array([fold.seed for fold in splits]),
            **parts,
        )
        subprocess.run([python, PROGRAM, rows, str(seconds), out], check=True)
        return [np.array(scores, np.float64) for scores in json.loads(out.read_text("utf-8"))]
