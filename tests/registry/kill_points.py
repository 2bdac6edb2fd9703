"""Kills a writer before each of its file operations, one process per operation, and says what is left each time.

Run as a program: ``python -m tests.registry.kill_points FOLDER VERB``; prints one JSON object per kill, and one last
object for the run that needed no more operations. A process of its own, because it forks.
"""

import itertools
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from scoreline_registry.history.changes import SetAlias
from scoreline_registry.history.retirement import Retire
from scoreline_registry.history.rollback import RollbackAll
from scoreline_registry.registry import Registry
from scoreline_registry.storage import LocalStorage
from scoreline_registry.upkeep.garbage_collection import collect
from scoreline_registry.upkeep.verification import verify
from tests.registry.samples import apply, publish, spec

_OPERATIONS = {"open", "os.mkdir", "os.link", "os.remove", "os.rmdir", "os.rename", "os.scandir"}


def prepare(folder: Path) -> Registry:
    """A registry with three versions, of which the second is retired, and a route."""
    registry = Registry.create(folder)
    publish(registry, aliases=["champion"])
    publish(registry)
    publish(registry)
    apply(registry, spec())
    registry.commit(Retire("credit", 2), author="tester", message="")
    return registry


def collect_all(registry: Registry) -> None:
    """Removes every retired version and every claim, as if a month had passed."""
    collect(registry, retention=timedelta(0), author="victim")


VERBS: dict[str, Callable[[Registry], object]] = {
    "publish": lambda registry: publish(registry, aliases=["champion"], data=b"victim"),
    "alias": lambda registry: registry.commit(SetAlias("credit", "champion", 3), author="victim", message=""),
    "route": lambda registry: apply(registry, spec(holdout=5)),
    "retire": lambda registry: registry.commit(Retire("credit", 3), author="victim", message=""),
    "rollback": lambda registry: registry.commit(RollbackAll(registry.at(0)), author="victim", message=""),
    "gc": collect_all,
}


def main(root: Path, verb: str) -> None:
    """Kills the verb at its first operation, at its second, and so on until it needs no more."""
    before = prepare(root / "before").latest()
    for kill_at in itertools.count(1):
        folder = root / str(kill_at)
        shutil.copytree(root / "before", folder)
        killed = _killed(folder, VERBS[verb], kill_at)
        print(json.dumps({"kill_at": kill_at, "killed": killed, **_left(folder, before.revision)}), flush=True)
        if not killed:
            return


def _killed(folder: Path, verb: Callable[[Registry], object], kill_at: int) -> bool:
    child = os.fork()
    if child == 0:
        try:
            registry = Registry.open(folder)
            _kill_at_operation(folder, kill_at)
            verb(registry)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def _kill_at_operation(folder: Path, kill_at: int) -> None:
    left = itertools.count(kill_at - 1, -1)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _OPERATIONS and str(arguments[0]).startswith(str(folder)) and next(left) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _left(folder: Path, before: int) -> dict[str, Any]:
    """What the next process finds, and whether it can go on."""
    registry = Registry.open(folder)
    found = registry.latest()
    document = found.models["credit"]
    readable = [number for number in document.numbers if not document.entry(number).collected]
    damaged = [problem for number in readable for problem in registry.damage("credit", number)]
    report = verify(LocalStorage(folder))
    number = publish(registry, data=b"next")
    leftovers = LocalStorage(folder).tidy(before=datetime.now(UTC) + timedelta(hours=1), dry_run=True)
    return {
        "revisions_added": found.revision - before,
        "numbers": document.numbers,
        "champion": document.aliases.get("champion"),
        "findings": [str(finding) for finding in report.findings],
        "damaged": damaged,
        "next": number,
        "next_intact": not registry.damage("credit", number),
        "leftovers": len(leftovers),
        "findings_after": [str(finding) for finding in verify(LocalStorage(folder)).findings],
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
