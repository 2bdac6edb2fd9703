"""``make bench``: how fast the real server is, against others on the same machine in the same run.

Absolute figures wander with the machine's other work; compare figures of one run only.
docs/explanation/performance.md says how to read the tables.
"""

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from tests.benchmarks import load
from tests.benchmarks.bars import bars
from tests.benchmarks.chart import chart
from tests.benchmarks.clients import bulk, callers
from tests.benchmarks.load import LoadError
from tests.benchmarks.overload import overload
from tests.benchmarks.pace import FULL, QUICK, Bench, Figures
from tests.benchmarks.parts import parts
from tests.benchmarks.report import show
from tests.benchmarks.serving import StartError
from tests.benchmarks.stages import stages
from tests.benchmarks.starting import starting
from tests.benchmarks.steadiness import steadiness
from tests.benchmarks.throughput import against_others, by_family, by_setting
from tests.benchmarks.trained import Stock

SECTIONS: Mapping[str, Callable[[Stock, Bench], Figures]] = {
    "others": against_others,
    "families": by_family,
    "settings": by_setting,
    "steadiness": steadiness,
    "overload": overload,
    "starting": starting,
    "callers": callers,
    "bulk": bulk,
    "stages": stages,
    "parts": lambda _, bench: parts(bench),
}


def main() -> None:
    """Measures what was asked for, prints it, and writes the files that were named."""
    arguments = _arguments()
    # Ends by an exception, so that every server that was started is ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    console = Console(width=None if Console().is_terminal else 150)
    figures = measure(arguments.only or list(SECTIONS), quick=arguments.quick)
    rows = bars(figures)
    if arguments.json:
        reached = [{**asdict(row), "verdict": row.verdict, "noisy": row.is_noisy} for row in rows]
        arguments.json.write_text(json.dumps({**figures, "bars": reached}, indent=2) + "\n")
    if arguments.svg and "others" in figures:
        title = f"One-row calls, LightGBM of 300 trees ({figures['about']['when'][:10]})"
        arguments.svg.write_text(chart(figures["others"]["servers"], title=title))
    show(console, figures, rows)


def measure(names: list[str], *, quick: bool) -> dict[str, Any]:
    """The figures of some sections by name; what could not be measured is told under ``skipped``."""
    figures: dict[str, Any] = {"about": _about(quick=quick), "skipped": []}
    progress = Console(stderr=True)
    with tempfile.TemporaryDirectory() as folder, progress.status("making models") as status:
        for name in names:
            progress.log(name)
            own = Path(folder) / name
            own.mkdir()
            bench = Bench(QUICK if quick else FULL, own, lambda text, name=name: status.update(f"{name}: {text}"))  # type: ignore[misc]
            try:
                figures[name] = SECTIONS[name](Stock(), bench)
            except (StartError, LoadError, FileNotFoundError) as error:
                figures["skipped"].append(f"{name}: {error}" if load.installed() else f"{name}: {load.HINT}")
                continue
            reasons = figures[name].get("skipped", {})
            figures["skipped"] += [f"{who}: {why}" for who, why in reasons.items()]
    figures["about"]["load_average_after"] = os.getloadavg()
    return figures


def _about(*, quick: bool) -> dict[str, Any]:
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "load_average": os.getloadavg(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("grpcio", "onnxruntime", "numpy")},
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short loads and 50 models, to see that everything runs")
    parser.add_argument("--only", metavar="NAME", action="append", choices=list(SECTIONS), help=", ".join(SECTIONS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write a chart there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
