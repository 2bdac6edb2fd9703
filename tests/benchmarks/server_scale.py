"""``python -m tests.benchmarks.server_scale``: a server of 1,000 models x 20 versions, every champion loaded.

Prints what the start, a commit and its adoption take, the memory, and by how much an adoption holds up another thread
of the serving process.
"""

import argparse
import gc
import statistics
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from scoreline_registry.documents.documents import VersionEntry, encode, sha256_hex
from scoreline_registry.documents.manifest import GOLDEN_FILE, MANIFEST_FILE, MODEL_FILE, FileDigest
from scoreline_registry.history.changes import SetAlias
from scoreline_registry.history.state import State
from scoreline_registry.registry import Registry
from scoreline_registry.routing.route_file import read_route
from scoreline_server.app import Server
from scoreline_server.loading.loader import _resident_bytes
from scoreline_server.settings import Settings
from tests.benchmarks.registry_scale import Spinner
from tests.registry.samples import Edit
from tests.server.toys import publish_linear

ADOPTIONS = 20
STORED = (1, 2)


def main() -> None:
    """Runs every measurement and prints it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--versions", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, figure in measure(Path(folder), models=arguments.models, versions=arguments.versions).items():
            print(f"{name}: {figure:,.2f}")


def measure(folder: Path, *, models: int, versions: int) -> dict[str, float]:
    """Every figure by name."""
    registry = Registry.create(folder)
    fill(registry, folder, models=models, versions=versions)
    settings = Settings(registry=str(folder), listen="127.0.0.1:0", poll_seconds=0.01, log_level="error")
    resident, began = _resident_bytes(), time.perf_counter()
    with Server(settings) as server:
        figures = {
            "start, s": time.perf_counter() - began,
            "loaded models": float(len(server.watcher.catalog.models)),
            "memory of the start, MB": (_resident_bytes() - resident) / 1e6,
        }
        gc.collect()
        moved = (f"model-{number:04d}" for number in range(models))
        times = [_moved(registry, server, next(moved)) for _ in range(ADOPTIONS)]
        # The spinning thread comes after: it slows every other one, by keeping the interpreter's lock.
        with Spinner() as spinner:
            idle = spinner.idle()
            gaps = [spinner.during(partial(_moved, registry, server, next(moved))) for _ in range(ADOPTIONS)]
    commits, adoptions = zip(*times, strict=True)
    figures["a commit, median ms"] = 1e3 * statistics.median(commits)
    figures["its adoption, poll included, median ms"] = 1e3 * statistics.median(adoptions)
    for name, seen in (("idle", idle), ("while committing and adopting", gaps)):
        figures[f"gap of another thread {name}, median ms"] = 1e3 * statistics.median(seen)
        figures[f"gap of another thread {name}, largest ms"] = 1e3 * max(seen)
    return figures


def fill(registry: Registry, folder: Path, *, models: int, versions: int) -> None:
    """Commits the models at once; the files of the versions that are served are there, all of one toy model."""
    publish_linear(registry, "seed")
    contents = {name: registry.read_file("seed", 1, name) for name in (MODEL_FILE, GOLDEN_FILE)}
    contents[MANIFEST_FILE] = encode(registry.manifest("seed", 1))
    files = {name: FileDigest(sha256=sha256_hex(data), bytes=len(data)) for name, data in contents.items()}
    now = datetime.now(UTC)
    entry = VersionEntry(files=files, published_at=now, author="bench", message="a message", claim_id="0" * 32)

    def documents(state: State) -> State:
        for number in range(models):
            entries = dict.fromkeys(range(1, versions + 1), entry)
            filled = state.model_or_new(f"model-{number:04d}").with_entries(entries)
            state = state.with_model(filled.changed(aliases={"champion": 1}))
        return state

    for number in range(models):
        for version in STORED:
            place = folder / "models" / f"model-{number:04d}" / str(version)
            place.mkdir(parents=True)
            for name, data in contents.items():
                (place / name).write_bytes(data)
    registry.commit(Edit(documents), author="bench", message="fill")
    text = "{route: credit, schema: {like: model-0000@champion}, rules: [{split: {model-0000@champion: 100}}]}"
    registry.apply_route(read_route(text, source="bench"), author="bench", message="route")


def _moved(registry: Registry, server: Server, name: str) -> tuple[float, float]:
    """Seconds of a commit that moves an alias, and from there until the server has adopted it."""
    began = time.perf_counter()
    done = registry.commit(SetAlias(name, "champion", 2), author="bench", message="")
    committed = time.perf_counter()
    while server.watcher.catalog.revision < done.revision:
        time.sleep(0.001)
    return committed - began, time.perf_counter() - committed


if __name__ == "__main__":
    main()
