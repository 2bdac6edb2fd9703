"""The state of one entity, and its bytes."""

from collections.abc import Sequence
from typing import Any

import msgpack

FORMAT = 1
KEY_BYTES = 6


class StateFormatError(ValueError):
    """Bytes that are no state which this release can read; the text says why."""


class State:
    """What events have been folded into.

    Attributes:
        newest: the time of the newest event in it, in microseconds since 1970; None before the first.
        series: the state of each series of the computation, in its order; an empty list before its first event.
    """

    __slots__ = ("newest", "series")

    def __init__(self, newest: int | None, series: list[list[Any]]) -> None:
        self.newest = newest
        self.series = series


class StateCodec:
    """Encodes states as ``[format, newest, keys, series]`` in msgpack.

    ``keys`` are the digests of the series' definitions, one after another, so that a state which was written under
    another revision of the profile gives what still has the same definition. A series that it lacks starts empty, and
    one that the computation lacks is left out: it would miss the events that are folded from then on.
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = b"".join(keys)

    def empty(self) -> State:
        """The state before the first event."""
        return State(None, [[] for _ in range(len(self._keys) // KEY_BYTES)])

    def encode(self, state: State) -> bytes:
        """The bytes of a state."""
        encoded: bytes = msgpack.packb((FORMAT, state.newest, self._keys, state.series))
        return encoded

    def decode(self, encoded: bytes) -> State:
        """The state that bytes hold, of its own; no bytes are the empty one.

        Raises:
            StateFormatError: for bytes of a newer release, and for any that are damaged.
        """
        if not encoded:
            return self.empty()
        try:
            number, newest, keys, series = msgpack.unpackb(encoded, strict_map_key=False)
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            raise StateFormatError(_refusal(encoded)) from error
        if number != FORMAT:
            raise StateFormatError(_refusal(encoded))
        return State(newest, series if keys == self._keys else self._arranged(keys, series))

    def _arranged(self, keys: bytes, series: list[list[Any]]) -> list[list[Any]]:
        """Series of another revision, in this one's order."""
        known = dict(zip(_split(keys), series, strict=True))
        return [known.get(key, []) for key in _split(self._keys)]


def _split(keys: bytes) -> list[bytes]:
    return [keys[start : start + KEY_BYTES] for start in range(0, len(keys), KEY_BYTES)]


def _refusal(encoded: bytes) -> str:
    """Why bytes are refused: the number of a newer format, or that they are no state."""
    try:
        parts = msgpack.Unpacker(strict_map_key=False)
        parts.feed(encoded)
        parts.read_array_header()
        number = parts.unpack()
    except (ValueError, TypeError, msgpack.UnpackException):
        number = None
    if isinstance(number, int) and number > FORMAT:
        return f"the state has format {number}, and this release reads {FORMAT}: upgrade Scoreline to read it"
    return "the state of a profile is damaged: rebuild the profile from its log of events"
