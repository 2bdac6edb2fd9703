"""How much a run of the benchmarks measures, and taking turns."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.load import WARM_UP_SECONDS, Loaded, LoadError, load
from tests.benchmarks.processes import wait_until_idle
from tests.benchmarks.serving import Running

AGAIN = " (again)"
"""Behind the name of what is measured twice in a round; the ratio of both says how much a run's figures wander."""

Figures = dict[str, Any]


@dataclass(frozen=True)
class Pace:
    """How long, how often and how much.

    Attributes:
        rounds: how often each measurement is made; medians count.
        seconds: how long a load lasts.
        canary_seconds: how long a canary lives.
        in_flight: how many calls are open at once.
        crowd: how many models are many.
        rows: how many rows are a bulk.
    """

    rounds: int
    seconds: float
    canary_seconds: float
    in_flight: tuple[int, ...]
    crowd: int
    rows: int


FULL = Pace(rounds=3, seconds=3.0, canary_seconds=8.0, in_flight=(1, 8, 32, 128), crowd=1000, rows=200_000)
QUICK = Pace(rounds=3, seconds=0.5, canary_seconds=1.5, in_flight=(1, 32), crowd=50, rows=20_000)


@dataclass(frozen=True)
class Bench:
    """What every measurement is given: the pace, a folder of its own, and whom to tell how far it is."""

    pace: Pace
    folder: Path
    say: Callable[[str], None]


def compare(servers: Mapping[str, Running], bench: Bench, failed: dict[str, str] | None = None) -> Figures:
    """Loads servers in turns, the first one twice, while the others rest.

    A server that does not bear its load twice in a row is left out, and ``failed`` says why; raises LoadError without.

    Gives by name and calls in flight the medians of calls per second, of the mean and longest milliseconds, and of the
    server's own processor time per call, in microseconds, which other programs bend the least.
    """
    first = next(iter(servers))
    turns = {**servers, first + AGAIN: servers[first]}
    for server in servers.values():
        wait_until_idle(server.program)
        server.rest()
    seen: dict[str, dict[int, list[tuple[Loaded, float]]]] = {name: {} for name in turns}
    for number in range(bench.pace.rounds):
        for name, server in list(turns.items()):
            bench.say(f"round {number + 1} of {bench.pace.rounds}: {name}")
            server.wake()
            try:
                for in_flight in bench.pace.in_flight:
                    seen[name].setdefault(in_flight, []).append(_load_again(server, in_flight, bench.pace.seconds))
            except LoadError as error:
                if failed is None:
                    raise
                failed[name] = str(error)
                del turns[name], seen[name]
            server.rest()
    for server in servers.values():
        server.wake()
    return {
        name: {str(in_flight): _median(loads) for in_flight, loads in levels.items()} for name, levels in seen.items()
    }


def _load_again(server: Running, in_flight: int, seconds: float) -> tuple[Loaded, float]:
    """A load; one more where it failed, because a server that has just been woken may still be asleep."""
    try:
        return _load(server, in_flight, seconds)
    except LoadError:
        return _load(server, in_flight, seconds)


def _load(server: Running, in_flight: int, seconds: float) -> tuple[Loaded, float]:
    before = server.program.processor_seconds()
    loaded = load(server.target, in_flight=in_flight, seconds=seconds)
    used = server.program.processor_seconds() - before
    return loaded, 1e6 * used / (loaded.per_second * (seconds + WARM_UP_SECONDS))


def _median(loads: Sequence[tuple[Loaded, float]]) -> Figures:
    fields = ("per_second", "mean_ms", "max_ms")
    return {
        **{field: median(getattr(loaded, field) for loaded, _ in loads) for field in fields},
        "processor_us": median(used for _, used in loads),
        "rounds": [loaded.per_second for loaded, _ in loads],
    }


def median(values: Any) -> float:
    """The median, rounded to what is worth printing."""
    return float(f"{statistics.median(values):.5g}")
