"""Which store of limits a setting names."""

from pathlib import Path

import pytest

from scoreline_server.errors import LimitStoreError
from scoreline_server.limit_stores.opening import open_limits
from scoreline_server.limit_stores.redis_store import RedisLimits
from scoreline_server.limit_stores.sqlite_store import SqliteLimits
from tests.server.limit_stores.contract import granted, total


@pytest.mark.parametrize(("url", "file"), [("auto", "journal/limits.sqlite"), ("sqlite:{0}/l.db", "l.db")])
def test_a_file_is_made_at_the_first_call(tmp_path: Path, url: str, file: str) -> None:
    store = open_limits(url.format(tmp_path), tmp_path / "journal")
    assert isinstance(store, SqliteLimits)
    assert list(tmp_path.iterdir()) == []
    assert granted(store, total("campaign", 1))
    store.close()
    assert (tmp_path / file).is_file()


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "rediss://127.0.0.1:1", "unix:///no/such/socket"])
def test_a_server_is_not_connected_to_before_the_first_call(url: str) -> None:
    store = open_limits(url, None, seconds=0.5)
    assert isinstance(store, RedisLimits)
    with pytest.raises(LimitStoreError, match=r"Redis at (127\.0\.0\.1:1|/no/such/socket) cannot be reached"):
        granted(store, total("campaign", 1))
    store.close()


@pytest.mark.parametrize(("url", "folder"), [("off", Path()), ("", Path()), ("auto", None)])
def test_a_store_may_be_off(url: str, folder: Path | None) -> None:
    assert open_limits(url, folder) is None


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("mysql://host", "limit_store: unknown store 'mysql', must be auto, off, sqlite:PATH"),
        ("redis://host:port", "limit_store: wrong redis address: Port could not be cast"),
        ("sqlite:l.db?synchronous=off", "limit_store: 'sqlite:l.db.synchronous=off' must be sqlite:PATH or"),
    ],
)
def test_a_text_that_names_no_store_is_refused(url: str, complaint: str) -> None:
    with pytest.raises(LimitStoreError, match=complaint):
        open_limits(url, None)
