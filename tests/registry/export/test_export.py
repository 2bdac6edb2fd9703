import json
from pathlib import Path

import pytest

from scoreline_registry.documents.contract import Feature, SequenceContract
from scoreline_registry.errors import CorruptError, RefusedError
from scoreline_registry.export.folder import MARKER, export_triton
from scoreline_registry.export.triton import triton_model
from scoreline_registry.history.retirement import Retire, Unretire
from scoreline_registry.registry import Registry
from scoreline_registry.storage import MemoryStorage
from tests.registry.samples import MODEL_BYTES, manifest, publish

DAILY = SequenceContract(features=("balance", "spend"), max_length=90)
AGE, INCOME = Feature(name="age"), Feature(name="income")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_config_names_tensors_and_exactly_the_committed_versions() -> None:
    model = triton_model("credit", {3: manifest(AGE, INCOME, sequence=DAILY), 7: manifest(AGE, sequence=DAILY)})
    assert (model.versions, model.left_out) == ((3, 7), ())
    assert model.config == (
        'name: "credit"\n'
        'backend: "onnxruntime"\n'
        "max_batch_size: 0\n"
        "input [\n"
        '  { name: "features" data_type: TYPE_FP32 dims: [-1, -1] },\n'
        '  { name: "sequence" data_type: TYPE_FP32 dims: [-1, -1, 2] },\n'
        '  { name: "lengths" data_type: TYPE_INT64 dims: [-1] }\n'
        "]\n"
        "output [\n"
        '  { name: "score" data_type: TYPE_FP32 dims: [-1] }\n'
        "]\n"
        "version_policy: { specific: { versions: [3, 7] } }\n"
    )


def test_versions_with_other_tensors_than_the_newest_are_left_out() -> None:
    model = triton_model("credit", {1: manifest(AGE, sequence=DAILY), 2: manifest(AGE), 3: manifest(AGE, INCOME)})
    assert (model.versions, model.left_out) == ((2, 3), (1,))


def test_a_folder_follows_the_registry(tmp_path: Path, registry: Registry) -> None:
    publish(registry, aliases=["champion"])
    publish(registry, "churn")
    first = export_triton(registry, tmp_path)
    wanted = {"credit/1/model.onnx", "credit/config.pbtxt", "churn/1/model.onnx", "churn/config.pbtxt"}
    assert files(tmp_path) == {*wanted, MARKER}
    assert (set(first.written), first.removed, first.revision) == (wanted, (), 2)
    assert (tmp_path / "credit/1/model.onnx").read_bytes() == MODEL_BYTES
    assert export_triton(registry, tmp_path).written == ()
    publish(registry)
    registry.commit(Retire("churn", 1), author="ann", message="")
    planned = export_triton(registry, tmp_path, dry_run=True)
    assert files(tmp_path) == {*wanted, MARKER}
    done = export_triton(registry, tmp_path)
    assert (done.written, done.removed) == (planned.written, planned.removed)
    assert done.written == ("credit/2/model.onnx", "credit/config.pbtxt")
    assert done.removed == ("churn/1/model.onnx", "churn/config.pbtxt")
    assert not (tmp_path / "churn").exists()
    assert "versions: [1, 2]" in (tmp_path / "credit/config.pbtxt").read_text()


def test_files_of_others_are_neither_replaced_nor_removed(tmp_path: Path, registry: Registry) -> None:
    publish(registry)
    (tmp_path / "credit" / "9").mkdir(parents=True)
    (tmp_path / "credit" / "9" / "model.onnx").write_bytes(b"theirs")
    export_triton(registry, tmp_path)
    registry.commit(Retire("credit", 1), author="ann", message="")
    export_triton(registry, tmp_path)
    assert files(tmp_path) == {"credit/9/model.onnx", MARKER}
    registry.commit(Unretire("credit", 1), author="ann", message="")
    (tmp_path / "credit" / "config.pbtxt").write_text("theirs")
    with pytest.raises(RefusedError, match=r"credit/config\.pbtxt was not written by an export"):
        export_triton(registry, tmp_path)
    assert files(tmp_path) == {"credit/9/model.onnx", "credit/config.pbtxt", MARKER}


def test_an_export_that_was_interrupted_is_taken_up(tmp_path: Path, registry: Registry) -> None:
    publish(registry)
    export_triton(registry, tmp_path)
    (tmp_path / MARKER).unlink()
    (tmp_path / "credit/config.pbtxt").unlink()
    assert export_triton(registry, tmp_path).written == ("credit/config.pbtxt",)


def test_a_folder_of_another_registry_or_a_false_marker_is_refused(tmp_path: Path, registry: Registry) -> None:
    export_triton(Registry.create(MemoryStorage()), tmp_path)
    with pytest.raises(RefusedError, match="export to another folder"):
        export_triton(registry, tmp_path)
    outside = {"schema_number": 1, "registry_id": registry.registry_id, "files": {"../up": "0"}}
    for text in ("{", json.dumps(outside)):
        (tmp_path / MARKER).write_text(text)
        with pytest.raises(CorruptError):
            export_triton(registry, tmp_path)
