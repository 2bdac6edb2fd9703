import sys
from pathlib import Path

import pytest

from scoreline_registry.errors import StorageError
from scoreline_registry.storage import LocalStorage, MemoryStorage, open_storage

PLUG_IN = """
from scoreline_registry.storage import MemoryStorage

class Shelf(MemoryStorage):
    def __init__(self, uri):
        super().__init__()
        self.uri = uri
"""


def test_paths_and_file_addresses_open_the_same_folder(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    open_storage(folder).put_if_absent("a", b"x")
    for address in (str(folder), f"file://{tmp_path}/with%20space", f"file://localhost{folder}"):
        opened = open_storage(address)
        assert isinstance(opened, LocalStorage)
        assert opened.read("a") == b"x"


def test_memory_is_shared_by_name() -> None:
    open_storage("memory://shared-by-name").put_if_absent("a", b"x")
    assert open_storage("memory://shared-by-name").read("a") == b"x"
    other = open_storage("memory://another-name")
    assert isinstance(other, MemoryStorage)
    assert not list(other.list(""))


@pytest.mark.parametrize("address", ["", "file://", "file://host/path", "memory://"])
def test_an_address_that_names_nothing_is_refused(address: str) -> None:
    with pytest.raises(StorageError):
        open_storage(address)


def test_an_unknown_scheme_says_what_to_install() -> None:
    with pytest.raises(StorageError, match=r"install a package that offers 'shelf' .* 'scoreline\.storage'"):
        open_storage("shelf://bucket/prefix")


def test_an_installed_plug_in_opens_its_scheme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = tmp_path / "shelf-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: shelf\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[scoreline.storage]\nshelf = shelf_plug_in:Shelf\n")
    (tmp_path / "shelf_plug_in.py").write_text(PLUG_IN)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        opened = open_storage("shelf://bucket/prefix")
    finally:
        sys.modules.pop("shelf_plug_in", None)
    assert vars(opened)["uri"] == "shelf://bucket/prefix"
