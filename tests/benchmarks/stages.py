"""Where the time of a one-row call goes on the thread that serves, by py-spy's samples of a loaded server."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType

from scoreline_registry.routing import assignment, bucketing
from scoreline_server import journal
from scoreline_server.metrics import recorder, shared_counters
from scoreline_server.rpc import admission, pipeline
from scoreline_server.scoring import binding, column_form, decoding, engine, responses, row_form, rows, wire
from scoreline_server.scoring.model import LoadedModel
from scoreline_server.transport import completion_queue, lane, lane_call
from tests.benchmarks.load import Loaded, Target, load
from tests.benchmarks.pace import Bench, Figures
from tests.benchmarks.serving import Scoreline, StartError
from tests.benchmarks.trained import Stock

HINT = "py-spy is missing: pip install py-spy"

# The stage of a sample is that of its innermost frame that is listed: by its function, its module or its package.
_BY_FUNCTION: Mapping[Callable[..., object], str] = {
    completion_queue.CallQueue.poll: "poll",
    completion_queue.send_answer: "send",
    completion_queue.send_status: "send",
    pipeline.decoded: "decode",
    pipeline.Pipeline.admit: "admit",
    pipeline.Pipeline._count: "count",
    pipeline.Pipeline._observe: "count",
    engine._assigned: "assign",
    LoadedModel.run: "run",
}
_BY_MODULE: Mapping[ModuleType, str] = {
    admission: "admit",
    assignment: "assign",
    binding: "bind",
    bucketing: "assign",
    column_form: "decode",
    completion_queue: "receive",
    decoding: "decode",
    engine: "glue",
    lane: "lane",
    lane_call: "lane",
    pipeline: "glue",
    recorder: "count",
    responses: "encode",
    row_form: "decode",
    rows: "join",
    shared_counters: "count",
    wire: "encode",
}
_BY_PACKAGE: Mapping[ModuleType, str] = {journal: "journal"}
STAGES = (
    "poll", "receive", "lane", "decode", "admit", "join", "assign", "bind", "run", "encode", "count", "journal", "send",
    "glue",
)  # fmt: skip
# "Class.method (path:line)" or "function (path:line)"; a path may lead to a checkout or an installation.
_FRAME = re.compile(r"(\S+) \((?:.*/)?(scoreline_\w+/[\w/]+)\.py(?::\d+)?\)")
_RATE = 250
_THREAD = re.compile(r"thread \((\d+)\): (.*)")
_SERVING = "hot-lane"


def stages(stock: Stock, bench: Bench) -> Figures:
    """Microseconds of the serving thread per call and stage, with 32 calls in flight and with one.

    Raises StartError without py-spy.
    """
    spy = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if spy is None:
        raise StartError(HINT)
    with Scoreline(stock.trees()).running(bench.folder) as server:
        worker = next(pid for pid in server.program.pids() if _is_worker(pid))
        figures = {}
        for in_flight in (32, 1):
            bench.say(f"sampling with {in_flight} in flight")
            figures[str(in_flight)] = _sampled(spy, worker, server.target, in_flight, bench)
    return figures


def by_stage(lines: Iterable[str]) -> tuple[Counter[str], dict[int, str]]:
    """Samples of the serving thread by stage, and every thread's name by its number, out of py-spy's raw lines."""
    serving: Counter[str] = Counter()
    threads: dict[int, str] = {}
    for line in lines:
        stack, _, count = line.rpartition(" ")
        thread, *frames = stack.split(";")
        if match := _THREAD.fullmatch(thread):
            threads[int(match[1])] = match[2]
            if match[2] == _SERVING:
                serving[stage_of(frames)] += int(count)
    return serving, threads


def _package_stage(module: str) -> str | None:
    """The stage of a package that the module stands in, at any depth."""
    return next((stage for package, stage in _PACKAGES.items() if module.startswith(f"{package}.")), None)


def stage_of(frames: Iterable[str]) -> str:
    """The stage of one stack, outermost frame first."""
    for frame in reversed(list(frames)):
        if match := _FRAME.fullmatch(frame):
            function, module = match[1].rpartition(".")[2], match[2].replace("/", ".")
            stage = _FUNCTIONS.get((function, module)) or _MODULES.get(module) or _package_stage(module)
            if stage is not None:
                return stage
    return "glue"


_FUNCTIONS = {(function.__name__, function.__module__): stage for function, stage in _BY_FUNCTION.items()}
_MODULES = {module.__name__: stage for module, stage in _BY_MODULE.items()}
_PACKAGES = {package.__name__: stage for package, stage in _BY_PACKAGE.items()}


def _sampled(spy: str, worker: int, target: Target, in_flight: int, bench: Bench) -> Figures:
    raw, seconds = bench.folder / "stacks", max(2, round(2 * bench.pace.seconds))
    command = [spy, "record", "--pid", worker, "--format", "raw", "--output", raw, "--threads", "--rate", _RATE]
    before = _processor_seconds(worker)
    with subprocess.Popen(
        [*map(str, command), "--duration", str(seconds)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        loaded = load(target, in_flight=in_flight, seconds=seconds)
        _, errors = process.communicate(timeout=seconds + 60)
    if process.returncode:
        raise StartError(f"py-spy cannot look: {errors[-500:]}")
    used = {thread: after - before.get(thread, 0.0) for thread, after in _processor_seconds(worker).items()}
    serving, threads = by_stage(raw.read_text().splitlines())
    return _figures(serving, {threads.get(thread, "core"): spent for thread, spent in used.items()}, seconds, loaded)


def _figures(serving: Counter[str], used: Mapping[str, float], seconds: float, loaded: Loaded) -> Figures:
    """Microseconds per call. A thread that waits in ``poll`` is sampled too; what it really used there is the rest."""
    calls = seconds * loaded.per_second
    spent = {stage: 1e6 * serving[stage] / _RATE / calls for stage in STAGES}
    spent["poll"] = max(0.0, 1e6 * used.get(_SERVING, 0.0) / calls - sum(spent.values()) + spent["poll"])
    others = {name: round(1e6 * each / calls, 2) for name, each in used.items() if name != _SERVING}
    return {
        "per_second": loaded.per_second,
        "microseconds": {stage: round(each, 2) for stage, each in spent.items()},
        "other_threads": others,
    }


def _processor_seconds(pid: int) -> dict[int, float]:
    """What each thread of a process has used."""
    used = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        used[int(task.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used


def _is_worker(pid: int) -> bool:
    return b"scoreline_server.processes.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
