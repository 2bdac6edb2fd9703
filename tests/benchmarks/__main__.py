"""``make bench``: what a score costs on this machine, printed as a table, or with --json as one object.

Absolute figures wander with the machine's other work; compare figures of one run only.
"""

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import scoreline
from scoreline_registry.contract import Feature
from scoreline_registry.registry import Registry
from scoreline_registry.route_file import read_route
from scoreline_server.app import Server
from scoreline_server.methods import SCORE
from scoreline_server.pipeline import Call, Pipeline
from scoreline_server.settings import Settings
from tests.server.toys import publish_linear
from tests.server.wire import packed

COLUMNS = 30
ROUNDS = 3


def main() -> None:
    """Runs every measurement and prints it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder))
    if arguments.json:
        print(json.dumps(figures, indent=2))
        return
    table = Table("what", "figure", title="a linear model of 30 features, split 90/10")
    for name, figure in figures.items():
        table.add_row(name, f"{figure:,.1f}")
    Console().print(table)


def measure(folder: Path) -> dict[str, float]:
    """Every figure by name, medians of three rounds."""
    _prepare(folder)
    figures: dict[str, float] = {}
    settings = Settings(registry=str(folder), listen="127.0.0.1:0", log_level="error")
    with Server(settings) as server:
        for rows in (1, 32, 1024):
            figures[f"pipeline, {rows} rows in one call: µs per row"] = _median(partial(_pipeline, server, 1, rows))
        figures["pipeline, 32 calls of one row: µs per row"] = _median(lambda: _pipeline(server, 32, 1))
        with scoreline.Client(server.address) as client:
            for callers in (1, 8):
                latencies = sorted(_calls(client, callers))
                figures[f"Client.score, {callers} callers: p50 µs"] = latencies[len(latencies) // 2]
                figures[f"Client.score, {callers} callers: p99 µs"] = latencies[int(len(latencies) * 0.99)]
    return figures


def _prepare(folder: Path) -> None:
    names = [f"f{i}" for i in range(COLUMNS)]
    registry = Registry.create(folder)
    features = tuple(Feature(name=name) for name in names)
    publish_linear(registry, "linear", [0.1] * COLUMNS, features=features, aliases=("champion",))
    schema = ", ".join(f"{name}: number" for name in names)
    text = (
        f"route: credit\nschema: {{features: {{{schema}}}}}\nrules:\n- split: {{linear@champion: 90, linear@1: 10}}\n"
    )
    registry.apply_route(read_route(text, source="bench"), author="bench", message="route")


def _median(measurement: Callable[[], float]) -> float:
    return statistics.median(measurement() for _ in range(ROUNDS))


def _pipeline(server: Server, calls: int, rows: int) -> float:
    """Microseconds per row of the pipeline alone, without a wire."""
    pipeline: Pipeline = server.pipeline
    digest = server.watcher.catalog.routes["credit"].layout.digest
    numbers = np.random.default_rng(0).normal(size=(rows, COLUMNS)).tolist()
    batch = [Call(SCORE, packed(digest, numbers).SerializeToString())] * calls
    repeats = max(20, 20_000 // (calls * rows))
    pipeline.handle(batch)
    start = time.perf_counter()
    for _ in range(repeats):
        pipeline.handle(batch)
    return 1e6 * (time.perf_counter() - start) / (repeats * calls * rows)


def _calls(client: scoreline.Client, callers: int, each: int = 300) -> list[float]:
    """Microseconds of each call of some threads that score one entity at a time."""
    features = {f"f{i}": float(i) for i in range(COLUMNS)}
    times: list[float] = []

    def call() -> None:
        for number in range(each):
            start = time.perf_counter()
            client.score("credit", features, entity_id=f"unit-{number}")
            times.append(1e6 * (time.perf_counter() - start))

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


if __name__ == "__main__":
    main()
