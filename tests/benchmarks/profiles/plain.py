"""What profiles cost routes that have none, in this process: CPU time, measured in turns."""

import statistics
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from scoreline_registry.profiles.profile_file import read_profile
from scoreline_registry.registry import Registry
from scoreline_server import logging_config
from scoreline_server.app import Server
from scoreline_server.rpc.methods import SCORE
from scoreline_server.rpc.pipeline import Call
from scoreline_server.scoring.decoding import DecodedRequest
from scoreline_server.settings import Settings
from tests.benchmarks.models import COLUMNS, ROUTE, prepare_linear
from tests.benchmarks.pace import Figures
from tests.benchmarks.profiles.workload import TEXT
from tests.server.wire import packed

_CALLS = 32


def plain(folder: Path, *, flushes: int = 300, rounds: int = 9) -> Figures:
    """CPU microseconds of calls to a route without profiles, of a registry without any and of one that has one.

    The first is measured twice in each round: the ratio of both says how much of a difference is noise.
    """
    without, beside = folder / "without", folder / "beside"
    for registry in (without, beside):
        prepare_linear(registry)
    Registry.open(str(beside)).apply_profile(read_profile(TEXT, source="the benchmark"), author="bench", message="one")
    names = {"no profile": without, "a profile beside": beside, "no profile, again": without}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(_server(registry, folder)) for name, registry in names.items()}
        spent: dict[str, list[float]] = {name: [] for name in servers}
        for _ in range(rounds):
            for name, server in servers.items():
                spent[name].append(_microseconds(server, flushes))
    base = spent["no profile"]
    figures = {f"{name}: CPU µs per call": statistics.median(times) for name, times in spent.items()}
    ratios = {
        f"{name} / no profile": statistics.median(one / two for one, two in zip(times, base, strict=True))
        for name, times in spent.items()
        if times is not base
    }
    return {**figures, **ratios}


def _server(registry: Path, folder: Path) -> Server:
    settings = Settings(
        registry=str(registry), listen="127.0.0.1:0", log_level="error", journal_dir="off",
        profile_store=f"sqlite:{folder / 'plain.sqlite'}",
    )  # fmt: skip
    logging_config.configure(settings)
    return Server(settings)


def _microseconds(server: Server, flushes: int) -> float:
    digest = server.watcher.catalog.routes[ROUTE].layout.digest
    rows = np.random.default_rng(0).normal(size=(1, COLUMNS)).tolist()
    calls = [Call(SCORE, packed(digest, rows).SerializeToString())] * _CALLS
    begun = time.process_time()
    for _ in range(flushes):
        taken = [server.pipeline.admit(call) for call in calls]
        server.pipeline.score([request for request in taken if isinstance(request, DecodedRequest)], list)
    return 1e6 * (time.process_time() - begun) / (flushes * _CALLS)
