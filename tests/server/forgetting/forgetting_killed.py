"""Forgets an entity in a process that is killed at its n-th call of a C function, for every so many n; a script.

Prints one JSON object per kill: what readers find after it, and once another process has gone on.
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType

import structlog

from scoreline_server.forgetting.folder import forget_pending
from scoreline_server.forgetting.requests import ask
from scoreline_server.journal.format.blocks import Fault
from scoreline_server.journal.reading.reader import journal_files, read_records, read_shadows
from scoreline_server.outcomes.follower import OutcomeFollower
from scoreline_server.outcomes.reader import outcome_files

_STRIDE = 101


def main(whole: Path, work: Path, entity: str) -> None:
    """Kills the forgetting in a copy of a folder at one call after the other until it is done before that."""
    calls = 1
    while True:
        calls += _STRIDE
        folder = work / str(calls)
        shutil.copytree(whole, folder)
        child = os.fork()
        if not child:
            _forget_and_die(folder, entity, calls)
        _, status = os.waitpid(child, 0)
        print(json.dumps({**_found(folder, entity), "killed": os.WIFSIGNALED(status)}), flush=True)
        shutil.rmtree(folder)
        if not os.WIFSIGNALED(status):
            return


def _forget_and_die(folder: Path, entity: str, calls: int) -> None:
    left = calls

    def kill(_frame: FrameType, event: str, _function: object) -> None:
        nonlocal left
        left -= event == "c_call"
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(kill)
    ask(folder, entity)
    forget_pending(folder, settling_seconds=0)
    sys.setprofile(None)
    os._exit(0)


def _found(folder: Path, entity: str) -> dict[str, object]:
    faults: list[Fault] = []
    found: dict[str, object] = {"rows": _ids(folder, faults)}
    ask(folder, entity)
    forget_pending(folder, settling_seconds=0)
    outcomes = OutcomeFollower([folder], None).newest(10_000)
    kept = {*journal_files([folder]), *outcome_files([folder])}
    return {
        **found,
        "after": _ids(folder, faults),
        "faults": len(faults),
        "outcomes": [row["prediction_id"] for row in outcomes],
        "shadows": [id_ for scores in read_shadows([folder]) for id_ in scores.prediction_ids],
        "named": any(entity.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file()),
        "left": [path.name for path in folder.iterdir() if path not in kept],
    }


def _ids(folder: Path, faults: list[Fault]) -> list[str]:
    blocks = read_records([folder], on_fault=lambda _, fault: faults.append(fault))
    return [id_ for records in blocks for id_ in records.columns["prediction_id"]]


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
