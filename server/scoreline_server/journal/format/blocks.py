"""The frame around everything in a journal's file: a header with a checksum, then the body.

    magic        4 bytes   93 53 4c 4a
    format       uint8     1
    kind         uint8     see ``Kind``
    reserved     uint16    0
    length       uint32    bytes of the body
    checksum     uint32    CRC-32 of the 12 bytes before it and of the body

All numbers are little-endian. A block is written by one system call, so a killed writer leaves at most one block that
stops short. Damage is detected by the checksum, and reading continues at the next valid block.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import BinaryIO

MAGIC = b"\x93SLJ"
FORMAT = 1

_HEAD = struct.Struct("<4sBBHI")
_CHECKSUM = struct.Struct("<I")
HEADER_BYTES = _HEAD.size + _CHECKSUM.size


class Kind(IntEnum):
    """The kind of a block's content. Readers skip unknown kinds."""

    FILE = 1
    ROUTE = 2
    ROWS = 3
    SHADOWS = 4
    OUTCOMES = 5
    """In files of outcomes, see ``scoreline_server.outcomes``."""
    GONE = 6
    """Empty, in place of a block that is forgotten: the blocks after it keep their number in the file."""


@dataclass(frozen=True, slots=True)
class Block:
    """A sound block. ``start`` and ``end`` are places in the file, in bytes."""

    kind: int
    body: bytes
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Head:
    """A block whose body was not read."""

    kind: int
    start: int
    end: int

    @property
    def body(self) -> int:
        """The place where its body begins."""
        return self.start + HEADER_BYTES


@dataclass(frozen=True, slots=True)
class Fault:
    """Bytes of a file that cannot be read, and why.

    ``is_torn`` marks a block at the file's end that stops short: left by a killed or a running writer.
    """

    start: int
    end: int
    problem: str
    is_torn: bool = False


def framed(kind: Kind, body: bytes) -> bytes:
    """A body as a block."""
    head = _HEAD.pack(MAGIC, FORMAT, kind, 0, len(body))
    return b"".join((head, _CHECKSUM.pack(zlib.crc32(body, zlib.crc32(head))), body))


def scan(file: BinaryIO, start: int = 0) -> Iterator[Block | Fault]:
    """The blocks from ``start`` on, and in their place whatever is wrong; together they are the whole file."""
    end = file.seek(0, 2)
    at = start
    while at < end:
        found = _read(file, at, end)
        if isinstance(found, Fault):
            found = _bounded(file, found, end)
        yield found
        at = found.end


def heads(file: BinaryIO, start: int = 0) -> Iterator[Head]:
    """The blocks from ``start`` on without their bodies, which are not checked; what cannot be read is passed over.

    Ends before a block that stops short: a writer may still be at it.
    """
    end = file.seek(0, 2)
    at = start
    while at + HEADER_BYTES <= end:
        file.seek(at)
        magic, version, kind, _, length = _HEAD.unpack(file.read(_HEAD.size))
        if magic == MAGIC and version == FORMAT:
            head = Head(kind, at, at + HEADER_BYTES + length)
            if head.end > end:
                return
            yield head
            at = head.end
        else:
            at = _bounded(file, Fault(at, end, "no block begins here"), end).end


def _read(file: BinaryIO, at: int, end: int) -> Block | Fault:
    """The block at a place, or why there is none; a fault reaches to the end of the file."""
    file.seek(at)
    header = file.read(HEADER_BYTES)
    if not header.startswith(MAGIC[: len(header)]):
        return Fault(at, end, "no block begins here")
    if len(header) < HEADER_BYTES:
        return Fault(at, end, "the header stops short", is_torn=True)
    _, version, kind, _, length = _HEAD.unpack_from(header)
    if version != FORMAT:
        return Fault(at, end, f"format {version} is not known here, only {FORMAT}")
    if at + HEADER_BYTES + length > end:
        return Fault(at, end, f"the body stops short of its {length} bytes", is_torn=True)
    body = file.read(length)
    (checksum,) = _CHECKSUM.unpack_from(header, _HEAD.size)
    if zlib.crc32(body, zlib.crc32(header[: _HEAD.size])) != checksum:
        return Fault(at, end, "the checksum is wrong")
    return Block(kind, body, at, at + HEADER_BYTES + length)


def _bounded(file: BinaryIO, fault: Fault, end: int) -> Fault:
    """The fault up to the next sound block; with one behind it, nothing is merely torn."""
    file.seek(fault.start)
    rest = file.read(end - fault.start)
    offset = rest.find(MAGIC, 1)
    while offset >= 0:
        at = fault.start + offset
        if isinstance(_read(file, at, end), Block):
            return Fault(fault.start, at, fault.problem)
        offset = rest.find(MAGIC, offset + 1)
    return fault
