"""The protocol of storage backends, and the rule for their keys."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from scoreline_registry.errors import InvalidNameError

MAX_KEY_LENGTH = 1024

# A part never starts with a dot: that rules out "." and "..", and leaves hidden names to a store's own temporary files.
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}", re.ASCII)
_KEY_RULE = "use parts of ASCII letters, digits, '_', '-' and '.' that do not start with a dot, parted by single '/'"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of a store: its size in bytes and when it was written by the STORE's clock, with a zone."""

    key: str
    bytes: int
    modified_at: datetime


class Storage(Protocol):
    """Files by key. Everything that a registry stores is written once; nothing is ever changed in place.

    Every method raises StorageError when the store fails, and then the operation may or may not have happened.
    All methods may be called from several threads at once.
    """

    def read(self, key: str) -> bytes:
        """Returns the whole file. Raises MissingKeyError."""
        ...

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Writes the file unless the key is taken: True when it was written, False when something was there.

        The file is durable and whole when this returns; no reader ever sees a part of it.
        """
        ...

    def list(self, prefix: str, *, after: str = "") -> Iterator[StoredFile]:
        """Yields the files whose key starts with ``prefix`` and is greater than ``after``, ascending by key."""
        ...

    def delete(self, key: str) -> None:
        """Removes the file; nothing happens when there is none."""
        ...


@runtime_checkable
class Tidied(Protocol):
    """A store that may hold more than its files, such as temporary files of interrupted writers."""

    def tidy(self, *, before: datetime, dry_run: bool) -> tuple[str, ...]:
        """Removes temporary files not written since ``before``; returns the names of what was, or would be, removed."""
        ...


def check_key(key: str) -> str:
    """Returns ``key`` when every store can hold it. Raises InvalidNameError."""
    if len(key) > MAX_KEY_LENGTH or not all(_PART.fullmatch(part) for part in key.split("/")):
        raise InvalidNameError("key", key, _KEY_RULE)
    return key
