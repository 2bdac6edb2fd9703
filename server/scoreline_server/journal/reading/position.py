"""Where a reader is in a file that grows, and that may be written anew in the meantime."""

import os
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from scoreline_server.journal.format.blocks import Block, Fault, Kind, scan
from scoreline_server.journal.format.facts import FileFacts


class FilePosition:
    """The place after the last block that was read.

    A file that was written anew to forget rows has as many blocks as before, so reading goes on at the same number. One
    that retention has written without inputs has nothing new.
    """

    def __init__(self) -> None:
        self._at = self._passed = self._slim_until = 0
        self._inode: int | None = None

    def news(self, file: BinaryIO) -> Iterator[Block | Fault]:
        """The blocks and faults after the place, which follows them. A torn end is yielded each time."""
        if not self._is_same(file):
            return
        for found in scan(file, self._at):
            yield found
            if isinstance(found, Fault) and found.is_torn:
                return
            self._at = found.end
            self._passed += 1

    def _is_same(self, file: BinaryIO) -> bool:
        """Whether the file has the blocks that it had, after the place is found in it."""
        inode = os.fstat(file.fileno()).st_ino
        if inode == self._inode:
            return True
        slim_until = _slim_until(file)
        if self._inode is None:
            self._slim_until = slim_until
        elif slim_until != self._slim_until:
            return False
        self._inode = inode
        self._at = max((found.end for found in islice(scan(file), self._passed)), default=0)
        return True


def _slim_until(file: BinaryIO) -> int:
    """What the head of a file says of its inputs; 0 where it has none."""
    head = next(scan(file), None)
    if isinstance(head, Block) and head.kind == Kind.FILE:
        try:
            return FileFacts.read(head.body).slim_until
        except (KeyError, TypeError, ValueError):  # damaged
            return 0
    return 0
