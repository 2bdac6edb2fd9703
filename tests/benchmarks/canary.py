"""``python -m tests.benchmarks.canary ADDRESS METHOD BODY SECONDS``: one call at a time, by a clock of its own.

h2load sends in bursts, which hides stalls of milliseconds. A canary is a process of its own that asks about a thousand
times per second and notes what every call took. Prints one JSON object, in milliseconds.
"""

import gc
import json
import sys
import time
from pathlib import Path

import grpc

_PAUSE_SECONDS = 0.001
_WARM_UP_SECONDS = 0.5


def sing(address: str, method: str, body: bytes, seconds: float) -> dict[str, float]:
    """What the calls took: p50, p99, p99.9 and the longest, in milliseconds, and how many there were."""
    times: list[float] = []
    with grpc.insecure_channel(address) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
        begins = time.perf_counter() + _WARM_UP_SECONDS
        # The canary's own pauses would look like the server's.
        gc.disable()
        while (started := time.perf_counter()) < begins + seconds:
            call(body, timeout=10)
            if started > begins:
                times.append(time.perf_counter() - started)
            time.sleep(_PAUSE_SECONDS)
    times.sort()
    places = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
    figures = {name: 1e3 * times[int(len(times) * place)] for name, place in places.items()}
    return {**figures, "max": 1e3 * times[-1], "calls": len(times)}


if __name__ == "__main__":
    print(json.dumps(sing(sys.argv[1], sys.argv[2], Path(sys.argv[3]).read_bytes(), float(sys.argv[4]))))
