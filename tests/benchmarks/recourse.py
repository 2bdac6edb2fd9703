"""``python -m tests.benchmarks.recourse``: recourse beside DiCE on the same models and limits.

German credit and the credit card clients of Taiwan, gradient-boosted trees by recipes, rows whose score is 0.5 and
more, to be brought below. Age and sex stay, the duration only falls. DiCE runs in ``.bench/dice`` (make bench-peers)
or by ``--python``, and takes ``--dice-rows`` only. Its ways are scored by the served graph and their cost is computed
as ours; a way counts as valid where it is below the target and within the limits. ``--brute`` compares as many optima
with brute force over three inputs.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from scoreline.cli.app import run
from scoreline_registry.documents.manifest import MODEL_FILE
from scoreline_registry.recourse.arrays import Float32, Float64
from scoreline_registry.recourse.problem import Problem, RecourseRules
from scoreline_registry.recourse.search import Engine, search
from scoreline_registry.recourse.target import Target
from scoreline_registry.registry import Registry
from scoreline_server.decisions.recourse import most_rows
from scoreline_server.decisions.recourse_rules import RuleCache
from scoreline_server.loading.loader import load
from scoreline_server.scoring.model import LoadedModel
from scoreline_trainers.data.encoding import encode
from tests.benchmarks.rivals import peer_python

TARGET = 0.5
METHODS = ("random", "genetic")

GERMAN = """
name: german
data: ${SCORELINE_DATA}/german_credit/germancredit.csv
label: creditability
positive: bad
features:
  - {name: status_of_existing_checking_account, kind: category}
  - {name: duration_in_month, recourse: {direction: down, min: 4, integer: true}}
  - {name: credit_history, kind: category}
  - {name: purpose, kind: category}
  - {name: credit_amount, recourse: {direction: down, min: 250, integer: true}}
  - {name: savings_account_and_bonds, kind: category, recourse: {}}
  - {name: present_employment_since, kind: category}
  - {name: installment_rate_in_percentage_of_disposable_income, recourse: {integer: true, min: 1, max: 4}}
  - {name: personal_status_and_sex, kind: category, sensitive: true}
  - {name: other_debtors_or_guarantors, kind: category, recourse: {}}
  - {name: age_in_years, sensitive: true}
  - {name: housing, kind: category}
family: lightgbm
config: {num_leaves: 8, learning_rate: 0.05}
validation: {kind: last_fraction, fraction: 0.2}
score: {meaning: probability of a bad credit, bands: {low: 0, high: 0.5}}
"""
TAIWAN = """
name: taiwan
data: ${SCORELINE_DATA}/uci_credit_default/UCI_Credit_Card.csv.gz
label: class
unit: ID
features:
  - LIMIT_BAL
  - {name: SEX, kind: category, sensitive: true}
  - {name: AGE, sensitive: true}
  - {name: PAY_0, recourse: {direction: down, min: -2, integer: true}}
  - {name: PAY_2, recourse: {direction: down, min: -2, integer: true}}
  - PAY_3
  - {name: BILL_AMT1, recourse: {direction: down, min: 0, integer: true}}
  - BILL_AMT2
  - {name: PAY_AMT1, recourse: {direction: up, max: 500000, integer: true}}
  - {name: PAY_AMT2, recourse: {direction: up, max: 500000, integer: true}}
  - PAY_AMT3
