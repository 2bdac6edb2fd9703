"""Protobuf's text format without a schema: messages as fields with their values, in the order in which they stand.

Grammar: https://protobuf.dev/reference/protobuf/textformat-spec/. protobuf's own parser cannot skip lists of messages
in fields that it does not know, which real configurations are full of; this one knows no field and skips none.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Union

MAX_DEPTH = 64

Value = Union[str, "Message"]

_TOKEN = re.compile(
    r"""(?P<space>(?:\s+|\#[^\n]*)+)
      | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<word>[-+]?[A-Za-z0-9_.+-]+)
      | (?P<sign>[{}<>\[\]:,;/])""",
    re.VERBOSE,
)
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|(.))")
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}
_CLOSING = {"{": "}", "<": ">"}


@dataclass(frozen=True, slots=True)
class Message:
    """Fields by name; each has all the values that were given for it. Scalars are text: names, numbers, strings."""

    fields: Mapping[str, list[Value]] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The last scalar of a field, as protobuf takes it, or an empty text."""
        return next((value for value in reversed(self.fields.get(name, [])) if isinstance(value, str)), "")

    def texts(self, name: str) -> list[str]:
        """Every scalar of a field."""
        return [value for value in self.fields.get(name, []) if isinstance(value, str)]

    def messages(self, name: str) -> list["Message"]:
        """Every message of a field."""
        return [value for value in self.fields.get(name, []) if isinstance(value, Message)]


def parse(text: str) -> Message:
    """Reads one message. Raises ValueError that names the line."""
    return _Reader(text).message(end="", depth=0)


class _Reader:
    """Walks over the tokens of a text."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self.kind = self.token = ""
        self._advance()

    def message(self, *, end: str, depth: int) -> Message:
        """The fields up to the sign ``end``, which stays; "" for the end of the text."""
        if depth > MAX_DEPTH:
            raise self._wrong(f"messages are nested more than {MAX_DEPTH} deep")
        fields: dict[str, list[Value]] = {}
        while self.token != end or self.kind == "string":
            name = self._name()
            fields.setdefault(name, []).extend(self._values(depth))
            if self._is_sign(",", ";"):
                self._advance()
        return Message(fields)

    def _name(self) -> str:
        """A field's name; one in brackets, of an extension, stands for itself."""
        if self._is_sign("["):
            parts = []
            while not self._is_sign("]"):
                parts.append(self._take("word", "sign"))
            return "".join((*parts, self._take("sign")))
        return self._take("word")

    def _values(self, depth: int) -> list[Value]:
        colon = self._is_sign(":")
        if colon:
            self._advance()
        if self._is_sign("["):
            return self._list(depth)
        if not colon and not self._is_sign(*_CLOSING):
            raise self._wrong("a field needs ':' or a message")
        return [self._value(depth)]

    def _list(self, depth: int) -> list[Value]:
        values: list[Value] = []
        self._advance()
        while not self._is_sign("]"):
            values.append(self._value(depth))
            if not self._is_sign("]"):
                self._expect(",")
        self._advance()
        return values

    def _value(self, depth: int) -> Value:
        if self._is_sign(*_CLOSING):
            end = _CLOSING[self._take("sign")]
            message = self.message(end=end, depth=depth + 1)
            self._expect(end)
            return message
        if self.kind != "string":
            return self._take("word")
        parts = []
        while self.kind == "string":
            parts.append(_unescaped(self._take("string")[1:-1]))
        return b"".join(parts).decode("utf-8", "replace")

    def _is_sign(self, *signs: str) -> bool:
        return self.kind == "sign" and self.token in signs

    def _expect(self, sign: str) -> None:
        if not self._is_sign(sign):
            raise self._wrong(f"{sign!r} was expected")
        self._advance()

    def _take(self, *kinds: str) -> str:
        if self.kind not in kinds:
            raise self._wrong("a name, a number or a text was expected")
        token = self.token
        self._advance()
        return token

    def _advance(self) -> None:
        self._start = self._at
        while self._at < len(self._text):
            found = _TOKEN.match(self._text, self._at)
            if found is None:
                raise self._wrong("no token starts here")
            self._start, self._at = self._at, found.end()
            if found.lastgroup != "space":
                self.kind, self.token = found.lastgroup or "", found.group()
                return
        self._start, self.kind, self.token = self._at, "end", ""

    def _wrong(self, reason: str) -> ValueError:
        line = self._text.count("\n", 0, self._start) + 1
        return ValueError(f"line {line}: {reason}")


def _unescaped(text: str) -> bytes:
    """The bytes of a quoted string; an octal or hexadecimal escape is one byte, maybe of several of a letter."""

    def plain(found: re.Match[bytes]) -> bytes:
        octal, hexadecimal, unicode, letter = found.groups()
        if letter is not None:
            return _ESCAPED.get(letter, letter)
        if unicode is not None:
            return chr(int(unicode, 16)).encode("utf-8", "replace")
        return bytes([int(octal, 8) & 0xFF if octal else int(hexadecimal, 16)])

    return _ESCAPE.sub(plain, text.encode())
