"""``python -m tests.benchmarks.journal``: what the journal costs, on the serving thread and altogether.

The pipeline scores flushes of 32 calls of one row, with the journal, without it, and without it once more: the third
figure says how much of a difference is noise. All figures are CPU time, because other work on the machine would drown a
difference of clock time; compare figures of one run only.
"""

import argparse
import json
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import structlog
from rich.console import Console
from rich.table import Table

from scoreline.v1 import scoring_pb2 as pb
from scoreline_server.app import Server
from scoreline_server.journal.writing.encoding import Observed, RouteEncoder
from scoreline_server.journal.writing.opening import open_journal
from scoreline_server.metrics.recorder import Metrics
from scoreline_server.rpc.methods import SCORE
from scoreline_server.rpc.pipeline import Call
from scoreline_server.scoring import engine
from scoreline_server.scoring.decoding import DecodedRequest, decode_request
from scoreline_server.scoring.results import ScoredBatch
from scoreline_server.settings import Settings
from tests.benchmarks.models import COLUMNS, ROUTE, prepare_linear
from tests.server.wire import packed

CALLS = 32
ROUNDS = 9
FLUSHES = 300


def main() -> None:
    """Measures and prints."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        figures = measure(Path(folder))
    if arguments.json:
        print(json.dumps(figures, indent=2))
        return
    table = Table("what", "figure", title=f"a linear model of {COLUMNS} features, {CALLS} calls of one row per flush")
    for name, figure in figures.items():
        table.add_row(name, f"{figure:,.3f}")
    Console().print(table)


def measure(folder: Path) -> dict[str, float]:
    """Every figure by name."""
    prepare_linear(folder / "registry")
    settings = {
        "on": Settings(registry=str(folder / "registry"), listen="127.0.0.1:0", log_level="error"),
        "off": Settings(registry=str(folder / "registry"), listen="127.0.0.1:0", log_level="error", journal_dir="off"),
    }
    with ExitStack() as stack:
        servers = {
            "journal on": stack.enter_context(Server(settings["on"])),
            "journal off": stack.enter_context(Server(settings["off"])),
            "journal off again": stack.enter_context(Server(settings["off"])),
        }
        spent: dict[str, list[tuple[float, float]]] = {name: [] for name in servers}
        for _ in range(ROUNDS):
            for name, server in servers.items():
                spent[name].append(_flushes(server))
        scored = _scored(servers["journal off"])
    figures: dict[str, float] = {}
    for at, thread in enumerate(("serving thread", "all threads")):
        on, off, again = (statistics.median(times[at] for times in spent[name]) for name in servers)
        figures |= {f"{thread}, journal on: µs per row": on, f"{thread}, journal off: µs per row": off}
        figures |= {f"{thread}: on / off": on / off, f"{thread}: off again / off": again / off}
    figures |= _parts(scored, folder / "alone", settings["on"])
    return figures


def _calls(server: Server) -> list[Call]:
    digest = server.watcher.catalog.routes[ROUTE].layout.digest
    numbers = np.random.default_rng(0).normal(size=(CALLS, 1, COLUMNS))
    requests = [packed(digest, row.tolist(), ids=[f"customer-{at}"]) for at, row in enumerate(numbers)]
    for at, request in enumerate(requests):
        request.request_id = f"{at:024x}"
    return [Call(SCORE, request.SerializeToString()) for request in requests]


def _flushes(server: Server) -> tuple[float, float]:
    """Microseconds of CPU per row for admitting and scoring flushes, of this thread and of all."""
    pipeline, calls = server.pipeline, _calls(server)
    mine, everyones = time.thread_time(), time.process_time()
    for _ in range(FLUSHES):
        taken = [pipeline.admit(call) for call in calls]
        pipeline.score([request for request in taken if isinstance(request, DecodedRequest)], list)
    scale = 1e6 / (FLUSHES * CALLS)
    return scale * (time.thread_time() - mine), scale * (time.process_time() - everyones)


def _scored(server: Server) -> ScoredBatch:
    """One flush as observers see it."""
    seen: list[ScoredBatch] = []
    catalog = server.watcher.catalog
    requests = [pb.ScoreRequest.FromString(call.message) for call in _calls(server)]
    engine.score([decode_request(request, catalog.route(request.route)) for request in requests], seen.append)
    return seen[0]


def _parts(scored: ScoredBatch, folder: Path, settings: Settings) -> dict[str, float]:
    """What the serving thread pays for a flush, and what the writer's thread does, per row."""
    journal = open_journal(
        settings.model_copy(update={"journal_dir": str(folder), "journal_queue_bytes": 2**40}),
        worker=0,
        counting=Metrics(),
    )
    assert journal is not None
    handed = _per_row(lambda: journal(scored), CALLS)
    encoder = RouteEncoder(scored.route, 1, None)
    alone = _per_row(lambda: encoder.encoded([Observed(scored)]), CALLS)
    together = [Observed(scored)] * 8
    gathered = _per_row(lambda: encoder.encoded(together), CALLS * len(together))
    size = len(encoder.encoded(together)) / (CALLS * len(together))
    return {
        "serving thread, handing over: µs per row": handed,
        "writer, one flush per block: µs per row": alone,
        "writer, 8 flushes per block: µs per row": gathered,
        "bytes per row": size,
    }


def _per_row(work: Callable[[], object], rows: int, repeats: int = 2000) -> float:
    best = float("inf")
    for _ in range(5):
        start = time.thread_time()
        for _ in range(repeats // 5):
            work()
        best = min(best, (time.thread_time() - start) / (repeats // 5))
    return 1e6 * best / rows


if __name__ == "__main__":
    main()
