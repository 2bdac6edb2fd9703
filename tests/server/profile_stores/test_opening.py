"""Which store a setting names."""

from pathlib import Path

import pytest

from scoreline_server.errors import ProfileStoreError
from scoreline_server.profile_stores.opening import open_store
from scoreline_server.profile_stores.redis_store import RedisStore
from scoreline_server.profile_stores.sqlite_store import SqliteStore
from tests.server.profile_stores.reference import event


@pytest.mark.parametrize(("url", "file"), [("auto", "journal/profiles.sqlite"), ("sqlite:{0}/p.db", "p.db")])
def test_a_file_is_made_at_the_first_call(tmp_path: Path, url: str, file: str) -> None:
    store = open_store(url.format(tmp_path), tmp_path / "journal")
    assert isinstance(store, SqliteStore)
    assert list(tmp_path.iterdir()) == []
    store.append("p", [event("ann", "e", 1)], lateness=0)
    store.close()
    assert (tmp_path / file).is_file()


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "rediss://127.0.0.1:1", "unix:///no/such/socket"])
def test_a_server_is_not_connected_to_before_the_first_call(url: str) -> None:
    store = open_store(url, None, read_seconds=0.5)
    assert isinstance(store, RedisStore)
    with pytest.raises(ProfileStoreError, match=r"Redis at (127\.0\.0\.1:1|/no/such/socket) cannot be reached"):
        store.read("p", ["ann"])
    store.close()


def test_a_missing_library_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scoreline_server.databases.store_url.find_spec", lambda _: None)
    with pytest.raises(ProfileStoreError, match=r"needs the extra redis: pip install 'scoreline\[redis\]'"):
        open_store("redis://localhost", None)


@pytest.mark.parametrize(("url", "folder"), [("off", Path()), ("", Path()), ("auto", None)])
def test_a_store_may_be_off(url: str, folder: Path | None) -> None:
    assert open_store(url, folder) is None


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("mysql://host", "unknown store 'mysql', must be auto, off, sqlite:PATH"),
        ("redis://host:port", "wrong redis address: Port could not be cast"),
        ("sqlite:", "'sqlite:' must be sqlite:PATH"),
        ("sqlite:p.db?synchronous=off", "must be sqlite:PATH or"),
        ("sqlite:p.db?cache=1", "must be sqlite:PATH or"),
    ],
)
def test_a_text_that_names_no_store_is_refused(url: str, complaint: str) -> None:
    with pytest.raises(ProfileStoreError, match=complaint):
        open_store(url, None)
