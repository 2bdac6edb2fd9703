"""Figures of a quality run, one line each, so that a stopped run goes on where it was.

The calibration error is that of all rows of a table: each is scored once for a seed, by the model of the other folds.
In 20 bins of one fold's rows alone the draw of the rows is most of the error. So the scores are kept as well, in a
folder beside the file.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from scoreline_registry.statistics.scores.calibration import expected_calibration_error
from scoreline_trainers.data.batch import Float64
from scoreline_trainers.data.dataset import Labels

_BINS = 20


@dataclass(frozen=True)
class Result:
    """One candidate on one fold.

    Attributes:
        table, candidate, fold: what was measured.
        auc, average_precision: of the test rows.
        seconds: spent training and scoring.
    """

    table: str
    candidate: str
    fold: str
    auc: float
    average_precision: float
    seconds: float


def read(path: Path) -> list[Result]:
    """The results of a file; none where it is not there."""
    if not path.exists():
        return []
    return [Result(**json.loads(line)) for line in path.read_text("utf-8").splitlines()]


def append(path: Path, result: Result, label: Labels, score: Float64) -> None:
    """Adds one line, and keeps the label and score of each test row, int8 and float64 [N]."""
    kept = _scores(path, result)
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(kept, label=label, score=score.astype(np.float32))
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(result)) + "\n")


def table(results: Iterable[Result], *, metric: str) -> str:
    """A Markdown table: the mean of ``metric`` over folds for each candidate and table, with its spread."""
    found: Mapping[tuple[str, str], list[float]] = defaultdict(list)
    for result in results:
        found[result.candidate, result.table].append(getattr(result, metric))
    return _grid(found)


def _grid(found: Mapping[tuple[str, str], Sequence[float]]) -> str:
    candidates, tables = (list(dict.fromkeys(names)) for names in zip(*found, strict=True))
    lines = ["| | " + " | ".join(tables) + " |", "|---|" + "---|" * len(tables)]
    for candidate in candidates:
        cells = [_cell(found.get((candidate, name), [])) for name in tables]
        lines.append(f"| {candidate} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def calibration_table(path: Path) -> str:
    """A Markdown table: the calibration error of each seed's rows together, in 20 bins of equal mass, mean and spread.

    Args:
        path: the file of results.
    """
    pooled: Mapping[tuple[str, str, str], list[tuple[Labels, Float64]]] = defaultdict(list)
    for result in read(path):
        seed = result.fold.partition(",")[0]
        with np.load(_scores(path, result)) as kept:
            pooled[result.candidate, result.table, seed].append((kept["label"], kept["score"].astype(np.float64)))
    errors: Mapping[tuple[str, str], list[float]] = defaultdict(list)
    for (candidate, name, _), parts in pooled.items():
        label, score = (np.concatenate(values) for values in zip(*parts, strict=True))
        errors[candidate, name].append(expected_calibration_error(label, score, bins=_BINS))
    return _grid(errors)


def _scores(path: Path, result: Result) -> Path:
    name = f"{result.table}, {result.candidate}, {result.fold}.npz".replace(": ", " ")
    return path.with_suffix("") / name


def _cell(values: Sequence[float]) -> str:
    return f"{np.mean(values):.4f} ± {np.std(values):.4f}" if values else "-"
