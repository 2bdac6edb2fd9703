"""``python -m tests.benchmarks.profiles.background ADDRESS RATE ENTITIES``: records events until it is ended."""

import itertools
import sys
import time

import grpc

from tests.benchmarks.profiles.recording import RECORD
from tests.benchmarks.profiles.workload import Workload, record_call

_CALL = 100


def record(address: str, rate: int, entities: int) -> None:
    """Calls of 100 events of now, ``rate`` events per second at most."""
    workload = Workload(events=0, entities=entities)
    with grpc.insecure_channel(address) as channel:
        send: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(RECORD)
        began = time.perf_counter()
        for call in itertools.count():
            now, names = time.time(), workload.names(_CALL, seed=call)
            send(record_call((name, f"beside-{call}-{at}", now) for at, name in enumerate(names)), timeout=30)
            if not call:
                print("ready", flush=True)
            time.sleep(max(0.0, began + (call + 1) * _CALL / rate - time.perf_counter()))


if __name__ == "__main__":
    record(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
