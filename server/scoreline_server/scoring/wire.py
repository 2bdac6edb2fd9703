"""The answer to a packed call with one row, written as bytes.

Most calls carry one row. Building their ScoreResponse as a message costs more than scoring them; but all of it save a
few bytes is known when a route is adopted. A test holds these bytes against the generated code.
"""

from google.protobuf.message import Message

_VARINT, _LENGTH_DELIMITED = 0, 2


def varint(number: int) -> bytes:
    """A non-negative number, base 128, least significant group first."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def block(field: int, data: bytes) -> bytes:
    """A field of bytes, text or a message."""
    return varint(field << 3 | _LENGTH_DELIMITED) + varint(len(data)) + data


def number(field: int, value: int) -> bytes:
    """A field of a non-negative integer; nothing for 0, which is what absence means."""
    return varint(field << 3 | _VARINT) + varint(value) if value else b""


def message(field: int, value: Message) -> bytes:
    """A field of a message."""
    return block(field, value.SerializeToString())


class RowAnswer:
    """Writes one-row answers of one arm of a route.

    The fields' numbers are those of ScoreResponse (packed 2, revision 3, call_id 4) and PackedScores (scores 1,
    served 2, served_index 3, reasons 4, bands 5, band_index 6, points 7, quality 8).
    """

    __slots__ = ("_after", "_before", "_bytes", "_head")

    def __init__(self, served: Message, revision: int) -> None:
        """``served`` is the arm's ServedArm."""
        self._before = message(2, served) + block(3, b"\0\0") + _REASON
        self._after = number(3, revision) + _CALL_ID
        self._bytes = len(_SCORE) + 4 + len(self._before) + 1
        self._head = self._opened(b"")

    def encode(self, score: bytes, reason: bytes, call_id: bytes, rest: bytes = b"") -> bytes:
        """The ScoreResponse: the score as 4 bytes, the reason as 1, the call's id as 12, and further fields."""
        head = self._opened(rest) if rest else self._head
        return b"".join((head, score, self._before, reason, rest, self._after, call_id))

    def _opened(self, rest: bytes) -> bytes:
        """The beginning of an answer up to its score, which depends on how long the whole is."""
        return _PACKED + varint(self._bytes + len(rest)) + _SCORE


_SCORE = varint(1 << 3 | _LENGTH_DELIMITED) + b"\x04"
_REASON = varint(4 << 3 | _LENGTH_DELIMITED) + b"\x01"
_PACKED = varint(2 << 3 | _LENGTH_DELIMITED)
_CALL_ID = varint(4 << 3 | _LENGTH_DELIMITED) + b"\x0c"
