"""Opens the store that a setting names."""

from pathlib import Path

from scoreline_server.databases.store_url import FileUrl, parse_store_url
from scoreline_server.profile_stores.kind import PROFILES
from scoreline_server.profile_stores.sqlite_store import SqliteStore
from scoreline_server.profile_stores.store import ProfileStore

FILE_NAME = "profiles.sqlite"


def open_store(url: str, folder: Path | None, *, read_seconds: float = 5.0) -> ProfileStore | None:
    """The store of profiles; None where it is off, or ``auto`` and there is no folder for it.

    Nothing is connected or created before the store's first call.

    Args:
        url: see ``parse_store_url``.
        folder: the journal's.
        read_seconds: how long a read may wait for a server.

    Raises:
        ProfileStoreError: the text names no store, or the extra that it needs is not installed.
    """
    named = parse_store_url(url, PROFILES, auto=folder / FILE_NAME if folder is not None else None)
    if named is None:
        return None
    if isinstance(named, FileUrl):
        return SqliteStore(named.path, synchronous=named.synchronous)
    from scoreline_server.profile_stores.redis_store import RedisStore

    return RedisStore(named.url, read_seconds=read_seconds)
