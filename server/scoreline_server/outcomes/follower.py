"""Follows outcomes that are being reported: the newest, then those reported later."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from scoreline_server.journal.format.blocks import Fault
from scoreline_server.outcomes.block import OutcomeBlock
from scoreline_server.outcomes.reader import OutcomeFileReader, outcome_files

Row: TypeAlias = dict[str, Any]


class OutcomeFollower:
    """Follows some folders. ``route`` None means all routes."""

    def __init__(self, folders: Iterable[Path], route: str | None) -> None:
        self._folders, self._route = tuple(folders), route
        self._readers: dict[Path, OutcomeFileReader] = {}

    def newest(self, count: int) -> list[Row]:
        """The last ``count`` outcomes so far, the oldest of them first."""
        blocks: list[OutcomeBlock] = []
        for block in self._blocks():
            blocks.append(block)
            if sum(map(len, blocks)) - len(blocks[0]) >= count:
                blocks.sort(key=lambda block: block.reported_at)
                blocks = _last(blocks, count)
        rows = [row for block in sorted(blocks, key=lambda block: block.reported_at) for row in rows_of(block)]
        return rows[max(0, len(rows) - count) :]

    def news(self) -> Iterator[Row]:
        """The outcomes that were reported since the last call."""
        for block in self._blocks():
            yield from rows_of(block)

    def _blocks(self) -> Iterator[OutcomeBlock]:
        for path in outcome_files(self._folders):
            try:
                for found in self._readers.setdefault(path, OutcomeFileReader(path)).read():
                    if not isinstance(found, Fault) and self._route in (None, found.route):
                        yield found
            except FileNotFoundError:  # retention removed it meanwhile
                continue


def _last(blocks: list[OutcomeBlock], count: int) -> list[OutcomeBlock]:
    """The last blocks that have ``count`` outcomes together, or all of them."""
    rows = 0
    for place in reversed(range(len(blocks))):
        rows += len(blocks[place])
        if rows >= count:
            return blocks[place:]
    return blocks


def rows_of(block: OutcomeBlock) -> Iterator[Row]:
    """The outcomes of a block one by one; times in ns since 1970."""
    count = len(block.call_ids)
    for row in range(len(block)):
        subject: Row
        if row < count:
            subject = {"prediction_id": f"{block.call_ids[row].tobytes().hex()}-{block.places[row]}"}
        else:
            at = row - count
            subject = {"unit": block.units[at], "since": int(block.since[at]), "until": int(block.until[at])}
        yield {
            "reported_at": block.reported_at,
            "route": block.route,
            "name": block.names[block.name_index[row]],
            "value": float(block.values[row]),
            "weight": float(block.weights[row]),
            "observed_at": int(block.observed_at[row]),
            **subject,
        }
