"""The damage drill: every file of a small registry, damaged in every way, is named."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from scoreline_registry.documents.documents import canonical_json
from scoreline_registry.documents.version_pages import MAX_RECENT
from scoreline_registry.errors import CorruptError
from scoreline_registry.history.changes import SetAlias
from scoreline_registry.history.retirement import Retire
from scoreline_registry.history.revision import seal_key
from scoreline_registry.history.rollback import RollbackModel
from scoreline_registry.registry import Registry
from scoreline_registry.storage import LocalStorage, MemoryStorage, Storage, StoredFile
from scoreline_registry.upkeep.garbage_collection import collect
from scoreline_registry.upkeep.verification import verify
from tests.registry.history.test_revision_log import CountingStorage
from tests.registry.samples import apply, publish, spec


def small_registry(root: Path) -> Registry:
    """A registry with one of everything: versions in and out of use, a route with layers and testers, a rollback."""
    registry = Registry.create(root)
    publish(registry, aliases=["champion"])
    publish(registry, data=b"second")
    rules = [{"layer": "pricing", "split": {"credit@champion": 90, "credit@2": 10}}]
    apply(registry, spec(rules=rules, testers={"me": "credit@2"}))
    apply(registry, spec())
    registry.commit(Retire("credit", 2), author="tester", message="")
    registry.commit(SetAlias("credit", "stable", 1), author="tester", message="")
    registry.commit(RollbackModel("credit", registry.at(5)), author="tester", message="")
    return registry


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def link_out(path: Path) -> None:
    outside = path.parents[len(path.parts) - 1 - path.parts.index("registry")] / "outside"
    outside.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(outside)


def add_a_field(path: Path) -> None:
    path.write_bytes(canonical_json({**json.loads(path.read_bytes()), "unknown": 1}))


def raise_the_schema(path: Path) -> None:
    path.write_bytes(canonical_json({**json.loads(path.read_bytes()), "schema_number": 99}))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "flipped byte": flip,
    "truncated": truncate,
    "deleted": Path.unlink,
    "link out of the root": link_out,
    "unknown field": add_a_field,
    "newer schema": raise_the_schema,
}


def findings(root: Path) -> str:
    return "\n".join(map(str, verify(LocalStorage(root)).findings))


@pytest.mark.parametrize("damage", DAMAGES)
def test_verify_names_every_damaged_file(tmp_path: Path, damage: str) -> None:
    root = tmp_path / "registry"
    small_registry(root)
    assert not findings(root)
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        key, whole = path.relative_to(root).as_posix(), path.read_bytes()
        if damage in ("unknown field", "newer schema") and path.suffix != ".json":
            continue
        DAMAGES[damage](path)
        if (damage, path.parent.name) == ("deleted", "seals"):
            # A seal is derived from its revision: losing one loses nothing, and a note says so.
            assert any(key in note for note in verify(LocalStorage(root)).notes)
        else:
            assert key in findings(root)
        path.unlink(missing_ok=True)
        path.write_bytes(whole)
        assert not findings(root)


def test_every_single_flipped_byte_of_the_newest_revision_is_named(tmp_path: Path) -> None:
    registry = small_registry(tmp_path)
    path = tmp_path / "revisions" / f"{registry.latest().revision:08d}.json"
    whole = path.read_bytes()
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert path.name in findings(tmp_path), position


def test_strangers_and_links_inside_are_named(tmp_path: Path) -> None:
    small_registry(tmp_path)
    for key in ("stranger", "models/credit/1/extra.bin", "models/credit/notes.txt", "documents/x.json", "revisions/9"):
        (tmp_path / key).write_bytes(b"x")
        assert f"{key}: it does not belong to the registry" in findings(tmp_path)
        (tmp_path / key).unlink()
    model = tmp_path / "models/credit/1/model.onnx"
    model.rename(tmp_path / "models/credit/1/moved")
    model.symlink_to("moved")
    assert "models/credit/1/model.onnx: it is a link" in findings(tmp_path)


def test_one_pass_names_all_damages(tmp_path: Path) -> None:
    small_registry(tmp_path)
    keys = ["models/credit/1/golden.npz", "models/credit/1/model.onnx", "revisions/00000002.json", "registry.json"]
    for key in keys:
        flip(tmp_path / key)
    assert all(key in findings(tmp_path) for key in keys)


def test_what_interrupted_work_leaves_is_a_note(memory: MemoryStorage, registry: Registry) -> None:
    publish(registry)
    memory.put_if_absent("models/credit/2/claim.json", b"{}")
    memory.put_if_absent(f"documents/{'0' * 64}.json", b"{}")
    report = verify(memory)
    assert [finding.key for finding in report.findings] == [f"documents/{'0' * 64}.json"]
    assert report.notes[0] == "credit@2 was claimed and is not committed"


def test_a_report_counts_what_it_read(memory: MemoryStorage, registry: Registry) -> None:
    publish(registry)
    publish(registry)
    report = verify(memory)
    assert (report.revisions, report.documents, report.versions) == (2, 6, 2)
    assert report.files == len(list(memory.list("")))
    assert report.bytes == sum(file.bytes for file in memory.list(""))


class Interrupted(CountingStorage):
    """A store in which others work at one moment of a verification: before a key is listed, or before it is read."""

    def __init__(self, storage: Storage, *, before: str, work: Callable[[], object]) -> None:
        super().__init__(storage)
        self._inner, self._before, self._work = storage, before, work
        self.worked = False

    def read(self, key: str) -> bytes:
        self._reached(key, "read")
        return super().read(key)

    def list(self, prefix: str, *, after: str = "") -> Iterator[StoredFile]:
        """Lists folder by folder, as a file system does: what is written meanwhile is seen in later folders only."""
        if prefix:
            yield from self._inner.list(prefix, after=after)
            return
        for folder in ("documents/", "models/", "probes/", "registry.json", "revisions/", "seals/"):
            self._reached(folder, "list")
            yield from self._inner.list(folder)

    def _reached(self, key: str, verb: str) -> None:
        if not self.worked and f"{verb} {key}".startswith(self._before):
            self.worked = True
            self._work()


MOMENTS = [
    "list documents/",
    "list models/",
    "list revisions/",
    "list seals/",
    "read registry.json",
    "read documents/",
    "read models/credit/1/",
    "read models/credit/2/",
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_others_commit_and_collect_meanwhile_is_left_out(tmp_path: Path, moment: str) -> None:
    registry = small_registry(tmp_path)

    def work() -> None:
        publish(registry, aliases=["champion"])
        publish(registry, "churn", aliases=["champion"])
        collect(registry, retention=timedelta(0), author="gc")
        registry.commit(Retire("credit", 1), author="tester", message="")
        collect(registry, retention=timedelta(0), author="gc")
        LocalStorage(tmp_path).put_if_absent("models/credit/4/claim.json", b"{}")

    interrupted = Interrupted(LocalStorage(tmp_path), before=moment, work=work)
    before = registry.latest().revision
    report = verify(interrupted)
    assert interrupted.worked
    assert not report.findings
    assert report.revisions == before


def test_a_seal_that_is_written_meanwhile_is_no_link(tmp_path: Path) -> None:
    registry = small_registry(tmp_path)
    seal = tmp_path / seal_key(registry.latest().revision)
    data = seal.read_bytes()
    seal.unlink()
    interrupted = Interrupted(LocalStorage(tmp_path), before="read registry.json", work=lambda: seal.write_bytes(data))
    assert not verify(interrupted).findings
    assert interrupted.worked


def documents_with(memory: MemoryStorage, text: bytes) -> list[str]:
    return [file.key for file in memory.list("documents/") if text in memory.read(file.key)]


@pytest.mark.parametrize(
    "text", [b'"level":0', b'"recent"', b'"entry":{"author"'], ids=["page of references", "index", "entry"]
)
def test_each_damaged_part_of_a_model_is_named_and_no_version_taken_for_unfinished(
    memory: MemoryStorage, registry: Registry, text: bytes
) -> None:
    for _ in range(MAX_RECENT + 4):
        publish(registry)
    keys = documents_with(memory, text)
    assert keys
    for key in keys:
        whole = memory.read(key)
        for damaged in (whole[:-3], whole.replace(b'"', b"'", 1), None):
            memory.delete(key)
            if damaged is not None:
                memory.put_if_absent(key, damaged)
            report = verify(memory)
            assert {finding.key for finding in report.findings} == {key}
            assert not any("not committed" in note for note in report.notes)
        memory.delete(key)
        memory.put_if_absent(key, whole)
    assert not verify(memory).findings


def test_a_version_whose_entry_is_damaged_is_not_served_and_others_are(
    memory: MemoryStorage, registry: Registry
) -> None:
    publish(registry, aliases=["champion"])
    publish(registry)
    (key,) = [key for key in documents_with(memory, b'"entry":{"author"') if b'"version":1}' in memory.read(key)]
    memory.delete(key)
    reader = Registry.open(memory)
    with pytest.raises(CorruptError, match=key):
        reader.manifest("credit", 1)
    assert reader.manifest("credit", 2).family == "lightgbm"
    reader.commit(SetAlias("credit", "champion", 2), author="tester", message="")
    assert reader.latest().resolve("credit@champion") == ("credit", 2)
