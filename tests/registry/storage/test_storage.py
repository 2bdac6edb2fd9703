"""The contract of every store. A new one joins by one line in conftest's ``storage``."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from scoreline_registry.errors import InvalidNameError, MissingKeyError
from scoreline_registry.storage import Storage

HOSTILE_KEYS = [
    "",
    "/",
    "/etc/passwd",
    "a/../b",
    "..",
    ".",
    "./a",
    "a//b",
    "a/",
    ".hidden",
    "a/.hidden",
    "a\\b",
    "a\x00b",
    "a\nb",
    "a b",
    "ü",
    "a" * 201,
    "a/" * 600 + "a",
]


def test_what_was_put_is_read_back(storage: Storage) -> None:
    assert storage.put_if_absent("models/credit/1/model.onnx", b"\x00\xffbytes")
    assert storage.read("models/credit/1/model.onnx") == b"\x00\xffbytes"


def test_an_empty_file_is_a_file(storage: Storage) -> None:
    assert storage.put_if_absent("empty", b"")
    assert storage.read("empty") == b""


def test_a_taken_key_keeps_its_first_bytes(storage: Storage) -> None:
    storage.put_if_absent("a", b"first")
    assert not storage.put_if_absent("a", b"second")
    assert storage.read("a") == b"first"


def test_an_absent_key_is_missing_for_every_reader(storage: Storage) -> None:
    storage.put_if_absent("folder/file", b"x")
    for key in ("nothing", "folder", "folder/file/below", "folder/other"):
        with pytest.raises(MissingKeyError):
            storage.read(key)


def test_of_many_writers_at_once_exactly_one_creates(storage: Storage) -> None:
    barrier = threading.Barrier(8)
    created: list[bytes] = []

    def write(data: bytes) -> None:
        barrier.wait()
        if storage.put_if_absent("deep/folder/key", data):
            created.append(data)

    threads = [threading.Thread(target=write, args=(bytes([number]) * 10_000,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(created) == 1
    assert storage.read("deep/folder/key") == created[0]


def test_listing_ascends_by_key_over_folders(storage: Storage) -> None:
    keys = ["a", "a-b", "a.b", "a/b", "a/b-c", "a/b/c", "a/b0", "a0", "b"]
    for key in (key for key in reversed(keys) if key not in ("a", "a/b")):
        storage.put_if_absent(key, b"x")
    assert [file.key for file in storage.list("")] == [key for key in keys if key not in ("a", "a/b")]


def test_a_prefix_need_not_end_at_a_folder(storage: Storage) -> None:
    for key in ("revisions/00000001", "revisions/00000012", "revisions/00000020", "revisionsx", "other/a"):
        storage.put_if_absent(key, b"x")
    assert [file.key for file in storage.list("revisions/0000001")] == ["revisions/00000012"]
    assert [file.key for file in storage.list("revisions/")] == [
        "revisions/00000001",
        "revisions/00000012",
        "revisions/00000020",
    ]
    assert [file.key for file in storage.list("revisions")][-1] == "revisionsx"
    assert not list(storage.list("nothing/"))


@pytest.mark.parametrize("after", ["", "a", "a/1", "a/1/x", "a/2", "a/10", "b", "zz"])
def test_listing_after_a_key_is_the_rest_of_the_whole_list(storage: Storage, after: str) -> None:
    keys = ["a/1/x", "a/1/y", "a/10", "a/2/x", "b/1", "c"]
    for key in keys:
        storage.put_if_absent(key, b"x")
    assert [file.key for file in storage.list("", after=after)] == sorted(key for key in keys if key > after)


def test_a_listed_file_has_its_size_and_the_stores_time(storage: Storage) -> None:
    storage.put_if_absent("a/b", b"12345")
    (file,) = storage.list("a/")
    assert file.bytes == 5
    assert abs(file.modified_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_deleted_key_is_free_again_and_deleting_nothing_is_fine(storage: Storage) -> None:
    storage.put_if_absent("a/b", b"old")
    storage.delete("a/b")
    storage.delete("a/b")
    storage.delete("never/there")
    assert not list(storage.list(""))
    assert storage.put_if_absent("a/b", b"new")
    assert storage.read("a/b") == b"new"


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_hostile_keys_are_refused_by_every_method(storage: Storage, key: str) -> None:
    for operation in (storage.read, storage.delete):
        with pytest.raises(InvalidNameError):
            operation(key)
    with pytest.raises(InvalidNameError):
        storage.put_if_absent(key, b"x")
