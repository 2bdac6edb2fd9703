"""Recording: by a recorder in this process, part by part, and by a server."""

import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import grpc
import numpy as np

from scoreline.v1 import profiles_pb2 as pb
from scoreline_server.events.recording import Recorder
from scoreline_server.metrics.recorder import Metrics
from scoreline_server.profile_stores.store import ProfileStore, Stored
from scoreline_server.rpc.profile_messages import decoded_events, record_response
from tests.benchmarks.load import LoadError
from tests.benchmarks.pace import Figures
from tests.benchmarks.processes import Program
from tests.benchmarks.profiles.workload import LANES, PROFILE, Workload, compiled

RECORD = "/scoreline.v1.ProfileService/RecordEvents"
_CHANNELS = 3
_READS = 5000


def recorded_here(store: ProfileStore, workload: Workload) -> Figures:
    """Events per second of a recorder in this process, and its CPU time by part."""
    parts, profile = _Parts(), compiled()
    recorder = Recorder(cast("ProfileStore", _Clocked(store, parts)), counting=Metrics())
    calls, kept = workload.calls, 0
    clock, cpu = time.perf_counter(), time.process_time()
    for call in calls:
        with parts.timed("decode"):
            events = decoded_events(profile, pb.RecordEventsRequest.FromString(call).events)
        kept += record_response(recorder.record(profile, events)).kept_count
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    _check(kept, workload)
    parts.seconds["the rest"] = cpu - sum(parts.seconds.values())
    own = {f"in process, {name}: CPU µs per event": 1e6 * each / kept for name, each in parts.seconds.items()}
    return {"in process: events/s": kept / clock, "in process: CPU µs per event": 1e6 * cpu / kept, **own}


def read_alone(store: ProfileStore, workload: Workload) -> Figures:
    """Microseconds of reading the state of one entity, and of computing its features."""
    profile, now = compiled(), time.time_ns() // 1000
    taken: dict[str, list[float]] = {"state read": [], "state read and features": []}
    processor = time.process_time()
    for entity in workload.names(_READS, seed=2):
        begun = time.perf_counter()
        stored = store.read(PROFILE, [entity]).get(entity, Stored())
        read = time.perf_counter()
        profile.computation.read(stored.folded, stored.pending, at=now)
        taken["state read"].append(read - begun)
        taken["state read and features"].append(time.perf_counter() - begun)
    processor = time.process_time() - processor
    quantiles = {
        f"{name}: p{quantile} µs": 1e6 * float(np.percentile(times, quantile))
        for name, times in taken.items()
        for quantile in (50, 99)
    }
    return {**quantiles, "state read and features: CPU µs": 1e6 * processor / _READS}


def recorded_by(address: str, server: Program, workload: Workload) -> Figures:
    """Events per second of a server, and the CPU time of all its processes."""
    lanes, spent = workload.lanes, server.processor_seconds()
    begun = time.perf_counter()
    with ThreadPoolExecutor(LANES) as senders:
        kept = sum(senders.map(partial(_sent, address), lanes))
    clock, spent = time.perf_counter() - begun, server.processor_seconds() - spent
    _check(kept, workload)
    return {"events/s": kept / clock, "CPU µs per event": 1e6 * spent / kept}


def _sent(address: str, calls: Sequence[bytes]) -> int:
    """Sends the calls of one lane one after another, on connections in turns; how many events were kept."""
    own = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.insecure_channel(address, own) for _ in range(_CHANNELS)]
    methods: list[grpc.UnaryUnaryMultiCallable[bytes, pb.RecordEventsResponse]] = [
        channel.unary_unary(RECORD, None, pb.RecordEventsResponse.FromString) for channel in channels
    ]
    kept = sum(send(call, timeout=60).kept_count for send, call in zip(itertools.cycle(methods), calls, strict=False))
    for channel in channels:
        channel.close()
    return kept


def _check(kept: int, workload: Workload) -> None:
    if kept != workload.events:
        raise LoadError(f"{kept:,} of {workload.events:,} events were kept")


class _Parts:
    """CPU seconds of this process by part."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Adds the time of the block."""
        begun = time.process_time()
        try:
            yield
        finally:
            self.seconds[part] += time.process_time() - begun


class _Clocked:
    """A store whose calls are timed by their names."""

    def __init__(self, store: ProfileStore, parts: _Parts) -> None:
        self._store, self._parts = store, parts

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._store, name)

        def timed(*given: Any, **named: Any) -> Any:
            with self._parts.timed(f"store.{name}"):
                return method(*given, **named)

        return timed
