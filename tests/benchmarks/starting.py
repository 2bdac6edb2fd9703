"""Cold starts: from nothing to the first answer, and what a server then holds."""

import time

from tests.benchmarks.pace import Bench, Figures, median
from tests.benchmarks.serving import Scoreline
from tests.benchmarks.trained import Stock


def starting(stock: Stock, bench: Bench) -> Figures:
    """Seconds to the first answer and megabytes after it, with one model and with many; medians."""
    registries = {"1 model": stock.trees(), f"{bench.pace.crowd} models": stock.crowd(bench.pace.crowd)}
    figures: Figures = {name: {"seconds": [], "memory_mb": []} for name in registries}
    for number in range(bench.pace.rounds):
        for name, registry in registries.items():
            bench.say(f"round {number + 1} of {bench.pace.rounds}: cold start, {name}")
            begun = time.perf_counter()
            with Scoreline(registry).running(bench.folder) as server:
                figures[name]["seconds"].append(time.perf_counter() - begun)
                figures[name]["memory_mb"].append(server.program.memory_megabytes())
    return {name: {key: median(values) for key, values in seen.items()} for name, seen in figures.items()}
