"""Figures of a quality run, one line each, so that a stopped run goes on where it was."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Result:
    """One candidate on one fold.

    Attributes:
        table, candidate, fold: what was measured.
        auc, average_precision, ece: of the test rows; the calibration error is that of 20 bins of equal mass.
        seconds: spent training and scoring.
    """

    table: str
    candidate: str
    fold: str
    auc: float
    average_precision: float
    ece: float
    seconds: float


def read(path: Path) -> list[Result]:
    """The results of a file; none where it is not there."""
    if not path.exists():
        return []
    return [Result(**json.loads(line)) for line in path.read_text("utf-8").splitlines()]


def append(path: Path, result: Result) -> None:
    """Adds one line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(result)) + "\n")


def table(results: Iterable[Result], *, metric: str) -> str:
    """A Markdown table: the mean of ``metric`` over folds for each candidate and table, with its spread."""
    found: Mapping[tuple[str, str], list[float]] = defaultdict(list)
    for result in results:
        found[result.candidate, result.table].append(getattr(result, metric))
    candidates, tables = (list(dict.fromkeys(names)) for names in zip(*found, strict=True))
    lines = ["| | " + " | ".join(tables) + " |", "|---|" + "---|" * len(tables)]
    for candidate in candidates:
        cells = [_cell(found.get((candidate, name), [])) for name in tables]
        lines.append(f"| {candidate} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(values: Sequence[float]) -> str:
    return f"{np.mean(values):.4f} ± {np.std(values):.4f}" if values else "-"
