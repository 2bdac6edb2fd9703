"""What a canary feels while versions are loaded, while a shadow scores every row, and among many models."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path

import scoreline
from tests.benchmarks.load import Target, background, load
from tests.benchmarks.models import ROUTE
from tests.benchmarks.pace import AGAIN, Bench, Figures, median
from tests.benchmarks.processes import program, wait_until_idle
from tests.benchmarks.serving import Running, Scoreline, StartError
from tests.benchmarks.trained import MODEL, NUMBERS, Stock

QUIET = "quiet"
LOADING = "a version each second"
SHADOW = "100 % shadow"

Trouble = Callable[[], AbstractContextManager[object]]


def steadiness(stock: Stock, bench: Bench) -> Figures:
    """By condition, medians over rounds of what canaries felt with a load of half the peak in the background."""
    with ExitStack() as stack:
        trees, crowd = _copy(stock.trees(), bench, "trees"), _copy(stock.crowd(bench.pace.crowd), bench, "crowd")
        one = stack.enter_context(Scoreline(trees).running(bench.folder))
        bench.say(f"starting {bench.pace.crowd} models")
        many = stack.enter_context(Scoreline(crowd).running(bench.folder))
        crowded = f"{bench.pace.crowd} models"
        conditions: dict[str, tuple[Running, Trouble]] = {
            QUIET: (one, nullcontext),
            LOADING: (one, lambda: _loading(trees, bench)),
            crowded: (many, nullcontext),
            f"{crowded}, {LOADING}": (many, lambda: _loading(crowd, bench)),
        }
        if shadowed := stock.shadowed():
            conditions[SHADOW] = (stack.enter_context(Scoreline(shadowed).running(bench.folder)), nullcontext)
        conditions[QUIET + AGAIN] = conditions[QUIET]
        peak = load(one.target, in_flight=32, seconds=bench.pace.seconds).per_second
        felt = _rounds(conditions, bench, peak / 2)
        _check_swapped(one)
        shadows = _shadow_rows(conditions[SHADOW][0]) if SHADOW in conditions else {}
    return {"background_per_second": round(peak / 2), "canary": felt, "shadow_rows": shadows}


def _rounds(conditions: Mapping[str, tuple[Running, Trouble]], bench: Bench, per_second: float) -> Figures:
    servers = {id(server): server for server, _ in conditions.values()}.values()
    for server in servers:
        wait_until_idle(server.program)
        server.program.rest()
    felt: dict[str, list[dict[str, float]]] = {name: [] for name in conditions}
    for number in range(bench.pace.rounds):
        for name, (server, trouble) in conditions.items():
            bench.say(f"round {number + 1} of {bench.pace.rounds}: canary, {name}")
            server.program.wake()
            with trouble(), background(server.target, per_second=per_second, seconds=bench.pace.canary_seconds + 30):
                felt[name].append(_canary(server.target, bench))
            server.program.rest()
    for server in servers:
        server.program.wake()
    return {
        name: {**{key: median(each[key] for each in felt) for key in felt[0]}, "worst": max(e["max"] for e in felt)}
        for name, felt in felt.items()
    }


def _canary(target: Target, bench: Bench) -> dict[str, float]:
    body = bench.folder / "canary.body"
    body.write_bytes(target.body)
    command = [sys.executable, "-m", "tests.benchmarks.canary", target.address, target.path, str(body)]
    done = subprocess.run(
        [*command, str(bench.pace.canary_seconds)], capture_output=True, text=True, check=False,
        timeout=bench.pace.canary_seconds + 60,
    )  # fmt: skip
    if done.returncode:
        raise StartError(f"the canary fell: {done.stderr[-1000:]}")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


@contextmanager
def _loading(registry: Path, bench: Bench) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.benchmarks.publishing", str(registry), MODEL]
    with program(command, log=bench.folder / "publishing.log") as publisher:
        if publisher.line() != "ready":
            raise StartError(f"nothing is published: {publisher.log.read_text()[-1000:]}")
        yield


def _copy(registry: Path, bench: Bench, name: str) -> Path:
    return Path(shutil.copytree(registry, bench.folder / name))


def _shadow_rows(server: Running) -> dict[str, float]:
    """How many rows the shadow scored and how many were dropped before they cost a caller."""
    rows = {name: server.counted(f"scoreline_shadow_{name}_total") for name in ("rows", "dropped")}
    if not rows["rows"]:
        raise StartError("the route has a shadow, and it scored nothing")
    return rows


def _check_swapped(server: Running) -> None:
    """A canary that felt nothing proves nothing unless versions were really loaded."""
    with scoreline.Client(server.target.address) as client:
        scores = [client.score(ROUTE, dict.fromkeys(NUMBERS, 0.0), entity_id=f"unit-{number}") for number in range(50)]
    if max(score.version for score in scores) == 1:
        raise StartError("versions were published and none was loaded")
