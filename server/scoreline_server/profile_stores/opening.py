"""Opens the store that a setting names."""

from pathlib import Path
from urllib.parse import parse_qsl

from scoreline_server.errors import ProfileStoreError
from scoreline_server.profile_stores.sqlite_store import SqliteStore
from scoreline_server.profile_stores.store import ProfileStore
from scoreline_server.settings import OFF

AUTO = "auto"
FILE_NAME = "profiles.sqlite"
_FORMS = "auto, off, sqlite:PATH"


def open_store(url: str, folder: Path | None) -> ProfileStore | None:
    """The store of profiles; None where it is off, or ``auto`` and there is no folder for it.

    Nothing is connected or created before the store's first call.

    Args:
        url: ``sqlite:PATH`` with ``?synchronous=normal`` where a loss of power may cost the last appends; ``auto`` for
            a file in ``folder``; or ``off``.
        folder: the journal's.

    Raises:
        ProfileStoreError: the text names no store.
    """
    if url in OFF:
        return None
    if url == AUTO:
        return SqliteStore(folder / FILE_NAME) if folder is not None else None
    scheme, _, rest = url.partition(":")
    if scheme == "sqlite":
        return _open_sqlite(url, rest)
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
