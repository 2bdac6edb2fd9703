"""A store in a folder: needs a file system with hard links, such as any local disk or NFS."""

import errno
import os
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path

from scoreline_registry.errors import MissingKeyError, StorageError
from scoreline_registry.storage.protocol import StoredFile, check_key

_ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_IN_USE = (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST)
_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.tmp")
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.EXDEV)


class LocalStorage:
    """Files below ``root``, which is made by the first write."""

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.realpath(root))

    def __str__(self) -> str:
        return str(self._root)

    def read(self, key: str) -> bytes:
        path = self._path(key)
        try:
            return path.read_bytes()
        except _ABSENT as error:
            raise MissingKeyError(key) from error
        except OSError as error:
            raise StorageError(key, _detail(error)) from error

    def put_if_absent(self, key: str, data: bytes) -> bool:
        path = self._path(key)
        try:
            created = _put(path, data)
        except OSError as error:
            raise StorageError(key, _detail(error)) from error
        return created

    def list(self, prefix: str, *, after: str = "") -> Iterator[StoredFile]:
        folder, _, _ = prefix.rpartition("/")
        if folder:
            self._path(folder)
        yield from self._walk(folder, prefix, after)

    def delete(self, key: str) -> None:
        path = self._root / check_key(key)
        self._inside(path.parent, key)
        try:
            path.unlink()
        except _ABSENT:
            return
        except OSError as error:
            raise StorageError(key, _detail(error)) from error

    def tidy(self, *, before: datetime, dry_run: bool) -> tuple[str, ...]:
        """Removes temporary files of interrupted writers, and empty folders; see ``Tidied``."""
        gone = (path for path in _leftovers(self._root, before.timestamp()) if _remove(path, dry_run=dry_run))
        return tuple(path.relative_to(self._root).as_posix() for path in gone)

    def _path(self, key: str) -> Path:
        """The path of a key's file, links resolved."""
        return self._inside(self._root / check_key(key), key)

    def _inside(self, path: Path, key: str) -> Path:
        """The path without links; one that leads out of the root is refused."""
        real = Path(os.path.realpath(path))
        if not real.is_relative_to(self._root):
            raise StorageError(key, "a link leads out of the registry's folder")
        return real

    def _walk(self, folder: str, prefix: str, after: str) -> Iterator[StoredFile]:
        for key, entry in _entries(self._root, folder, prefix, after):
            # What this store wrote is never a link, so links are not followed here.
            if key.endswith("/"):
                yield from self._walk(key.removesuffix("/"), prefix, after)
            elif entry.is_file(follow_symlinks=False):
                yield from _stored(key, entry)


def _entries(root: Path, folder: str, prefix: str, after: str) -> list[tuple[str, os.DirEntry[str]]]:
    """The listed entries of a folder by key, ordered so that walking depth first yields ascending keys.

    The keys of folders end with "/". A folder may hold a file per commit, so the names that are not listed are left out
    before anything else is asked of them.
    """
    start = f"{folder}/" if folder else ""
    above = after.removeprefix(start) if after.startswith(start) else ""
    try:
        with os.scandir(root / folder) as scan:
            near = [entry for entry in scan if entry.name > above or above.startswith(entry.name)]
    except _ABSENT:
        return []
    except OSError as error:
        raise StorageError(folder, _detail(error)) from error
    found = [(_key(start, entry), entry) for entry in near if not entry.name.startswith(".")]
    return sorted((pair for pair in found if _listed(pair[0], prefix, after)), key=itemgetter(0))


def _key(start: str, entry: os.DirEntry[str]) -> str:
    return f"{start}{entry.name}/" if entry.is_dir(follow_symlinks=False) else start + entry.name


def _listed(key: str, prefix: str, after: str) -> bool:
    """Whether a file is listed, or a folder may hold files that are."""
    if key.endswith("/"):
        return (key.startswith(prefix) or prefix.startswith(key)) and (key > after or after.startswith(key))
    return key > after and key.startswith(prefix)


def _stored(key: str, entry: os.DirEntry[str]) -> Iterator[StoredFile]:
    try:
        facts = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # deleted since the folder was read
        return
    yield StoredFile(key, facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC))


def _put(path: Path, data: bytes, *, attempts: int = 3) -> bool:
    try:
        _make_folder(path.parent)
        created = not path.exists() and _link_new(path, data)
        if not created:
            # Another writer was first: its file must be durable before anything is built on it.
            _fsync_folder(path.parent)
    except FileNotFoundError:  # the folder was empty, and tidied away in this moment
        if attempts == 1:
            raise
        return _put(path, data, attempts=attempts - 1)
    return created


def _leftovers(root: Path, limit: float) -> Iterator[Path]:
    """Temporary files and folders older than ``limit``, what is in a folder before the folder."""
    for folder, _, names in os.walk(root, topdown=False):
        candidates = [*(Path(folder, name) for name in names if _TEMPORARY.fullmatch(name)), Path(folder)]
        yield from (path for path in candidates if path != root and _old(path, limit))


def _old(path: Path, limit: float) -> bool:
    try:
        return path.lstat().st_mtime < limit
    except FileNotFoundError:
        return False


def _remove(path: Path, *, dry_run: bool) -> bool:
    """Removes a file, or a folder if it is empty; False when it is not."""
    folder = path.is_dir()
    if folder and any(path.iterdir()):
        return False
    if dry_run:
        return True
    try:
        path.rmdir() if folder else path.unlink()
    except OSError as error:
        if error.errno not in _IN_USE:
            raise StorageError(str(path), _detail(error)) from error
        return False
    return True


def _link_new(path: Path, data: bytes) -> bool:
    """Writes beside the final name and links it there, which fails when the name is taken; rename would overwrite."""
    temporary = path.parent / f".{secrets.token_hex(16)}.tmp"
    try:
        _write_durably(temporary, data)
        os.link(temporary, path)
        _fsync_folder(path.parent)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _write_durably(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _fsync_folder(folder.parent)


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _detail(error: OSError) -> str:
    text = error.strerror or str(error)
    if error.errno in _NO_LINKS and error.filename2 is not None:
        return f"{text}: the registry needs a file system with hard links"
    return text
