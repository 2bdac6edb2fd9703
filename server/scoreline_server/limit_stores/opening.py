"""Opens the store that a setting names."""

from pathlib import Path

from scoreline_server.databases.store_url import FileUrl, parse_store_url
from scoreline_server.limit_stores.kind import LIMITS
from scoreline_server.limit_stores.sqlite_store import SqliteLimits
from scoreline_server.limit_stores.store import LimitStore

FILE_NAME = "limits.sqlite"


def open_limits(url: str, folder: Path | None, *, seconds: float = 5.0) -> LimitStore | None:
    """The store of limits; None where it is off, or ``auto`` and there is no folder for it.

    Nothing is connected or created before the store's first call.

    Args:
        url: see ``parse_store_url``.
        folder: the journal's.
        seconds: how long a call may wait for a server.

    Raises:
        LimitStoreError: the text names no store, or the extra that it needs is not installed.
    """
    named = parse_store_url(url, LIMITS, auto=folder / FILE_NAME if folder is not None else None)
    if named is None:
        return None
    if isinstance(named, FileUrl):
        return SqliteLimits(named.path, synchronous=named.synchronous)
    from scoreline_server.limit_stores.redis_store import RedisLimits

    return RedisLimits(named.url, seconds=seconds)
