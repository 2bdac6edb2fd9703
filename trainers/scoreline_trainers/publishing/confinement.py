"""Runs a module in a child process that may take only so much memory and time.

A graph of a few bytes can ask for terabytes, run for ever, or crash the runtime. The child process ends then, and the
publisher gets the reason.
"""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_KEPT = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_ERRORS = "stderr"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of checking one model.

    Attributes:
        file_bytes: the largest file that is read at all.
        memory_bytes: address space of the child process.
        seconds: from its start to its end.
    """

    file_bytes: int = 512 * 2**20
    memory_bytes: int = 4 * 2**30
    seconds: float = 60.0


class ConfinedError(Exception):
    """The child process was killed or failed; the text says why."""


def run_confined(module: str, folder: Path, *, limits: Limits) -> None:
    """Runs ``python -m module FOLDER`` to its end, with a minimal environment.

    Args:
        module: calls ``confine`` before it touches anything that it does not trust.
        folder: holds its input files and receives its output files.
        limits: of this child.

    Raises:
        ConfinedError: it took too long, died, or failed.
    """
    words = [sys.executable, "-m", module, str(folder), str(limits.memory_bytes), str(int(limits.seconds) + 5)]
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment = {**kept, **_ONE_THREAD, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with (folder / _ERRORS).open("wb") as errors:
        child = subprocess.Popen(  # noqa: S603  our own interpreter and module, and no shell
            words, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors
        )
    try:
        code = child.wait(limits.seconds)
    except subprocess.TimeoutExpired as error:
        raise ConfinedError(_timed_out(limits.seconds)) from error
    finally:
        child.kill()
        child.wait()
    if code:
        raise ConfinedError(_ending(code, folder / _ERRORS))


def confine(arguments: Sequence[str]) -> Path:
    """Limits the child process as ``run_confined`` asked; called before anything else. Returns the folder."""
    folder, memory_bytes, seconds = arguments
    _limit(resource.RLIMIT_AS, int(memory_bytes))
    _limit(resource.RLIMIT_CPU, int(seconds))
    _limit(resource.RLIMIT_CORE, 0)
    return Path(folder)


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def _timed_out(seconds: float) -> str:
    return (
        f"the check did not end within {seconds:g} s; a large graph, one with deeply nested functions and one that "
        "never ends look alike from outside: if you trust this file, allow more with --max-seconds"
    )


def _ending(code: int, errors: Path) -> str:
    if code < 0:
        return f"checking it ended with {signal.Signals(-code).name}: ONNX Runtime does not survive this graph"
    text = ""
    with suppress(OSError), errors.open("rb") as file:
        file.seek(max(errors.stat().st_size - 2000, 0))
        lines = file.read().decode(errors="replace").strip().splitlines()
        text = lines[-1] if lines else ""
    return f"checking it failed: {text[:300] or f'exit code {code}'}"
