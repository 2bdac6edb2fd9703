"""Numbers in memory that processes share: one worker writes them, its supervisor reads them, also after its death.

A count is one store into mapped memory, without a system call. Which numbers belong to which labels stands in a second
file, one JSON line per child in the order of its numbers, written before the first of them is counted.
"""

import json
import mmap
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from scoreline_server.metrics.definitions import FAMILIES, Family

Child: TypeAlias = tuple[str, tuple[str, ...]]
Counts: TypeAlias = Mapping[Child, Sequence[float]]
"""By family and label values, the numbers of each child."""

_CELL_BYTES = 8
# Mapped, not used: memory is taken by the page, when its first number is counted.
_CAPACITY = 1 << 20


class Cells:
    """The numbers of one process; ``folder`` is where its supervisor reads them, None for memory of its own.

    Only taking cells and writing them is offered, as ``values[first + offset] += n``; whoever writes holds a lock.
    """

    def __init__(self, folder: Path | None = None) -> None:
        if folder is None:
            self._map = mmap.mmap(-1, _CAPACITY * _CELL_BYTES)
            self._names = -1
        else:
            self._map = _mapped(folder / _numbers(os.getpid()))
            self._names = os.open(folder / _names(os.getpid()), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.values = memoryview(self._map).cast("d")
        self._children: list[Child] = []
        self._used = 0

    def take(self, family: Family, labels: tuple[str, ...]) -> int:
        """The index of a new child's first number. Raises MemoryError after a million numbers."""
        first = self._used
        if first + family.cells > _CAPACITY:
            raise MemoryError(f"more than {_CAPACITY} numbers are counted: {family.name} {labels} is one too many")
        self._used += family.cells
        self._children.append((family.name, labels))
        if self._names >= 0:
            os.write(self._names, json.dumps([family.name, *labels]).encode() + b"\n")
        return first

    def counts(self) -> Counts:
        """Everything that was counted so far."""
        return _laid_out(self._children, self.values)


def read_counts(folder: Path, pid: int) -> Counts:
    """What a process has counted into a folder; empty when it has not begun."""
    try:
        names = (folder / _names(pid)).read_bytes()
        numbers = (folder / _numbers(pid)).open("rb")
    except FileNotFoundError:
        return {}
    # A line that is cut off was being written: its numbers are not counted yet.
    lines = [json.loads(line) for line in names.split(b"\n")[:-1]]
    children = [(name, tuple(labels)) for name, *labels in lines]
    used = sum(FAMILIES[name].cells for name, _ in children) * _CELL_BYTES
    with numbers:
        return _laid_out(children, memoryview(numbers.read(used)).cast("d"))


def forget_counts(folder: Path, pid: int) -> None:
    """Removes a dead process's files."""
    for name in (_names(pid), _numbers(pid)):
        (folder / name).unlink(missing_ok=True)


def _laid_out(children: Sequence[Child], values: "memoryview[float]") -> Counts:
    counts, first = {}, 0
    for child in children:
        cells = FAMILIES[child[0]].cells
        counts[child] = values[first : first + cells].tolist()
        first += cells
    return counts


def _mapped(path: Path) -> mmap.mmap:
    with path.open("w+b") as file:
        file.truncate(_CAPACITY * _CELL_BYTES)
        return mmap.mmap(file.fileno(), 0)


def _names(pid: int) -> str:
    return f"counts-{pid}.names"


def _numbers(pid: int) -> str:
    return f"counts-{pid}.numbers"
