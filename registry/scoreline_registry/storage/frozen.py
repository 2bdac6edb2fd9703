"""The store of a frozen copy of a registry: read-only."""

from collections.abc import Iterator
from typing import NoReturn

from scoreline_registry.errors import RefusedError
from scoreline_registry.storage.protocol import Storage, StoredFile


class FrozenStorage:
    """Wraps a store and refuses every write."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def __str__(self) -> str:
        return str(self._storage)

    def read(self, key: str) -> bytes:
        return self._storage.read(key)

    def put_if_absent(self, key: str, data: bytes) -> NoReturn:
        """Raises RefusedError."""
        del data
        self._refuse(key)

    def list(self, prefix: str, *, after: str = "") -> Iterator[StoredFile]:
        return self._storage.list(prefix, after=after)

    def delete(self, key: str) -> NoReturn:
        """Raises RefusedError."""
        self._refuse(key)

    def _refuse(self, key: str) -> NoReturn:
        raise RefusedError(key, [f"{self._storage} is a frozen copy; change the registry it was frozen from"])
