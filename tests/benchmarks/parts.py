"""What the pipeline costs without a wire, in this process."""

import statistics
import time

import numpy as np

from scoreline_server import logging_config
from scoreline_server.app import Server
from scoreline_server.rpc.methods import SCORE
from scoreline_server.rpc.pipeline import Answer, Call
from scoreline_server.settings import Settings
from tests.benchmarks.models import COLUMNS, ROUTE, prepare_linear
from tests.benchmarks.pace import Bench, Figures
from tests.server.wire import packed

_SHAPES = ((1, 1), (1, 32), (1, 1024), (32, 1))


def parts(bench: Bench) -> Figures:
    """Microseconds per row by how many calls of how many rows are scored together; medians."""
    folder = bench.folder / "parts"
    prepare_linear(folder)
    settings = Settings(registry=str(folder), listen="127.0.0.1:0", log_level="error", journal_dir="off")
    logging_config.configure(settings)
    figures = {}
    with Server(settings) as server:
        for calls, rows in _SHAPES:
            bench.say(f"pipeline, {calls} calls of {rows} rows")
            times = [_microseconds(server, calls, rows) for _ in range(bench.pace.rounds)]
            figures[f"{calls} calls of {rows} rows: µs per row"] = statistics.median(times)
    return figures


def _microseconds(server: Server, calls: int, rows: int) -> float:
    pipeline = server.pipeline
    digest = server.watcher.catalog.routes[ROUTE].layout.digest
    numbers = np.random.default_rng(0).normal(size=(rows, COLUMNS)).tolist()
    batch = [Call(SCORE, packed(digest, numbers).SerializeToString())] * calls
    repeats = max(20, 20_000 // (calls * rows))
    start = time.perf_counter()
    for _ in range(repeats):
        taken = [pipeline.admit(call) for call in batch]
        pipeline.score([question for question in taken if not isinstance(question, Answer)], list)
    return 1e6 * (time.perf_counter() - start) / (repeats * calls * rows)
