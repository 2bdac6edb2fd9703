"""``python -m tests.benchmarks.families``: what each model family costs at its default size.

Made-up rows of 30 features, four of them categories, histories of 30 steps of 10, and 20 neighbours of 10. Absolute
figures wander with the machine's other work; compare figures of one run only.
"""

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

import scoreline
from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.settings import Settings
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.graph.scorer import OnnxScorer
from scoreline_trainers.training.candidate import Candidate, publish_candidate
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train

ROWS = 3000
STEPS = 30
NEIGHBORS = 20
STEP_FEATURES = tuple(f"s{index}" for index in range(10))
PURCHASE = ("amount", "category", "hour", "payment_method")

OVER_HISTORIES = ("lstm", "cnn_lstm", "tcn", "transformer")
SERVED = ("lstm", "transformer")

# Every family at its default size; trees never stop early, networks learn no longer than a bench may take.
SIZES: dict[str, dict[str, Any]] = {
    "logistic": {},
    "linear": {},
    "lightgbm": {"n_estimators": 300, "early_stopping_rounds": 0, "threads": 1},
    "xgboost": {"n_estimators": 300, "early_stopping_rounds": 0},
    "catboost": {"n_estimators": 300, "early_stopping_rounds": 0},
    "random_forest": {},
    "isolation_forest": {},
    "profile_deviation": {},
    **{name: {"epochs": 1} for name in ("mlp", "gan_hardened", "gat", *OVER_HISTORIES)},
    **{name: {"segment": "c0", "epochs": 1} for name in ("transfer", "multitask", "maml")},
}

_TREES = {"family": "lightgbm", "config": SIZES["lightgbm"]}
_LINEAR = {"family": "logistic"}
_LSTM = {"family": "lstm", "config": SIZES["lstm"]}

SIZES |= {
    "voting": {"members": [_TREES, _LINEAR]},
    "stacking": {"members": [_TREES, _LINEAR], "folds": 2},
    "weighted": {
        "members": [{**_LSTM, "keep": ["sequence"], "weight": 0.7}, {**_TREES, "keep": ["features"], "weight": 0.3}]
    },
    "segmented": {"segment": "c0", "member": _TREES, "fallback": _LINEAR},
}


@dataclass(frozen=True)
class Figures:
    """One family's row of the table; times are medians in microseconds."""

    family: str
    kilobytes: float
    one_row: float
    many_rows: float
    largest_difference: float


def main() -> None:
    """Trains and measures every family that is installed, and prints two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    names = [name for name in SIZES if not FAMILIES.problem(name)]
    made = {name: make(name) for name in names}
    figures = [measure(name, *made[name]) for name in names]
    calls = served({name: made[name] for name in SERVED if name in made})
    if arguments.json:
        print(json.dumps({"families": [asdict(each) for each in figures], "calls": calls}, indent=2))
        return
    table = Table("family", "KB", "1 row, µs", "256 rows, µs", "largest difference", title="one ONNX Runtime thread")
    for each in figures:
        times = f"{each.one_row:,.0f}", f"{each.many_rows:,.0f}"
        table.add_row(each.family, f"{each.kilobytes:,.0f}", *times, f"{each.largest_difference:.1e}")
    Console().print(table)
    table = Table("Client.score", "figure")
    for name, figure in calls.items():
        table.add_row(name, f"{figure:,.0f}")
    Console().print(table)


def make(family: str, **facts: Any) -> tuple[Recipe, Candidate, pl.DataFrame]:
    """A version that passed the gate, and the table that it was made of; ``facts`` are further keys of the recipe."""
    frame, columns = _table(family)
    name = family.replace("_", "-")
    route = {"route": name, "schema": {"like": f"{name}@champion"}, "rules": [{"split": {f"{name}@champion": 100}}]}
    task = "binary" if FAMILIES.listing(family).learns("binary") else "regression"
    about = {"name": name, "data": "unused.csv", "label": "label", "task": task, "family": family}
    recipe = Recipe.parse({**about, **columns, "config": SIZES[family], "route": route, **facts})
    return recipe, train(recipe, frame), frame


def measure(family: str, recipe: Recipe, candidate: Candidate, frame: pl.DataFrame) -> Figures:
    """How large, how fast, how exact."""
    batch = Dataset.from_table(frame, recipe, inputs=candidate.manifest.inputs).batch
    model = candidate.files["model.onnx"]
    scorer = OnnxScorer(model)
    times = []
    for rows, repeats in ((1, 2000), (256, 20)):
        some = batch.take(slice(0, rows))
        times.append(statistics.median(_seconds(scorer, some, repeats)) * 1e6)
    return Figures(family, len(model) / 1024, times[0], times[1], candidate.report.max_difference)


def served(made: dict[str, tuple[Recipe, Candidate, pl.DataFrame]]) -> dict[str, float]:
    """Latencies of one-row calls over gRPC, with 1 and with 32 callers."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry.create(Path(folder) / "registry")
        for recipe, candidate, _ in made.values():
            publish_candidate(candidate, recipe, registry, author="bench")
        settings = Settings(registry=f"{folder}/registry", listen="127.0.0.1:0", log_level="error")
        with Server(settings) as server, scoreline.Client(server.address) as client:
            for name in made:
                for callers in (1, 32):
                    seconds = sorted(_call(client, name, callers))
                    for label, place in (("p50", 0.5), ("p99", 0.99)):
                        figures[f"{name}, {callers} in flight: {label} µs"] = 1e6 * seconds[int(len(seconds) * place)]
                    figures[f"{name}, {callers} in flight: calls/s"] = callers / statistics.mean(seconds)
    return figures


