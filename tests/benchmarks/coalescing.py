"""``python -m tests.benchmarks.coalescing``: what callers of one process get, sharing calls and not.

A server process of its own scores a linear model of 30 features; this process asks it. Absolute figures wander with the
machine's other work; compare figures of one run only. ``off (again)`` says by how much they wander.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

import scoreline
from tests.benchmarks.models import ROUTE, prepare_linear
from tests.serving import serving

FEATURES = {f"f{index}": index / 30 for index in range(30)}
CALLERS = (1, 8, 64, 256)
MODES = (("off", False), ("on", True), ("off (again)", False))


@dataclass(frozen=True)
class Figures:
    """What one kind of client got: answers per second, and microseconds that a call took."""

    client: str
    callers: int
    coalescing: str
    rows_per_second: float
    p50: float
    p99: float


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each measurement takes")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is made; medians are printed")
    parser.add_argument("--callers", type=int, nargs="*", default=CALLERS)
    parser.add_argument("--clients", nargs="*", default=list(CLIENTS), choices=list(CLIENTS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        prepare_linear(Path(folder) / "registry")
        with serving(Path(folder) / "registry", Path(folder) / "server.log") as address:
            figures = measure(
                address, clients=options.clients, callers=options.callers, seconds=options.seconds,
                rounds=options.rounds,
            )  # fmt: skip
    print(json.dumps([asdict(row) for row in figures], indent=2)) if options.json else show(figures)


def measure(
    address: str, *, clients: Sequence[str], callers: Sequence[int], seconds: float, rounds: int
) -> list[Figures]:
    """Every figure, each the median of some rounds that take turns."""
    figures: list[Figures] = []
    for client in clients:
        for count in callers:
            taken: dict[str, list[Figures]] = {mode: [] for mode, _ in MODES}
            for _ in range(rounds):
                for mode, coalesce in MODES:
                    started = time.perf_counter()
                    times = sorted(CLIENTS[client](address, count, coalesce, seconds))
                    rate = len(times) / (time.perf_counter() - started)
                    taken[mode].append(
                        Figures(client, count, mode, rate, times[len(times) // 2], times[int(len(times) * 0.99)])
                    )
            figures.extend(_median(rows) for rows in taken.values())
    return figures


def show(figures: Sequence[Figures]) -> None:
    """Prints a table with each figure's ratio to coalescing off."""
    table = Table("client", "callers", "coalescing", "rows/s", "ratio", "p50 µs", "p99 µs")
    for row in figures:
        base = next(f for f in figures if (f.client, f.callers, f.coalescing) == (row.client, row.callers, "off"))
        ratio = row.rows_per_second / base.rows_per_second
        table.add_row(
            row.client, str(row.callers), row.coalescing, f"{row.rows_per_second:,.0f}", f"{ratio:.2f}",
            f"{row.p50:,.0f}", f"{row.p99:,.0f}",
        )  # fmt: skip
    Console().print(table)


def _median(rows: Sequence[Figures]) -> Figures:
    return Figures(
        rows[0].client, rows[0].callers, rows[0].coalescing,
        *(statistics.median(getattr(row, name) for row in rows) for name in ("rows_per_second", "p50", "p99")),
    )  # fmt: skip


def _tasks(address: str, callers: int, coalesce: bool, seconds: float) -> list[float]:
    times: list[float] = []

    async def call(client: scoreline.AsyncClient, ends: float) -> None:
        while (started := time.perf_counter()) < ends:
            await client.score(ROUTE, FEATURES, entity_id="c-17")
            times.append(1e6 * (time.perf_counter() - started))

    async def crowd() -> None:
        async with scoreline.AsyncClient(address, coalesce=coalesce) as client:
            await client.score(ROUTE, FEATURES, entity_id="c-17")
            ends = time.perf_counter() + seconds
            await asyncio.gather(*(call(client, ends) for _ in range(callers)))

    asyncio.run(crowd())
    return times


def _threads(address: str, callers: int, coalesce: bool, seconds: float) -> list[float]:
    times: list[float] = []

    def call(client: scoreline.Client, ends: float) -> None:
        while (started := time.perf_counter()) < ends:
            client.score(ROUTE, FEATURES, entity_id="c-17")
            times.append(1e6 * (time.perf_counter() - started))

    with scoreline.Client(address, coalesce=coalesce) as client:
        client.score(ROUTE, FEATURES, entity_id="c-17")
        ends = time.perf_counter() + seconds
        crowd = [threading.Thread(target=call, args=(client, ends)) for _ in range(callers)]
        for thread in crowd:
            thread.start()
        for thread in crowd:
            thread.join()
    return times


CLIENTS: dict[str, Callable[[str, int, bool, float], list[float]]] = {"asyncio": _tasks, "threads": _threads}


if __name__ == "__main__":
    main()
