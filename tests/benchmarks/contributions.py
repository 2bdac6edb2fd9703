"""``python -m tests.benchmarks.contributions``: CPU time of exact contributions beside ``shap`` and WOODELF.

100 trees of 31 leaves by LightGBM over 30 numbers, 100 reference rows, one core. shap takes ``--shap-rows`` only: its
time grows in proportion. Both run in ``.bench/shap`` (``make bench-peers``) or by ``--python``. Values are compared,
so that all three do the same.
"""

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

import lightgbm
import numpy as np
import onnx
from rich.console import Console
from rich.table import Table

from scoreline_registry.attributions.online import CompiledTrees
from scoreline_registry.attributions.tree_values import TreeExplainer
from scoreline_registry.documents.contract import Feature, InputContract
from scoreline_trainers.data.batch import Float32, Float64
from scoreline_trainers.explanation.additive import TreeTerm, additive_form, margin_of
from scoreline_trainers.explanation.graph_index import GraphIndex
from scoreline_trainers.families.trees.lightgbm import FittedLightGBM
from tests.benchmarks.rivals import peer_python

FEATURES, TREES, LEAVES, REFERENCE = 30, 100, 31, 100
_SCRIPT = Path(__file__).with_name("peers") / "shap_times.py"
_ONE_CORE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_ONLINE_ROWS = 1000


def booster() -> lightgbm.Booster:
    """100 trees of 31 leaves over 30 numbers, of which ten matter."""
    draw = np.random.default_rng(0)
    values = draw.normal(size=(50_000, FEATURES)).astype(np.float32)
    odds = values[:, :6] @ np.array([1.0, -0.8, 0.6, 0.5, -0.4, 0.3]) + values[:, 6] * values[:, 7] - values[:, 8] ** 2
    label = draw.random(len(values)) < 1 / (1 + np.exp(-odds))
    options = {"objective": "binary", "num_leaves": LEAVES, "verbosity": -1, "num_threads": 1, "seed": 0}
    return lightgbm.train(options, lightgbm.Dataset(values, label), TREES)


def explainer(model: lightgbm.Booster, reference: Float32) -> TreeExplainer:
    """Of the trees that are read back from the model's graph."""
    inputs = InputContract(features=tuple(Feature(name=f"f{place}") for place in range(FEATURES)))
    index = GraphIndex.of(onnx.load_from_string(FittedLightGBM(inputs, model).to_onnx().SerializeToString()))
    form = additive_form(index, margin_of(index).tensor)
    assert form is not None
    (term,) = form.terms
    assert isinstance(term, TreeTerm)
    return TreeExplainer(term.trees, np.arange(FEATURES, dtype=np.int32), FEATURES, reference)


def theirs(
    engine: str, model: lightgbm.Booster, rows: Float32, reference: Float32, python: str
) -> tuple[float, Float64]:
    """CPU seconds and the values of the first rows, by another engine in its own environment."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model.save_model(str(folder / "booster.txt"))
        np.savez(folder / "table.npz", rows=rows, reference=reference)
        command = [python, str(_SCRIPT), str(folder / "booster.txt"), str(folder / "table.npz"), engine]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **_ONE_CORE})
        return float(done.stdout.split()[-1]), np.load(folder / f"table.{engine}.npy")


def main() -> None:
    """Prints a table of times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--shap-rows", type=int, default=2_000)
    parser.add_argument("--python", default="", help="that has shap, woodelf-explainer and lightgbm")
    chosen = parser.parse_args()
    python = chosen.python or str(peer_python("shap"))
    draw = np.random.default_rng(1)
    rows = draw.normal(size=(chosen.rows, FEATURES)).astype(np.float32)
    model, reference = booster(), draw.normal(size=(REFERENCE, FEATURES)).astype(np.float32)
    ours = explainer(model, reference)
    table = Table("engine", "rows", "CPU seconds", "µs a row", "largest difference from ours")

    started = time.process_time()
    values = ours.values(rows)
    _add(table, "scoreline, batch", len(rows), time.process_time() - started)
    started = time.process_time()
    compiled = CompiledTrees.of(ours)
    _add(table, "scoreline, tables for one row at a time", 0, time.process_time() - started)
    online = rows[:_ONLINE_ROWS]
    started = time.process_time()
    one_by_one = np.stack([compiled.values(row[None])[0] for row in online])
    seconds = time.process_time() - started
    _add(table, "scoreline, one row at a time", len(online), seconds, np.abs(one_by_one - values[: len(online)]).max())
    for engine, count in (("woodelf", len(rows)), ("shap", chosen.shap_rows)):
        seconds, found = theirs(engine, model, rows[:count], reference, python)
        _add(table, engine, count, seconds, np.abs(found - values[: len(found)]).max())
    Console().print(table)


def _add(table: Table, engine: str, rows: int, seconds: float, difference: float | None = None) -> None:
    each = f"{seconds / rows * 1e6:,.1f}" if rows else "-"
    table.add_row(engine, f"{rows:,}", f"{seconds:,.2f}", each, "-" if difference is None else f"{difference:.1e}")


if __name__ == "__main__":
    main()
