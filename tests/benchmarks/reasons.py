"""``python -m tests.benchmarks.reasons``: what reasons cost a call, for each model family at its default size.

One caller of one server in the same process asks for one entity after another, without reasons and with four, in turns,
so that both see the same machine. The CPU time is of both, and wanders less with the machine's other work than latency.
"""

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

import scoreline
from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.settings import Settings
from scoreline_trainers.data.batch import Batch
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.training.candidate import publish_candidate
from tests.benchmarks.families import SIZES, make

REASONS = 4
TURNS = 400
LONGEST_SECONDS = 20.0


@dataclass(frozen=True)
class Cost:
    """One family's row of the table; times are of whole calls in microseconds.

    Attributes:
        exact: whether contributions have no standard error.
        first: the first call with reasons, which makes the tables, in milliseconds.
        plain, reasons: the median, the 99th percentile and the median CPU time, without and with reasons.
        error: the median of the largest standard error, relative to the largest contribution.
    """

    family: str
    exact: bool
    first: float
    plain: tuple[float, float, float]
    reasons: tuple[float, float, float]
    error: float


def main() -> None:
    """Trains, serves and measures families, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", help="by default all that are installed")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = parser.parse_args()
    costs = [measure(name) for name in chosen.families or SIZES if not FAMILIES.problem(name)]
    if chosen.json:
        print(json.dumps([asdict(each) for each in costs], indent=2))
        return
    title = f"one caller, one entity a call; first call in ms, others in µs: without reasons, with {REASONS}"
    table = Table("family", "method", "first", "p50", "", "p99", "", "CPU", "", "CPU more", "error", title=title)
    for each in costs:
        times = [time for both in zip(each.plain, each.reasons, strict=True) for time in both]
        cells = (f"{time:,.0f}" for time in (each.first, *times, each.reasons[2] - each.plain[2]))
        table.add_row(each.family, "exact" if each.exact else "sampled", *cells, f"{each.error:.1%}")
    Console().print(table)


def measure(family: str) -> Cost:
    """Serves one family, and calls it with and without reasons in turns."""
    recipe, candidate, frame = make(family, explain={"skip": True})
    batch = Dataset.from_table(frame, recipe, inputs=candidate.manifest.inputs).batch
    rows = [_entity(candidate.manifest.inputs, batch, row) for row in range(TURNS)]
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry.create(Path(folder) / "registry")
        publish_candidate(candidate, recipe, registry, author="bench")
        settings = Settings(registry=f"{folder}/registry", listen="127.0.0.1:0", log_level="error")
        with Server(settings) as server, scoreline.Client(server.address, coalesce=False, timeout_seconds=60) as client:
            return _cost(family, client, recipe.name, rows)


def _cost(family: str, client: scoreline.Client, route: str, rows: list[dict[str, Any]]) -> Cost:
    times: dict[int, list[tuple[float, float]]] = {0: [], REASONS: []}
    errors, started = [], time.perf_counter()
    client.score(route, **rows[0])
    before = time.perf_counter()
    client.score(route, **rows[0], reasons=REASONS)
    first = time.perf_counter() - before
    for row in rows:
        for count, own in times.items():
            before, worked = time.perf_counter(), time.process_time()
            score = client.score(route, **row, reasons=count)
            own.append((time.perf_counter() - before, time.process_time() - worked))
        if score.explanation is not None and score.reasons:
            errors.append(score.explanation.standard_error / abs(score.reasons[0].contribution))
        if time.perf_counter() - started > LONGEST_SECONDS:
            break
    plain, explained = (_figures(np.array(own) * 1e6) for own in times.values())
    return Cost(family, not any(errors), first * 1e3, plain, explained, statistics.median(errors or [0.0]))


def _figures(times: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """Median and 99th percentile of the latencies, and the median CPU time, of [calls, 2]."""
    return float(np.median(times[:, 0])), float(np.quantile(times[:, 0], 0.99)), float(np.median(times[:, 1]))


def _entity(inputs: Any, batch: Batch, row: int) -> dict[str, Any]:
    """One row as arguments of ``Client.score``."""
    found: dict[str, Any] = {"entity_id": f"unit-{row}"}
    if batch.features is not None:
        values = batch.features[row].tolist()
        found["features"] = {
            each.name: each.vocabulary[int(value)] if each.kind == "category" else value
            for each, value in zip(inputs.features, values, strict=True)
        }
    if batch.sequence is not None:
        steps, lengths = batch.history
        found["sequence"] = steps[row, : lengths[row]]
    if batch.neighbors is not None:
        neighbors, mask = batch.neighborhood
        found["neighbors"] = neighbors[row][mask[row]]
    return found


if __name__ == "__main__":
    main()