def _seconds(scorer: OnnxScorer, batch: Any, repeats: int) -> Iterator[float]:
    scorer.score(batch)
    for _ in range(repeats):
        start = time.perf_counter()
        scorer.score(batch)
        yield time.perf_counter() - start


def _call(client: scoreline.Client, route: str, callers: int, *, total: int = 1600) -> list[float]:
    sequence = np.random.default_rng(0).normal(size=(STEPS, len(STEP_FEATURES))).astype(np.float32)
    times: list[float] = []

    def call() -> None:
        for number in range(total // callers):
            start = time.perf_counter()
            client.score(route, {}, entity_id=f"unit-{number}", sequence=sequence)
            times.append(time.perf_counter() - start)

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def _table(family: str) -> tuple[pl.DataFrame, dict[str, Any]]:
    draw = np.random.default_rng(0)
    hidden = draw.normal(size=ROWS)
    label = pl.Series("label", (draw.random(ROWS) < 1 / (1 + np.exp(-2 * hidden))).astype(np.int8))
    if family == "profile_deviation":
        return _histories(draw, PURCHASE, [hidden + 3, *(draw.integers(0, n, ROWS) for n in (12, 24, 4))], label)
    if family == "weighted":
        return _histories(draw, STEP_FEATURES, [hidden] * len(STEP_FEATURES), label)
    if family in OVER_HISTORIES:
        frame, columns = _histories(draw, STEP_FEATURES, [hidden] * len(STEP_FEATURES), label)
        return frame, {"sequence": columns["sequence"]}
    numbers = {f"x{index}": hidden * (index % 3) + draw.normal(size=ROWS) for index in range(26)}
    codes = {f"c{index}": np.clip(hidden * 3 + 6 + draw.normal(size=ROWS), 0, 11).astype(int) for index in range(4)}
    names = {name: [f"n{code}" for code in values] for name, values in codes.items()}
    frame, columns = pl.DataFrame({**numbers, **names}).with_columns(label), {"features": [*numbers, *names]}
    return (frame, columns) if family != "gat" else _circles(draw, frame, columns)


def _circles(
    draw: np.random.Generator, frame: pl.DataFrame, columns: dict[str, Any]
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Every row among NEIGHBORS others of the same table."""
    near = [[str(other) for other in circle] for circle in draw.integers(0, len(frame), (len(frame), NEIGHBORS))]
    units = pl.int_range(len(frame), eager=True).cast(pl.String).alias("unit")
    around = {"ids": "near", "features": [f"x{index}" for index in range(10)]}
    return frame.with_columns(units, pl.Series("near", near)), {**columns, "unit": "unit", "neighbors": around}


def _histories(
    draw: np.random.Generator, names: tuple[str, ...], levels: list[Any], label: pl.Series
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Wide histories around a level, and what is judged beside them under the same names."""
    steps = {name: [f"{name}_{step}" for step in range(STEPS)] for name in names}
    values = {
        column: np.abs(np.round(level + draw.normal(size=ROWS), 1))
        for (name, columns), level in zip(steps.items(), levels, strict=True)
        for column in columns
    }
    now = {name: np.abs(level + 0.0) for name, level in zip(names, levels, strict=True)}
    columns = {"sequence": {"steps": steps}, "features": list(now)}
    return pl.DataFrame({**values, **now}).with_columns(label), columns


if __name__ == "__main__":
    main()
