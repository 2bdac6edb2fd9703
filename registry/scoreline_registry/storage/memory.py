"""A store in this process's memory, for tests and trials."""

import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

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
        self._folder: Path | None = None

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

    def local_path(self, key: str) -> Path:
        """Writes the file below a temporary folder that goes when this store does."""
        data = self.read(key)
        with self._lock:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="scoreline-memory-"))
                weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            path = self._folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            # A mapped older copy stays whole: the new one takes its name, not its bytes.
            fresh = path.with_name(f".{path.name}.tmp")
            fresh.write_bytes(data)
            fresh.replace(path)
        return path
