"""A store in this process's memory, for tests and trials."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from scoreline_registry.errors import MissingKeyError
from scoreline_registry.storage.protocol import StoredFile, check_key


def _now() -> datetime:
    return datetime.now(UTC)


class MemoryStorage:
    """Files in a dictionary; ``clock`` stamps them."""

    def __init__(self, *, clock: Callable[[], datetime] = _now) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._files: dict[str, tuple[bytes, datetime]] = {}

    def __str__(self) -> str:
        return "memory"

    def read(self, key: str) -> bytes:
        try:
            return self._files[check_key(key)][0]
        except KeyError as error:
            raise MissingKeyError(key) from error

    def put_if_absent(self, key: str, data: bytes) -> bool:
        check_key(key)
        with self._lock:
            if key in self._files:
                return False
            self._files[key] = (bytes(data), self._clock())
            return True

    def list(self, prefix: str, *, after: str = "") -> Iterator[StoredFile]:
        with self._lock:
            files = sorted(self._files.items())
        for key, (data, modified_at) in files:
            if key.startswith(prefix) and key > after:
                yield StoredFile(key, len(data), modified_at)

    def delete(self, key: str) -> None:
        with self._lock:
            self._files.pop(check_key(key), None)
