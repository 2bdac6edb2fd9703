"""``make recipes``: trains the packaged recipes of each system at full size, each in a process of its own.

Prints seconds, peak memory and figures of the validation rows, beside those that the systems' descriptions name.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from scoreline_trainers.data.training_tables.spec import Sources
from scoreline_trainers.training.recipe import Recipe, Synthetic, find_recipe
from scoreline_trainers.training.run import train
from scoreline_trainers.training.sources import recipe_table

EXPECTED: Mapping[str, str] = {
    "behaviour-stacking": "behavioural scoring: AUC 0.82 to 0.88",
    "delinquency-lstm": "delinquency sequences: better early detection",
    "delinquency-cnn-lstm": "delinquency sequences: better early detection",
    "guardian-stacking": "spending guardian: precision 0.873, recall 0.821",
    "propensity-logistic": "propensity: AUC 0.75 to 0.80",
    "propensity-lightgbm": "propensity: AUC 0.85 to 0.90",
    "propensity-mlp": "propensity: AUC 0.80 to 0.85",
    "churn-stacking": "churn",
    "churn-cold-start": "churn: cold start by referrals",
    "churn-hardened": "churn: adversarial hardening",
}
"""Packaged recipes and the figures that their system's description names."""

_SHOWN = ("auc", "average_precision", "precision_at_best_f1", "recall_at_best_f1", "ece_20_equal_mass")


@dataclass(frozen=True)
class Run:
    """One recipe at full size.

    Attributes:
        rows: of the training table.
        table_seconds, seconds: spent making the table, and in all.
        mebibytes: peak resident memory of the process.
        metrics: of the validation rows.
    """

    recipe: str
    rows: int
    table_seconds: float
    seconds: float
    mebibytes: float
    metrics: Mapping[str, float]


def main() -> None:
    """Runs the recipes one after another and prints a table."""
    arguments = _arguments()
    if arguments.one:
        print(json.dumps(asdict(measure(arguments.one, arguments.customers))))
        return
    console = Console(width=190)
    table = Table("recipe", "described as", "rows", "table, s", "all, s", "MiB", *_SHOWN)
    for name in arguments.recipe or EXPECTED:
        command = [sys.executable, "-m", "tests.benchmarks.recipes", "--one", name]
        done = subprocess.run(
            [*command, "--customers", str(arguments.customers)], stdout=subprocess.PIPE, text=True, check=True
        )
        run = json.loads(done.stdout.splitlines()[-1])
        if arguments.results:
            with arguments.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(run) + "\n")
        sizes = (f"{run[key]:,.0f}" for key in ("rows", "table_seconds", "seconds", "mebibytes"))
        figures = (f"{run['metrics'][key]:.3f}" if key in run["metrics"] else "-" for key in _SHOWN)
        table.add_row(name, EXPECTED.get(name, ""), *sizes, *figures)
    console.print(table)


def measure(name: str, customers: int) -> Run:
    """Trains a packaged recipe with so many customers in this process; nothing is published."""
    recipe, folder = find_recipe(name)
    recipe = recipe.model_copy(update={"data": sized(recipe, customers)})
    begun = time.perf_counter()
    frame, digest = recipe_table(recipe, folder=folder)
    made = time.perf_counter()
    report = train(recipe, frame, data_sha256=digest).report
    return Run(
        name,
        len(frame),
        round(made - begun, 1),
        round(time.perf_counter() - begun, 1),
        round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        report.metrics,
    )


def sized(recipe: Recipe, customers: int) -> Sources | Synthetic:
    """The recipe's data with so many customers. Raises ValueError for a recipe of files."""
    data = recipe.data
    if isinstance(data, Sources) and data.generator is not None:
        return data.model_copy(update={"generator": data.generator.model_copy(update={"customers": customers})})
    if isinstance(data, Synthetic):
        return data.model_copy(update={"rows": customers})
    raise ValueError(f"{recipe.name} is trained on files, which have a size of their own")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.recipes", description=__doc__)
    parser.add_argument(
        "--customers", type=int, default=100_000, help="in each system; transactions are 50 times as many"
    )
    parser.add_argument("--recipe", action="append", choices=list(EXPECTED), help="one of them; default all")
    parser.add_argument("--results", type=Path, help="append each run's figures to this file, as JSON lines")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
