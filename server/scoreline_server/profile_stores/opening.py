"""Opens the store that a setting names."""

from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qsl

from scoreline_server.errors import ProfileStoreError
from scoreline_server.profile_stores.sqlite_store import SqliteStore
from scoreline_server.profile_stores.store import ProfileStore
from scoreline_server.settings import OFF

AUTO = "auto"
FILE_NAME = "profiles.sqlite"
_FORMS = "auto, off, sqlite:PATH, redis://HOST:PORT/DB, rediss://HOST:PORT/DB or unix://PATH"


def open_store(url: str, folder: Path | None, *, read_seconds: float = 5.0) -> ProfileStore | None:
    """The store of profiles; None where it is off, or ``auto`` and there is no folder for it.

    Nothing is connected or created before the store's first call.

    Args:
        url: ``sqlite:PATH``, with ``?synchronous=normal`` where a loss of power may cost the last appends; ``auto`` for
            a file in ``folder``; ``redis://``, ``rediss://`` or ``unix://`` as redis-py takes them; or ``off``.
        folder: the journal's.
        read_seconds: how long a read may wait for a server.

    Raises:
        ProfileStoreError: the text names no store, or the extra that it needs is not installed.
    """
    if url in OFF:
        return None
    if url == AUTO:
        return SqliteStore(folder / FILE_NAME) if folder is not None else None
    scheme, _, rest = url.partition(":")
    if scheme == "sqlite":
        return _open_sqlite(url, rest)
    if scheme in {"redis", "rediss", "unix"}:
        return _open_redis(url, read_seconds)
    raise ProfileStoreError(f"profile_store: unknown store {scheme!r}, must be {_FORMS}")


def _open_sqlite(url: str, rest: str) -> SqliteStore:
    path, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    synchronous = options.pop("synchronous", "full").lower()
    if not path or options or synchronous not in {"full", "normal"}:
        raise ProfileStoreError(
            f"profile_store: {url!r} must be sqlite:PATH or sqlite:PATH?synchronous=normal (or full, the default)"
        )
    return SqliteStore(Path(path), synchronous="normal" if synchronous == "normal" else "full")


def _open_redis(url: str, read_seconds: float) -> ProfileStore:
    if find_spec("redis") is None:
        raise ProfileStoreError("a profile_store in Redis needs the extra redis: pip install 'scoreline[redis]'")
    from scoreline_server.profile_stores.redis_store import RedisStore

    return RedisStore(url, read_seconds=read_seconds)
