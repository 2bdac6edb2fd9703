import errno
import os
from pathlib import Path

import pytest

from scoreline_registry.errors import MissingKeyError, StorageError
from scoreline_registry.storage import LocalStorage


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def local(root: Path) -> LocalStorage:
    return LocalStorage(root)


def test_opening_and_reading_make_no_folder(local: LocalStorage, root: Path) -> None:
    with pytest.raises(MissingKeyError):
        local.read("a")
    assert not list(local.list(""))
    assert not root.exists()


def test_nothing_temporary_is_left_after_a_write(local: LocalStorage, root: Path) -> None:
    local.put_if_absent("a/b", b"x")
    local.put_if_absent("a/b", b"y")
    assert [path.name for path in (root / "a").iterdir()] == ["b"]


def test_a_crashed_writers_temporary_file_never_shows(local: LocalStorage, root: Path) -> None:
    local.put_if_absent("a/b", b"x")
    (root / "a" / ".0123456789abcdef.tmp").write_bytes(b"half a fi")
    (root / ".hidden").mkdir()
    (root / ".hidden" / "file").write_bytes(b"x")
    assert [file.key for file in local.list("")] == ["a/b"]


def test_a_writer_that_crashes_before_the_link_leaves_the_key_free(
    local: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(source: object, target: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", crash)
        with pytest.raises(StorageError, match="Input/output error"):
            local.put_if_absent("a/b", b"first")
    assert local.put_if_absent("a/b", b"second")
    assert local.read("a/b") == b"second"


def test_a_file_system_without_hard_links_is_named_as_the_cause(
    local: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: object, target: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted", str(source), None, str(target))

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(StorageError, match="hard links"):
        local.put_if_absent("a", b"x")


def test_a_link_out_of_the_folder_is_refused(local: LocalStorage, root: Path, tmp_path: Path) -> None:
    local.put_if_absent("a/b", b"x")
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (root / "a" / "leak").symlink_to(secret)
    (root / "out").symlink_to(tmp_path)
    for key in ("a/leak", "out/secret"):
        with pytest.raises(StorageError, match="leads out"):
            local.read(key)
    with pytest.raises(StorageError, match="leads out"):
        local.put_if_absent("out/new", b"x")
    with pytest.raises(StorageError, match="leads out"):
        local.delete("out/secret")
    with pytest.raises(StorageError, match="leads out"):
        list(local.list("out/"))
    assert [file.key for file in local.list("")] == ["a/b"]
    assert secret.read_bytes() == b"secret"


def test_a_link_inside_the_folder_can_be_read(local: LocalStorage, root: Path) -> None:
    local.put_if_absent("a/b", b"x")
    (root / "inside").symlink_to(root / "a")
    assert local.read("inside/b") == b"x"


def test_a_root_that_is_a_link_itself_works(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    LocalStorage(tmp_path / "link").put_if_absent("a", b"x")
    assert LocalStorage(tmp_path / "real").read("a") == b"x"


def test_a_loop_of_links_is_a_storage_error(local: LocalStorage, root: Path) -> None:
    root.mkdir()
    (root / "loop").symlink_to(root / "loop")
    with pytest.raises(StorageError):
        local.read("loop")


def test_a_store_stays_where_it_was_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    relative = LocalStorage(Path("store"))
    relative.put_if_absent("a", b"x")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert relative.read("a") == b"x"
