"""``python -m tests.benchmarks.quality``: how well families predict real tables, beside other libraries.

Every candidate learns from the same rows of a fold and is judged by the same test rows; nothing is tuned on test rows.
Results are appended to a file, and a run that is started again leaves out what the file has.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.data.columns import Columns
from scoreline_trainers.data.dataset import Dataset, Labels, table_examples
from scoreline_trainers.data.partition import Partition
from scoreline_trainers.data.splits import Fold as Rows
from scoreline_trainers.data.splits import SplitPlan
from scoreline_trainers.evaluation.metrics import auc, average_precision
from tests.benchmarks.quality import candidates, results, tables
from tests.benchmarks.quality.automl import automl_scores
from tests.benchmarks.quality.folds import Fold, folds
from tests.benchmarks.quality.results import Result
from tests.benchmarks.quality.rivals import RIVALS

Measured = tuple[Result, Labels, Float64]
"""The figures of one candidate on one fold, and its test rows' labels and scores."""

LIBRARY = "library: "
AUTOML = "FLAML"
NAMES = (*candidates.CANDIDATES, *(LIBRARY + name for name in RIVALS))


def main() -> None:
    """Measures what is asked for and prints a table for each metric."""
    arguments = _arguments()
    folder = Path(os.environ["SCORELINE_DATA"])
    console = Console(stderr=True, width=120)
    done = {(each.table, each.candidate, each.fold) for each in results.read(arguments.results)}
    for name in arguments.table or list(tables.TABLES):
        partition, columns, splits = _prepared(name, folder, tuple(arguments.seed or (0, 1, 2)))
        for fold in splits:
            open_ones = [each for each in arguments.candidate or NAMES if (name, each, fold.name) not in done]
            for measured in _measured(open_ones, name, partition, columns, fold):
                result, label, score = measured
                console.log(f"{name}, {fold.name}, {result.candidate}: {result.auc:.4f} in {result.seconds:.0f} s")
                results.append(arguments.results, result, label, score)
        if arguments.automl and (name, AUTOML, splits[-1].name) not in done:
            for result, label, score in _automl(name, partition, splits, arguments.automl):
                results.append(arguments.results, result, label, score)
    found = results.read(arguments.results)
    for metric in ("auc", "average_precision", "seconds"):
        print(f"\n## {metric}\n\n{results.table(found, metric=metric)}")
    print(f"\n## calibration error\n\n{results.calibration_table(arguments.results)}")


def _prepared(name: str, folder: Path, seeds: tuple[int, ...]) -> tuple[Partition, dict[str, Any], list[Fold]]:
    source = tables.TABLES[name]
    frame, columns = tables.load(source, folder)
    given = {key: value for key, value in columns.items() if key in Columns.model_fields}
    roles = Columns.model_validate_json(json.dumps(given))
    examples = table_examples(frame, roles)
    label = examples.frame[roles.label or ""].to_numpy().astype(np.int8)
    splits = list(folds(label, seeds=seeds, by_time=source.time))
    plan = SplitPlan(tuple(Rows(fold.train, fold.test) for fold in splits), np.arange(len(label)), refits=True)
    return Partition(examples, roles, plan, examples), columns, splits


def _measured(
    names: list[str], table: str, partition: Partition, columns: dict[str, Any], fold: Fold
) -> Iterator[Measured]:
    if not names:
        return
    train, test = partition.fold(Rows(fold.train, fold.test))
    for name in names:
        begun = time.perf_counter()
        score = _scorer(name, columns)(train, test, fold.seed)
        yield _result(table, name, fold, test, score, time.perf_counter() - begun)


def _automl(table: str, partition: Partition, splits: list[Fold], seconds: float) -> Iterator[Measured]:
    """FLAML sees all rows under one contract; a name that only test rows have is a category that it never trained."""
    everything = partition.encoded(partition.plan.development, partition.training().inputs)
    for fold, score in zip(splits, automl_scores(everything, splits, seconds=seconds), strict=True):
        yield _result(table, AUTOML, fold, everything.take(fold.test), score, seconds)


def _result(table: str, name: str, fold: Fold, test: Dataset, score: Float64, seconds: float) -> Measured:
    result = Result(
        table,
        name,
        fold.name,
        auc(test.label, score),
        average_precision(test.label, score),
        seconds,
    )
    return result, test.label, score


def _scorer(name: str, columns: dict[str, Any]) -> Callable[[Dataset, Dataset, int], Float64]:
    if name.startswith(LIBRARY):
        return RIVALS[name.removeprefix(LIBRARY)]
    return lambda train, test, seed: candidates.scores(name, columns, train, test, seed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.quality", description=__doc__)
    parser.add_argument("--table", action="append", choices=list(tables.TABLES), help="one of them; default all")
    parser.add_argument("--candidate", action="append", choices=list(NAMES), help="one of them; default all")
    parser.add_argument("--seed", action="append", type=int, help="of folds and models; default 0, 1 and 2")
    parser.add_argument("--automl", type=float, metavar="SECONDS", help="FLAML too, so many seconds a fold")
    parser.add_argument("--results", type=Path, default=Path(".bench/quality.jsonl"), help="the file of results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
