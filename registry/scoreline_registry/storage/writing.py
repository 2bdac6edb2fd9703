"""Writes to a store whose response may be wrong: the file is read back to decide."""

from scoreline_registry.errors import MissingKeyError, StorageError
from scoreline_registry.storage.protocol import Storage


def put_same(storage: Storage, key: str, data: bytes) -> bool:
    """Writes ``data`` unless the key is taken; True when the key then holds exactly ``data``.

    A store may write and still report a failure or a taken key: a lost response, a request sent twice.
    Raises StorageError when the store failed and the bytes are not there.
    """
    try:
        if storage.put_if_absent(key, data):
            return True
    except StorageError:
        if not _holds(storage, key, data):
            raise
        return True
    return _holds(storage, key, data)


def _holds(storage: Storage, key: str, data: bytes) -> bool:
    try:
        return storage.read(key) == data
    except MissingKeyError:
        return False