family: lightgbm
config: {num_leaves: 15, learning_rate: 0.05}
validation: {kind: last_fraction, fraction: 0.2}
score: {meaning: probability of default next month, bands: {low: 0, high: 0.5}}
"""
RECIPES = {"german_credit": (GERMAN, "german_credit/germancredit.csv"),
           "uci_credit_default": (TAIWAN, "uci_credit_default/UCI_Credit_Card.csv.gz")}  # fmt: skip


@dataclass(frozen=True)
class Task:
    """A served version with its rules, its training rows and the rows to change, float32 [N, F]."""

    name: str
    model: LoadedModel
    graph: bytes
    rules: RecourseRules
    engine: Engine
    training: Float32
    rows: Float32

    @property
    def target(self) -> Target:
        """Scores below one half."""
        return Target(below=TARGET, is_probability=True)

    def score(self, rows: Float32) -> Float32:
        """The scores of the served graph."""
        scores: Float32 = self.model.run({"features": rows})[0]
        return scores

    def problem(self, row: Float32) -> Problem:
        """The problem of one row, without a limit on how many inputs change."""
        return Problem.of(self.rules, row, self.target)


@dataclass(frozen=True)
class Figures:
    """What an engine did: seconds of each row, and the cost of each valid way, NaN for none."""

    seconds: Float64
    costs: Float64
    answered: int
    exact: int = 0


def task_of(name: str, folder: Path, rows: int) -> Task:
    """Trains and publishes a version, and takes the first rows that it rates at the target or above."""
    recipe, data = RECIPES[name]
    (folder / f"{name}.yaml").write_text(recipe)
    registry_folder = str(folder / "registry")
    if not Path(registry_folder).exists():
        Registry.create(registry_folder)
    if run(["train", str(folder / f"{name}.yaml"), "--registry", registry_folder]):
        raise SystemExit(f"{name} could not be trained")
    registry = Registry.open(registry_folder)
    model = load(registry, recipe.split("name: ")[1].split()[0], 1)
    table = pl.read_csv(Path(os.environ["SCORELINE_DATA"]) / data, infer_schema_length=None)
    training = encode(table, model.manifest.inputs.features)
    cache = RuleCache(registry.read_file)
    rules, engine = cache.of(model, {}), cache.engine(model, "")
    high = training[model.run({"features": training})[0] >= TARGET]
    graph = registry.read_file(model.name, 1, MODEL_FILE)
    return Task(name, model, graph, rules, engine, training, high[:rows])


def ours(task: Task) -> Figures:
    """The cheapest way of each row by Scoreline, as a server finds it."""
    seconds, costs, answered, exact = [], [], 0, 0
    budget = most_rows(task.model)
    for row in task.rows:
        start = time.perf_counter()
        found = task.engine(task.problem(row), task.score, ways=1, most_rows=budget)
        seconds.append(time.perf_counter() - start)
        answered += bool(found.ways)
        exact += found.is_exact
        costs.append(valid_cost(task, row, found.ways[0].row) if found.ways else np.nan)
    return Figures(np.array(seconds), np.array(costs), answered, exact)


def dice(task: Task, method: str, python: str, rows: int, folder: Path) -> Figures:
    """The same by DiCE for the first rows."""
    features = task.rules.contract.features
    chosen = task.rows[:rows]
    work = {
        "columns": [feature.name for feature in features],
        "categories": [feature.name for feature in features if feature.kind == "category"],
        "whole": [feature.name for feature in features if feature.kind == "number"],
        "training": task.training[:2000].tolist(),
        "rows": chosen.tolist(),
        "ranges": [_ranges(task, row) for row in chosen],
        "below": TARGET,
    }
    (folder / "task.json").write_text(json.dumps(work))
    (folder / "model.onnx").write_bytes(task.graph)
    script = Path(__file__).with_name("peers") / "dice_ways.py"
    one_core = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [python, str(script), str(folder), method], env=one_core, text=True, capture_output=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    found = json.loads((folder / "ways.json").read_text())
    ways = [None if each["way"] is None else np.array(each["way"], np.float32) for each in found]
    costs = [np.nan if way is None else valid_cost(task, row, way) for row, way in zip(chosen, ways, strict=True)]
    answered = sum(way is not None for way in ways)
    return Figures(np.array([each["seconds"] for each in found]), np.array(costs), answered)


def valid_cost(task: Task, row: Float32, way: Float32) -> float:
    """The cost of a way; NaN where it is not below the target, or breaks a limit."""
    levers = {lever.column: lever for lever in task.problem(row).levers}
    moved = np.flatnonzero(way != row).tolist()
    if not task.target.met(task.score(way[None]))[0] or any(column not in levers for column in moved):
        return np.nan
    if any(not levers[column].low <= way[column] <= levers[column].high for column in moved):
        return np.nan
    values = np.array([way[column] if column in moved else np.nan for column in levers], np.float32)
    return float(task.problem(row).costs_of(values[None])[0])


def brute(task: Task, rows: int) -> int:
    """How many optima over three inputs are those of brute force over all their values; raises where one is not."""
    agreed = 0
    for row in task.rows[:rows]:
        problem = task.problem(row)
        few = Problem(row, tuple(sorted(problem.levers, key=lambda lever: len(lever.values))[:3]), (), task.target, 3)
        found = search(few, task.score, ways=1, most_rows=10**6)
        options = [np.append(lever.values, row[lever.column]) for lever in few.levers]
        every = np.repeat(row[None], int(np.prod([len(each) for each in options])), axis=0)
        every[:, [lever.column for lever in few.levers]] = list(product(*options))
        valid = every[task.target.met(task.score(every))]
        moved = valid[:, [lever.column for lever in few.levers]]
        cheapest = few.costs_of(moved).min() if len(valid) else np.inf
        cost = found.ways[0].cost if found.ways else np.inf
        if not found.is_exact or not np.isclose(cost, cheapest):
            raise SystemExit(f"{task.name}: brute force found {cheapest}, the search {cost}")
        agreed += 1
    return agreed


def _ranges(task: Task, row: Float32) -> dict[str, Sequence[float]]:
    """What DiCE may change a row's inputs to."""
    features = task.rules.contract.features
    found: dict[str, Sequence[float]] = {}
    for lever in task.problem(row).levers:
        present = float(row[lever.column])
        if lever.is_category:
            found[features[lever.column].name] = sorted({int(present), *map(int, lever.values.tolist())})
        else:
            known = task.training[:, lever.column]
            low, high = max(lever.low, float(np.nanmin(known))), min(lever.high, float(np.nanmax(known)))
            found[features[lever.column].name] = [min(low, present), max(high, present)]
    return found


