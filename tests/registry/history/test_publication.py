import json
from pathlib import Path

import pytest

from scoreline_registry.documents.contract import Feature
from scoreline_registry.errors import ConflictError, CorruptError, InvalidError, NotFoundError, RefusedError
from scoreline_registry.registry import Registry
from scoreline_registry.storage import LocalStorage, MemoryStorage, Storage
from tests.registry.samples import MODEL_BYTES, apply, manifest, publish, spec


def test_a_published_version_is_complete(storage: Storage) -> None:
    registry = Registry.create(storage)
    version = registry.publish(
        "credit",
        files={"model.onnx": b"graph", "golden.npz": b"rows"},
        manifest=manifest(metrics={"auc": 0.8}),
        author="tester",
        message="first",
        aliases=["champion", "stable"],
        owner="risk",
        labels={"team": "risk"},
    )
    document = registry.latest().models["credit"]
    assert version == 1
    assert document.aliases == {"champion": 1, "stable": 1}
    assert (document.owner, document.labels) == ("risk", {"team": "risk"})
    assert sorted(document.entry(1).files) == ["golden.npz", "manifest.json", "model.onnx"]
    assert registry.read_file("credit", 1, "golden.npz") == b"rows"
    assert registry.read_file("credit", 1, "model.onnx") == b"graph"
    assert registry.manifest("credit", 1).metrics == {"auc": 0.8}
    assert registry.manifest("credit", 1).files["model.onnx"] == document.file(1, "model.onnx")
    assert not registry.damage("credit", 1)


def test_numbers_and_labels_grow_from_version_to_version(registry: Registry) -> None:
    publish(registry)
    registry.publish(
        "credit",
        files={"model.onnx": MODEL_BYTES},
        manifest=manifest(),
        author="tester",
        message="",
        labels={"region": "eu"},
    )
    document = registry.latest().models["credit"]
    assert (document.numbers, document.next_version) == ([1, 2], 3)
    assert document.labels == {"region": "eu"}


def test_a_claim_without_a_commit_leaves_a_gap_and_no_version(memory: MemoryStorage, registry: Registry) -> None:
    memory.put_if_absent("models/credit/1/claim.json", b"{}")
    memory.put_if_absent("models/credit/1/model.onnx", b"half")
    assert publish(registry) == 2
    assert registry.latest().models["credit"].numbers == [2]
    for read in (registry.manifest, registry.damage):
        with pytest.raises(NotFoundError):
            read("credit", 1)
    with pytest.raises(NotFoundError):
        registry.read_file("credit", 1, "model.onnx")


def test_a_number_is_not_given_again_after_a_refused_commit(registry: Registry) -> None:
    publish(registry, aliases=["champion"])
    apply(registry, spec())
    with pytest.raises(RefusedError, match="requires the number 'age'"):
        publish(registry, "credit", Feature(name="age", required=True), aliases=["champion"])
    assert registry.latest().models["credit"].numbers == [1]
    assert publish(registry) == 3


def test_a_claim_that_was_cleaned_away_is_not_committed(memory: MemoryStorage, registry: Registry) -> None:
    class Cleaned(MemoryStorage):
        def put_if_absent(self, key: str, data: bytes) -> bool:
            if key.endswith("manifest.json"):
                memory.delete(key.replace("manifest", "claim"))
            return memory.put_if_absent(key, data)

        def read(self, key: str) -> bytes:
            return memory.read(key)

    with pytest.raises(ConflictError):
        publish(Registry.open(Cleaned()))
    assert registry.latest().revision == 0


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({}, "no 'model.onnx'"),
        ({"model.onnx": b"", "manifest.json": b""}, "'manifest.json' is written by the registry"),
        ({"model.onnx": b"", "claim.json": b""}, "'claim.json' is written by the registry"),
        ({"model.onnx": b"", "../up": b""}, "not a valid name"),
        ({"model.onnx": b"", "sub/file": b""}, "not a valid name"),
    ],
)
def test_files_that_make_no_version_are_refused_before_anything_is_written(
    memory: MemoryStorage, registry: Registry, files: dict[str, bytes], problem: str
) -> None:
    with pytest.raises(InvalidError, match=problem):
        registry.publish("credit", files=files, manifest=manifest(), author="tester", message="")
    assert not list(memory.list("models/"))


def test_a_flipped_byte_in_any_file_is_found(tmp_path: Path) -> None:
    registry = Registry.create(LocalStorage(tmp_path))
    publish(registry)
    folder = tmp_path / "models" / "credit" / "1"
    for name in ("model.onnx", "golden.npz", "manifest.json"):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
        with pytest.raises(CorruptError, match=name):
            registry.read_file("credit", 1, name)
        assert [name in problem for problem in registry.damage("credit", 1)] == [True]
        (folder / name).write_bytes(whole)
    assert not registry.damage("credit", 1)


def test_a_damaged_manifest_is_refused_and_a_lost_file_named(tmp_path: Path) -> None:
    registry = Registry.create(LocalStorage(tmp_path))
    publish(registry)
    folder = tmp_path / "models" / "credit" / "1"
    (folder / "manifest.json").write_bytes((folder / "manifest.json").read_bytes().replace(b"lightgbm", b"logistic"))
    (folder / "golden.npz").unlink()
    with pytest.raises(CorruptError, match=r"manifest\.json"):
        registry.manifest("credit", 1)
    with pytest.raises(CorruptError, match="missing"):
        registry.read_file("credit", 1, "golden.npz")


def test_the_claim_says_who_took_the_number(memory: MemoryStorage, registry: Registry) -> None:
    publish(registry)
    claim = json.loads(memory.read("models/credit/1/claim.json"))
    assert claim["author"] == "tester"
    assert claim["claim_id"] == registry.latest().models["credit"].entry(1).claim_id


def test_what_was_committed_after_a_reader_last_looked_can_be_read(memory: MemoryStorage, registry: Registry) -> None:
    reader = Registry.open(memory)
    publish(registry)
    assert reader.read_file("credit", 1, "model.onnx") == MODEL_BYTES
    with pytest.raises(NotFoundError, match="did you mean 'credit'"):
        reader.manifest("credi", 1)
