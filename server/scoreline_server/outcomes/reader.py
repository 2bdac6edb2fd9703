"""Reads the outcomes of folders: all that were reported, repeats and corrections included."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from scoreline_server.journal.format.blocks import Block, Fault, Kind
from scoreline_server.journal.reading.position import FilePosition
from scoreline_server.journal.reading.reader import OnFault, ignore, journal_files
from scoreline_server.outcomes.block import OutcomeBlock

SUFFIX = ".outcomes"


def outcome_files(folders: Iterable[Path]) -> list[Path]:
    """The outcome files of some folders, the oldest first. A file may be given in place of a folder."""
    return [file for file in journal_files(folders, SUFFIX) if file.suffix == SUFFIX]


def read_outcomes(
    folders: Iterable[Path],
    route: str | None = None,
    *,
    since: int | None = None,
    until: int | None = None,
    on_fault: OnFault = ignore,
) -> Iterator[OutcomeBlock]:
    """The outcomes of one route, or of all, that were reported in [since, until), in ns since 1970.

    File by file, and in each in the order in which they were reported. ``on_fault`` is called for everything that
    cannot be read; a torn end, of a writer that was killed or is still at it, is such a fault.
    """
    for path in outcome_files(folders):
        for block in _blocks(path, on_fault):
            if (
                route in (None, block.route)
                and (since is None or block.reported_at >= since)
                and (until is None or block.reported_at < until)
            ):
                yield block


class OutcomeFileReader:
    """Reads one file, and at each further read what was appended since."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._position = FilePosition()

    def read(self) -> Iterator[OutcomeBlock | Fault]:
        """The new blocks and faults. A torn end is yielded each time, until it is whole. Raises OSError."""
        with self.path.open("rb") as file:
            for found in self._position.news(file):
                if isinstance(found, Fault):
                    yield found
                elif found.kind == Kind.OUTCOMES:
                    yield _content(found)


def _blocks(path: Path, on_fault: OnFault) -> Iterator[OutcomeBlock]:
    try:
        for found in OutcomeFileReader(path).read():
            if isinstance(found, Fault):
                on_fault(path, found)
            else:
                yield found
    except FileNotFoundError:  # it was old and went meanwhile
        return


def _content(block: Block) -> OutcomeBlock | Fault:
    try:
        return OutcomeBlock.read(block.body)
    except (KeyError, TypeError, ValueError) as error:
        return Fault(block.start, block.end, f"the block is sound but cannot be understood: {error!r}")