def main() -> None:
    """Prints a table for each data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--dice-rows", type=int, default=20)
    parser.add_argument("--brute", type=int, default=20)
    parser.add_argument("--python", default="", help="that has dice-ml, pandas and onnxruntime")
    chosen = parser.parse_args()
    python = chosen.python or str(peer_python("dice"))
    with tempfile.TemporaryDirectory() as name:
        for data in RECIPES:
            task = task_of(data, Path(name), chosen.rows)
            table = Table(
                "engine", "rows", "answered", "valid", "mean cost", "median ms", "p95 ms", "proven", title=data
            )
            own = ours(task)
            _add(table, "scoreline", own, own.costs)
            for method in METHODS:
                theirs = dice(task, method, python, chosen.dice_rows, Path(name))
                count = len(theirs.costs)
                both = ~np.isnan(own.costs[:count]) & ~np.isnan(theirs.costs)
                _add(table, f"dice {method}", theirs, theirs.costs)
                first = Figures(own.seconds[:count], own.costs[:count], own.answered, own.exact)
                _add(table, "  scoreline, where both are valid", first, own.costs[:count][both], shared=int(both.sum()))
                _add(table, f"  dice {method}, there", theirs, theirs.costs[both], shared=int(both.sum()))
            Console(width=140).print(table)
            print(f"brute force over three inputs: {brute(task, chosen.brute)} of {chosen.brute} optima agree")


def _add(table: Table, name: str, figures: Figures, costs: Float64, *, shared: int | None = None) -> None:
    known = costs[~np.isnan(costs)]
    cost = f"{known.mean():.3f}" if len(known) else "-"
    if shared is not None:
        table.add_row(name, str(shared), "", "", cost, "", "", "")
        return
    milliseconds = figures.seconds * 1000
    table.add_row(
        name,
        str(len(costs)),
        str(figures.answered),
        f"{len(known)} ({len(known) / max(figures.answered, 1):.0%})",
        cost,
        f"{np.median(milliseconds):.1f}",
        f"{np.quantile(milliseconds, 0.95):.1f}",
        str(figures.exact),
    )


if __name__ == "__main__":
    main()
