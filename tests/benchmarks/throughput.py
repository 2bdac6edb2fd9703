"""One-row calls as fast as they go: against the others, by family, by setting, and among many models."""

from collections.abc import Mapping
from contextlib import ExitStack

from tests.benchmarks.load import LoadError, load
from tests.benchmarks.pace import Bench, Figures, compare
from tests.benchmarks.rivals import peers
from tests.benchmarks.serving import Running, Scoreline, StartError
from tests.benchmarks.trained import FAMILIES, Stock

OURS = "Scoreline"


def against_others(stock: Stock, bench: Bench) -> Figures:
    """Scoreline and every other server that can run here, with the same trees."""
    skipped: dict[str, str] = {}
    with ExitStack() as stack:
        servers = {OURS: stack.enter_context(Scoreline(stock.trees()).running(bench.folder))}
        for name, peer in peers().items():
            bench.say(f"starting {name}")
            try:
                with ExitStack() as attempt:
                    servers[name] = attempt.enter_context(peer.running(bench.folder, stock.model_file()))
                    load(servers[name].target, in_flight=8, seconds=0.5)
                    stack.push(attempt.pop_all())
            except (StartError, LoadError) as error:
                servers.pop(name, None)
                skipped[name] = str(error)
        servers_figures = compare(servers, bench, skipped)
        memory = {name: round(server.program.memory_megabytes()) for name, server in servers.items()}
    return {"servers": servers_figures, "memory_mb": memory, "skipped": skipped}


def by_family(stock: Stock, bench: Bench) -> Figures:
    """One server, three families."""
    registry = stock.families()
    with ExitStack() as stack:
        servers = {
            family: stack.enter_context(Scoreline(registry, route=family).running(bench.folder)) for family in FAMILIES
        }
        return compare(servers, bench)


def by_setting(stock: Stock, bench: Bench) -> Figures:
    """The defaults, and one thing changed at a time."""
    trees = stock.trees()
    bench.say(f"making {bench.pace.crowd} models")
    kinds: Mapping[str, Scoreline] = {
        "defaults": Scoreline(trees),
        "journal off": Scoreline(trees, settings=(("journal_dir", "off"),)),
        "hot lane off": Scoreline(trees, settings=(("hot_lane", "false"),)),
        "2 workers": Scoreline(trees, workers=2),
        f"{bench.pace.crowd} models": Scoreline(stock.crowd(bench.pace.crowd)),
    }
    if shadowed := stock.shadowed():
        kinds = {**kinds, "100 % shadow": Scoreline(shadowed)}
    with ExitStack() as stack:
        servers: dict[str, Running] = {}
        for name, kind in kinds.items():
            bench.say(f"starting: {name}")
            servers[name] = stack.enter_context(kind.running(bench.folder))
        return compare(servers, bench)
