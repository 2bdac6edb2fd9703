"""What a server still answers in time when three times as much is asked as it can do, with a model of about 2 ms."""

import time
from dataclasses import replace

from scoreline_registry.registry import Registry
from tests.benchmarks.load import background
from tests.benchmarks.pace import Bench, Figures, median
from tests.benchmarks.serving import Running, Scoreline
from tests.benchmarks.trained import Stock
from tests.server.burns import burning_model
from tests.server.routes import apply
from tests.server.toys import publish_linear

MODEL_SECONDS = 0.002
DEADLINE_SECONDS = 0.5

PEAK, OVERLOADED = "peak", "three times that"

_SETTLING_SECONDS = 1.0
_MOST_OPEN = 2048
# Rates are tried upwards by this factor for as long as goodput grows by a part of it.
_STEP, _GROWTH = 1.3, 1.05


def overload(_: Stock, bench: Bench) -> Figures:
    """Calls per second that are answered in time, in turns at the best rate and at three times that; medians."""
    registry = Registry.create(str(bench.folder / "registry"))
    publish_linear(registry, "linear", aliases=("champion",), model_bytes=burning_model((1.0, 0.0, 0.0), MODEL_SECONDS))
    apply(registry)
    seen: dict[str, list[float]] = {PEAK: [], OVERLOADED: []}
    with Scoreline(bench.folder / "registry").running(bench.folder) as server:
        bench.say("seeking the peak")
        best = best_rate(server, bench.pace.seconds)
        for number in range(bench.pace.rounds):
            for name, rate in ((PEAK, best), (OVERLOADED, 3 * best)):
                bench.say(f"round {number + 1} of {bench.pace.rounds}: {name}")
                seen[name].append(goodput(server, rate, bench.pace.seconds))
    return {name: {"per_second": median(found), "rounds": found} for name, found in seen.items()}


def best_rate(server: Running, seconds: float) -> float:
    """The rate of calls at which most are answered in time, sought upwards from a low one."""
    rate, best = 0.4 / MODEL_SECONDS, 0.0
    while (found := goodput(server, rate, seconds)) >= _GROWTH * best:
        best, rate = found, rate * _STEP
    return rate / _STEP


def goodput(server: Running, rate: float, seconds: float) -> float:
    """Calls per second that are answered in time at a rate, once the queue is as full as it becomes.

    The server counts them: it scores no call whose deadline has passed.
    """
    target = replace(server.target, deadline_ms=round(1000 * DEADLINE_SECONDS))
    duration = seconds + _SETTLING_SECONDS + 5
    with background(target, per_second=rate, seconds=duration, in_flight=_MOST_OPEN):
        time.sleep(_SETTLING_SECONDS)
        before, began = server.counted("scoreline_rows_total"), time.perf_counter()
        time.sleep(seconds)
        return (server.counted("scoreline_rows_total") - before) / (time.perf_counter() - began)
