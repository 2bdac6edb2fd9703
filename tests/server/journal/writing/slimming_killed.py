"""Slims a journal file in a process that is killed at its n-th call of a C function, for every third n; a script.

Prints one JSON object per kill: what readers find after it.
"""

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from scoreline_server.journal.reading.reader import journal_files, read_records
from scoreline_server.journal.writing.rewriting import sweep
from scoreline_server.journal.writing.slimming import slim

_STRIDE = 3


def main(whole: Path, folder: Path) -> None:
    """Kills the slimming of a copy of a file at one call after the other until it is done before that."""
    path = folder / whole.name
    calls = 1
    while True:
        calls += _STRIDE
        shutil.copy2(whole, path)
        child = os.fork()
        if not child:
            _slim_and_die(path, calls)
        _, status = os.waitpid(child, 0)
        found = _found(folder)
        sweep(folder)
        left = [each.name for each in folder.iterdir() if each not in journal_files([folder])]
        print(json.dumps({**found, "killed": os.WIFSIGNALED(status), "left": left}), flush=True)
        if not os.WIFSIGNALED(status):
            return


def _slim_and_die(path: Path, calls: int) -> None:
    left = calls

    def kill(_frame: FrameType, event: str, _function: object) -> None:
        nonlocal left
        left -= event == "c_call"
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(kill)
    slim(path, time.time())
    sys.setprofile(None)
    os._exit(0)


def _found(folder: Path) -> dict[str, object]:
    blocks = list(read_records([folder]))
    ids = [id_ for records in blocks for id_ in records.prediction_ids]
    return {"ids": ids, "inputs": sorted({records.arrays.has_inputs for records in blocks})}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
