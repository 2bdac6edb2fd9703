"""The contract of every storage backend, as tests that pytest collects or ``check_storage`` runs.

pytest is not imported here: a subclass gives the fixture ``storage``, an empty store for each test::

    class TestShelf(StorageContract):
        @pytest.fixture
        def storage(self, tmp_path):
            return Shelf(f"shelf://{tmp_path}")
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from scoreline_registry.errors import InvalidNameError, MissingKeyError
from scoreline_registry.storage import Storage

INVALID_KEYS = (
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
)
"""Keys that every method refuses with InvalidNameError."""


def check_storage(new_storage: Callable[[], Storage]) -> None:
    """Runs every test of the contract, each on a store of its own from ``new_storage``. Raises AssertionError."""
    contract = StorageContract()
    for name in dir(contract):
        if name.startswith("test_"):
            getattr(contract, name)(new_storage())


class StorageContract:
    """The tests of what a registry relies on in its store; each is given an empty one."""

    def test_what_was_put_is_read_back(self, storage: Storage) -> None:
        assert storage.put_if_absent("models/credit/1/model.onnx", b"\x00\xffbytes")
        assert storage.read("models/credit/1/model.onnx") == b"\x00\xffbytes"

    def test_an_empty_file_is_a_file(self, storage: Storage) -> None:
        assert storage.put_if_absent("empty", b"")
        assert storage.read("empty") == b""

    def test_a_taken_key_keeps_its_first_bytes(self, storage: Storage) -> None:
        storage.put_if_absent("a", b"first")
        assert not storage.put_if_absent("a", b"second")
        assert storage.read("a") == b"first"

    def test_an_absent_key_is_missing_for_every_reader(self, storage: Storage) -> None:
        storage.put_if_absent("folder/file", b"x")
        for key in ("nothing", "folder", "folder/file/below", "folder/other"):
            with _raised(MissingKeyError, f"reading {key!r}"):
                storage.read(key)

    def test_of_many_writers_at_once_exactly_one_creates(self, storage: Storage) -> None:
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

    def test_listing_ascends_by_key_over_folders(self, storage: Storage) -> None:
        keys = ["a", "a-b", "a.b", "a/b", "a/b-c", "a/b/c", "a/b0", "a0", "b"]
        for key in (key for key in reversed(keys) if key not in ("a", "a/b")):
            storage.put_if_absent(key, b"x")
        assert [file.key for file in storage.list("")] == [key for key in keys if key not in ("a", "a/b")]

    def test_a_prefix_need_not_end_at_a_folder(self, storage: Storage) -> None:
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

    def test_listing_after_a_key_is_the_rest_of_the_whole_list(self, storage: Storage) -> None:
        keys = ["a/1/x", "a/1/y", "a/10", "a/2/x", "b/1", "c"]
        for key in keys:
            storage.put_if_absent(key, b"x")
        for after in ("", "a", "a/1", "a/1/x", "a/2", "a/10", "b", "zz"):
            listed = [file.key for file in storage.list("", after=after)]
            assert listed == sorted(key for key in keys if key > after), f"after {after!r}"

    def test_a_listed_file_has_its_size_and_the_stores_time(self, storage: Storage) -> None:
        storage.put_if_absent("a/b", b"12345")
        (file,) = storage.list("a/")
        assert file.bytes == 5
        assert abs(file.modified_at - datetime.now(UTC)) < timedelta(minutes=1)

    def test_a_deleted_key_is_free_again_and_deleting_nothing_is_fine(self, storage: Storage) -> None:
        storage.put_if_absent("a/b", b"old")
        storage.delete("a/b")
        storage.delete("a/b")
        storage.delete("never/there")
        assert not list(storage.list(""))
        assert storage.put_if_absent("a/b", b"new")
        assert storage.read("a/b") == b"new"

    def test_invalid_keys_are_refused_by_every_method(self, storage: Storage) -> None:
        operations: tuple[Callable[[str], object], ...] = (
            storage.read,
            storage.delete,
            lambda key: storage.put_if_absent(key, b"x"),
        )
        for key in INVALID_KEYS:
            for operation in operations:
                with _raised(InvalidNameError, f"key {key[:40]!r}"):
                    operation(key)


@contextmanager
def _raised(kind: type[Exception], what: str) -> Iterator[None]:
    try:
        yield
    except kind:
        return
    raise AssertionError(f"{what}: no {kind.__name__} was raised")
