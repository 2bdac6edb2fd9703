"""The byte layout of ScoreResponse for packed calls of one row.

Most calls carry one row, and building their ScoreResponse as a message costs more than scoring them. Nearly all of its
bytes are known when a route is adopted, so they are prepared then. The field numbers are those of the generated code,
and a property test compares the bytes with the generated message in every field.
"""

from collections.abc import Iterable

from google.protobuf.message import Message

from scoreline.v1 import scoring_pb2 as pb

CALL_ID_BYTES = 12

_VARINT, _LENGTH_DELIMITED = 0, 2
_RESPONSE = {field.name: field.number for field in pb.ScoreResponse.DESCRIPTOR.fields}
_PACKED = {field.name: field.number for field in pb.PackedScores.DESCRIPTOR.fields}


def varint(number: int) -> bytes:
    """A non-negative number, base 128, least significant group first."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def length_delimited(number: int, data: bytes) -> bytes:
    """A field of bytes, text or a message."""
    return _prefix(number, len(data)) + data


def _tag(number: int) -> bytes:
    return varint(number << 3 | _LENGTH_DELIMITED)


def _prefix(number: int, size: int) -> bytes:
    """What precedes the ``size`` bytes of a field's content."""
    return _tag(number) + varint(size)


def _integer(number: int, value: int) -> bytes:
    """A field of a non-negative integer; nothing for 0, the default."""
    return varint(number << 3 | _VARINT) + varint(value) if value else b""


class RowEncoder:
    """Encodes one-row responses of one arm of a route."""

    __slots__ = ("_after", "_before", "_bytes", "_head")

    def __init__(self, served: Message, revision: int) -> None:
        """``served`` is the arm's ServedArm."""
        arm = length_delimited(_PACKED["served"], served.SerializeToString()) + length_delimited(
            _PACKED["served_index"], b"\0\0"
        )
        self._before = arm + _REASONS
        self._after = _integer(_RESPONSE["revision"], revision) + _CALL_ID
        self._bytes = len(_SCORES) + 4 + len(self._before) + 1
        self._head = self._start(b"")

    def encode(self, score: bytes, reason: bytes, call_id: bytes, optional: bytes = b"") -> bytes:
        """The ScoreResponse of one row.

        Args:
            score: float32, 4 bytes.
            reason: uint8, 1 byte.
            call_id: CALL_ID_BYTES.
            optional: further fields of PackedScores, as the functions below encode them, in their order.
        """
        head = self._start(optional) if optional else self._head
        return b"".join((head, score, self._before, reason, optional, self._after, call_id))

    def _start(self, optional: bytes) -> bytes:
        """The bytes before the score; they hold the length of the whole PackedScores."""
        return _PACKED_TAG + varint(self._bytes + len(optional)) + _SCORES


def bands(names: Iterable[str]) -> bytes:
    """PackedScores.bands."""
    return b"".join([length_delimited(_PACKED["bands"], name.encode()) for name in names])


def band_index(index: bytes) -> bytes:
    """PackedScores.band_index of one row, uint16."""
    return _BAND_INDEX + index


def points(number: bytes) -> bytes:
    """PackedScores.points of one row, float64."""
    return _POINTS + number


def quality(counts: bytes) -> bytes:
    """PackedScores.quality of one row, uint16 [4]."""
    return _QUALITY + counts


def profile_states(state: bytes) -> bytes:
    """PackedScores.profile_states of one row, uint8."""
    return _PROFILE_STATES + state


_PACKED_TAG = _tag(_RESPONSE["packed"])
_CALL_ID = _prefix(_RESPONSE["call_id"], CALL_ID_BYTES)
_SCORES = _prefix(_PACKED["scores"], 4)
_REASONS = _prefix(_PACKED["reasons"], 1)
_BAND_INDEX = _prefix(_PACKED["band_index"], 2)
_POINTS = _prefix(_PACKED["points"], 8)
_QUALITY = _prefix(_PACKED["quality"], 8)
_PROFILE_STATES = _prefix(_PACKED["profile_states"], 1)
