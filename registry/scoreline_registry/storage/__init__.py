"""Where a registry's files are: a folder, memory, or any store that a plug-in brings by URI scheme."""

import threading
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

from scoreline_registry.errors import StorageError
from scoreline_registry.storage.frozen import FrozenStorage
from scoreline_registry.storage.local import LocalStorage
from scoreline_registry.storage.memory import MemoryStorage
from scoreline_registry.storage.protocol import Storage, StoredFile, Tidied, check_key
from scoreline_registry.storage.writing import put_same

__all__ = [
    "STORES",
    "FrozenStorage",
    "LocalStorage",
    "MemoryStorage",
    "Storage",
    "StoredFile",
    "Tidied",
    "check_key",
    "open_storage",
    "put_same",
]

ENTRY_POINTS = "scoreline.storage"

_shared_lock = threading.Lock()
_shared: dict[str, MemoryStorage] = {}


def open_storage(uri: str | Path) -> Storage:
    """Opens the store at a path, ``file:///path``, ``memory://name`` or a plug-in's scheme; nothing is written.

    A plug-in is an entry point of the group ``scoreline.storage``, named as the scheme, that takes the URI and returns
    a Storage. Raises StorageError when nothing handles the scheme.
    """
    if isinstance(uri, Path):
        return LocalStorage(uri)
    scheme, separator, _ = uri.partition("://")
    if not separator:
        return _open_path(uri)
    return _opener(scheme.lower(), uri)(uri)


def _opener(scheme: str, uri: str) -> Callable[[str], Storage]:
    if scheme in STORES:
        return STORES[scheme]
    for point in entry_points(group=ENTRY_POINTS, name=scheme):
        opener: Callable[[str], Storage] = point.load()
        return opener
    raise StorageError(
        uri,
        f"nothing installed opens {scheme}:// addresses; install a package that offers {scheme!r} "
        f"in the entry-point group {ENTRY_POINTS!r}",
    )


def _open_path(path: str) -> Storage:
    if not path:
        raise StorageError(path, "the registry's address is empty")
    return LocalStorage(Path(path))


def _open_file(uri: str) -> Storage:
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        raise StorageError(uri, "a file address names no host: write file:///path")
    return _open_path(unquote(parts.path))


def _open_memory(uri: str) -> Storage:
    name = uri.partition("://")[2]
    if not name:
        raise StorageError(uri, "write memory://name")
    with _shared_lock:
        return _shared.setdefault(name, MemoryStorage())


STORES: Mapping[str, Callable[[str], Storage]] = MappingProxyType({"file": _open_file, "memory": _open_memory})
