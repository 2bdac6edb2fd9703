"""Storage backends of a registry: a folder, memory, or any store that a plug-in opens by URI scheme."""

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
    "local_folder",
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
    scheme, separator, _ = str(uri).partition("://")
    if isinstance(uri, Path) or not separator:
        return _open_folder(uri)
    return _opener(scheme.lower(), uri)(uri)


def local_folder(uri: str | Path) -> Path | None:
    """The folder that a path or ``file:///path`` names; None where it names none, as in another kind of store."""
    if isinstance(uri, Path):
        return uri
    if "://" not in uri:
        return Path(uri) if uri else None
    parts = urlsplit(uri)
    is_local = parts.scheme == "file" and parts.netloc in ("", "localhost")
    return Path(unquote(parts.path)) if is_local and parts.path else None


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


def _open_folder(uri: str | Path) -> Storage:
    folder = local_folder(uri)
    if folder is None:
        raise StorageError(str(uri), "it names no folder: write a path or file:///path")
    return LocalStorage(folder)


def _open_memory(uri: str) -> Storage:
    name = uri.partition("://")[2]
    if not name:
        raise StorageError(uri, "write memory://name")
    with _shared_lock:
        return _shared.setdefault(name, MemoryStorage())


STORES: Mapping[str, Callable[[str], Storage]] = MappingProxyType({"file": _open_folder, "memory": _open_memory})
