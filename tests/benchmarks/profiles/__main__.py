"""``make bench-profiles``: events and features of live profiles, in both stores, beside Feast's online store.

Figures of time wander with the machine's other work; CPU time is bent least. docs/explanation/performance.md says how
to read the tables.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from scoreline_server.profile_stores.opening import open_store
from tests.benchmarks.pace import Figures
from tests.benchmarks.processes import Program
from tests.benchmarks.profiles.feast import feast
from tests.benchmarks.profiles.plain import plain
from tests.benchmarks.profiles.recording import read_alone, recorded_by, recorded_here
from tests.benchmarks.profiles.scoring import RATE, Beside, scored
from tests.benchmarks.profiles.stores import PLACES, Place
from tests.benchmarks.profiles.workload import Workload, prepare
from tests.benchmarks.serving import StartError, started


def main() -> None:
    """Measures and prints."""
    arguments = _arguments()
    progress = Console(stderr=True)
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        run = Run(arguments, Path(folder), progress)
        figures = {name: run.store(name) for name in arguments.store or PLACES}
        beside = {} if arguments.no_feast else {f"Feast, {name}": run.feast(name) for name in figures}
        progress.log("routes without profiles")
        cost = plain(Path(folder))
    if arguments.json:
        arguments.json.write_text(json.dumps({"stores": figures, "feast": beside, "plain": cost}, indent=2) + "\n")
    size = f"{arguments.events:,} events, {arguments.entities:,} entities"
    _show(f"Scoreline, {size}, {arguments.beside:,} events/s beside Score", figures)
    if beside:
        _show(f"Feast, {min(arguments.events, arguments.feast_events):,} rows of the same features", beside)
    _show("routes without profiles", {"": cost})


class Run:
    """One run of the benchmark."""

    def __init__(self, arguments: argparse.Namespace, folder: Path, progress: Console) -> None:
        self._arguments, self._folder, self._progress = arguments, folder, progress
        self._workload = Workload(arguments.events, arguments.entities)
        self._registry = prepare(folder / "registry")

    def store(self, name: str) -> Figures:
        """All figures of one store."""
        self._progress.log(f"{name}: in process")
        with PLACES[name](self._folder) as place:
            figures = self._in_process(place)
        for workers in (1, 2):
            title = f"{workers} worker{'s' if workers > 1 else ''}"
            self._progress.log(f"{name}: {title}")
            with PLACES[name](self._folder) as place, self._served(place, workers) as (address, server):
                recorded = recorded_by(address, server, self._workload)
                scores = self._scored(address, server)
            figures |= {f"RecordEvents, {title}: {what}": each for what, each in recorded.items()}
            figures |= {f"Score at {RATE}/s, {title}: {what}": each for what, each in scores.items()}
        return figures

    def feast(self, name: str) -> Figures:
        """Figures of Feast in a store of that kind; none where it is not installed."""
        self._progress.log(f"Feast: {name}")
        workload = Workload(min(self._arguments.events, self._arguments.feast_events), self._arguments.entities)
        try:
            with PLACES[name](self._folder) as place:
                return feast(place, workload, self._folder)
        except StartError as error:
            self._progress.log(f"left out: {error}")
            return {}

    def _in_process(self, place: Place) -> Figures:
        store = open_store(place.url, None)
        assert store is not None
        with closing(store):
            figures = recorded_here(store, self._workload)
            stats = store.stats("spending")
            figures["bytes per entity"] = place.size() / stats.entities
            figures["of which ids, states, events"] = stats.bytes / stats.entities
            return figures | read_alone(store, self._workload)

    def _scored(self, address: str, server: Program) -> Figures:
        beside = Beside(self._arguments.beside, self._arguments.entities)
        seconds = self._arguments.seconds
        return scored(address, server, self._workload, beside, seconds=seconds, folder=self._folder)

    @contextmanager
    def _served(self, place: Place, workers: int) -> Iterator[tuple[str, Program]]:
        env = {"SCORELINE_PROFILE_STORE": place.url, "SCORELINE_JOURNAL_DIR": str(self._folder / "journal")}
        log = self._folder / "scoreline.log"
        with started(self._registry, log, workers=workers, env=env) as (address, server, _):
            yield address, server


def _show(title: str, figures: Mapping[str, Figures]) -> None:
    table = Table("what", *figures, title=title)
    for name in dict.fromkeys(name for each in figures.values() for name in each):
        table.add_row(name, *(_number(each.get(name)) for each in figures.values()))
    Console(width=None if Console().is_terminal else 110).print(table)


def _number(figure: float | None) -> str:
    if figure is None:
        return "-"
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.profiles", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument("--beside", type=int, default=2_000, help="events per second that are recorded beside Score")
    parser.add_argument("--seconds", type=float, default=20, help=f"how long Score is called, {RATE} times a second")
    parser.add_argument("--feast-events", type=int, default=200_000, help="rows that are pushed to Feast at most")
    parser.add_argument("--no-feast", action="store_true", help="Scoreline alone")
    parser.add_argument("--store", action="append", choices=list(PLACES), help="one store alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
