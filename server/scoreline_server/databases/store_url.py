"""The texts by which settings name stores."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qsl

from scoreline_server.databases.sqlite_file import Synchronous
from scoreline_server.databases.store_kind import StoreKind
from scoreline_server.settings import OFF

AUTO = "auto"
_FORMS = "auto, off, sqlite:PATH, redis://HOST:PORT/DB, rediss://HOST:PORT/DB or unix://PATH"


@dataclass(frozen=True, slots=True)
class FileUrl:
    """A SQLite file, and when what is written to it is on the disk."""

    path: Path
    synchronous: Synchronous = "full"


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """A Redis or Valkey server, as redis-py takes it."""

    url: str


def parse_store_url(url: str, kind: StoreKind, *, auto: Path | None) -> FileUrl | ServerUrl | None:
    """The store that a text names; None where it is off, or ``auto`` and there is no file for it.

    Args:
        url: ``sqlite:PATH``, with ``?synchronous=normal`` where a loss of power may cost the last writes; ``auto`` for
            the file ``auto``; ``redis://``, ``rediss://`` or ``unix://`` as redis-py takes them; or ``off``.
        kind: of the store.
        auto: the file beside the journal.

    Raises:
        StoreError: the text names no store, or the extra that it needs is not installed.
    """
    if url in OFF:
        return None
    if url == AUTO:
        return FileUrl(auto) if auto is not None else None
    scheme, _, rest = url.partition(":")
    if scheme == "sqlite":
        return _file_url(url, rest, kind)
    if scheme not in {"redis", "rediss", "unix"}:
        raise kind.error(f"{kind.setting}: unknown store {scheme!r}, must be {_FORMS}")
    if find_spec("redis") is None:
        raise kind.error(f"a {kind.setting} in Redis needs the extra redis: pip install 'scoreline[redis]'")
    return ServerUrl(url)


def _file_url(url: str, rest: str, kind: StoreKind) -> FileUrl:
    path, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    synchronous = options.pop("synchronous", "full").lower()
    if not path or options or synchronous not in {"full", "normal"}:
        raise kind.error(
            f"{kind.setting}: {url!r} must be sqlite:PATH or sqlite:PATH?synchronous=normal (or full, the default)"
        )
    return FileUrl(Path(path), "normal" if synchronous == "normal" else "full")
