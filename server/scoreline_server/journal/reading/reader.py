"""Reads journals: whole folders once, or a file again and again while it grows."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from scoreline_server.journal.format.blocks import Block, Fault, Kind
from scoreline_server.journal.format.facts import SUFFIX, FileFacts, RouteFacts
from scoreline_server.journal.format.shadowed import ShadowScores
from scoreline_server.journal.reading.position import FilePosition
from scoreline_server.journal.reading.records import Records

OnFault = Callable[[Path, Fault], None]


def ignore(_path: Path, _fault: Fault) -> None:
    """Passes over what cannot be read."""


def journal_files(folders: Iterable[Path], suffix: str = SUFFIX) -> list[Path]:
    """The journal files of some folders, the oldest first. A file may be given in place of a folder."""
    files = {file for given in folders for file in ([given] if given.is_file() else given.glob(f"*{suffix}"))}
    return sorted(files, key=lambda file: (file.name.partition("-")[2], file))


class FileReader:
    """Reads one file, and at each further read what was appended since."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._position = FilePosition()
        self._file: FileFacts | None = None
        self._routes: dict[int, RouteFacts] = {}

    def read(self) -> Iterator[Records | ShadowScores | Fault]:
        """The new blocks and faults. A torn end is yielded each time, until it is whole. Raises OSError.

        There is nothing new once retention has written the file anew, without inputs.
        """
        with self.path.open("rb") as file:
            for found in self._position.news(file):
                if isinstance(found, Fault):
                    yield found
                elif (content := self._content(found)) is not None:
                    yield content

    def _content(self, block: Block) -> Records | ShadowScores | Fault | None:
        """The rows of a block; None for a block that describes the file or a route."""
        try:
            if block.kind == Kind.FILE:
                self._file = FileFacts.read(block.body)
            elif block.kind == Kind.ROUTE:
                facts = RouteFacts.read(block.body)
                self._routes[facts.key] = facts
            elif block.kind == Kind.SHADOWS:
                return ShadowScores.read(block.body)
            elif block.kind == Kind.ROWS:
                if self._file is None:
                    return Fault(block.start, block.end, "the head of the file is not there")
                return Records.read(block.body, self._file, self._routes)
        except (KeyError, TypeError, ValueError) as error:
            return Fault(block.start, block.end, f"the block is sound but cannot be understood: {error!r}")
        return None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows are wanted.

    Attributes:
        route: of one route only; None for all.
        since, until: scored at or after, and before; ns since 1970.
        drop_retries: of calls to one route that have a request id in common, the first that is read.
    """

    route: str | None = None
    since: int | None = None
    until: int | None = None
    drop_retries: bool = False


def read_records(
    folders: Iterable[Path], selection: Selection = Selection(), *, on_fault: OnFault = ignore
) -> Iterator[Records]:
    """The rows of some folders, file by file; ``on_fault`` is called for everything that cannot be read."""
    seen: dict[tuple[str, str], str] = {}
    for found in _read(folders, on_fault):
        if isinstance(found, Records) and (kept := _selected(found, selection, seen)) is not None:
            yield kept


def read_shadows(
    folders: Iterable[Path], selection: Selection = Selection(), *, on_fault: OnFault = ignore
) -> Iterator[ShadowScores]:
    """The scores of shadows. ``drop_retries`` has no effect: each retry that was scored has its own prediction id."""
    for found in _read(folders, on_fault):
        if isinstance(found, ShadowScores) and selection.route in (None, found.route):
            late_enough = selection.since is None or found.nanoseconds >= selection.since
            if late_enough and (selection.until is None or found.nanoseconds < selection.until):
                yield found


def _read(folders: Iterable[Path], on_fault: OnFault) -> Iterator[Records | ShadowScores]:
    for path in journal_files(folders):
        try:
            for found in FileReader(path).read():
                if isinstance(found, Fault):
                    on_fault(path, found)
                else:
                    yield found
        except FileNotFoundError:  # it was old and went meanwhile
            continue


def _selected(records: Records, selection: Selection, seen: dict[tuple[str, str], str]) -> Records | None:
    """The wanted rows of a block, None where there are none. ``seen`` has the call that answered each request."""
    if selection.route not in (None, records.route.route):
        return None
    kept = np.ones(records.arrays.height, bool) if records.kept is None else records.kept.copy()
    if selection.since is not None:
        kept &= records.times >= selection.since
    if selection.until is not None:
        kept &= records.times < selection.until
    if selection.drop_retries:
        calls = [id_.partition("-")[0] for id_ in records.prediction_ids]
        for row, (key, call) in enumerate(zip(records.call_keys, calls, strict=True)):
            kept[row] &= not key[1] or seen.setdefault(key, call) == call
    if kept.all():
        return records
    return replace(records, kept=kept) if kept.any() else None
