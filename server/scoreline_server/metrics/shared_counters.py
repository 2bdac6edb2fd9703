"""Counters in shared memory: written by one worker, read by its supervisor, and still readable after the worker exits.

An increment is one store into mapped memory, without a system call. A second file names the children, one JSON line
each in the order of their numbers, written before the first number is.
"""

import json
import mmap
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from scoreline_server.metrics.definitions import METRIC_FAMILIES, MetricFamily

Child: TypeAlias = tuple[str, tuple[str, ...]]
Counts: TypeAlias = Mapping[Child, Sequence[float]]
"""The numbers of each child, by family and label values."""

_NUMBER_BYTES = 8
# Mapped, not used: memory is allocated by the page, at its first write.
_CAPACITY = 1 << 20


class SharedCounters:
    """The counters of one process; ``folder`` is where its supervisor reads them, None for private memory.

    Callers allocate a child and then write ``values[first + offset] += n``, under a lock of their own.
    """

    def __init__(self, folder: Path | None = None) -> None:
        if folder is None:
            self._map = mmap.mmap(-1, _CAPACITY * _NUMBER_BYTES)
            self._names = -1
        else:
            self._map = _mapped(folder / _numbers(os.getpid()))
            self._names = os.open(folder / _names(os.getpid()), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.values = memoryview(self._map).cast("d")
        self._children: list[Child] = []
        self._used = 0

    def allocate(self, family: MetricFamily, labels: tuple[str, ...]) -> int:
        """The index of a new child's first number. Raises MemoryError after a million numbers."""
        first = self._used
        if first + family.size > _CAPACITY:
            raise MemoryError(f"more than {_CAPACITY} counters: no room for {family.name} {labels}")
        self._used += family.size
        self._children.append((family.name, labels))
        if self._names >= 0:
            os.write(self._names, json.dumps([family.name, *labels]).encode() + b"\n")
        return first

    def counts(self) -> Counts:
        """The present values of all children."""
        return _laid_out(self._children, self.values)


def read_counts(folder: Path, pid: int) -> Counts:
    """The counters that a process keeps in a folder; empty before its first one."""
    try:
        names = (folder / _names(pid)).read_bytes()
        numbers = (folder / _numbers(pid)).open("rb")
    except FileNotFoundError:
        return {}
    # An incomplete line is being written: its numbers are all zero.
    lines = [json.loads(line) for line in names.split(b"\n")[:-1]]
    children = [(name, tuple(labels)) for name, *labels in lines]
    used = sum(METRIC_FAMILIES[name].size for name, _ in children) * _NUMBER_BYTES
    with numbers:
        return _laid_out(children, memoryview(numbers.read(used)).cast("d"))


def remove_counts(folder: Path, pid: int) -> None:
    """Removes the files of an exited process."""
    for name in (_names(pid), _numbers(pid)):
        (folder / name).unlink(missing_ok=True)


def _laid_out(children: Sequence[Child], values: "memoryview[float]") -> Counts:
    counts, first = {}, 0
    for child in children:
        size = METRIC_FAMILIES[child[0]].size
        counts[child] = values[first : first + size].tolist()
        first += size
    return counts


def _mapped(path: Path) -> mmap.mmap:
    with path.open("w+b") as file:
        file.truncate(_CAPACITY * _NUMBER_BYTES)
        return mmap.mmap(file.fileno(), 0)


def _names(pid: int) -> str:
    return f"counts-{pid}.names"


def _numbers(pid: int) -> str:
    return f"counts-{pid}.numbers"
