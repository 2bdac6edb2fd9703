"""Models that are published as they are, and the server that proves itself with their golden call."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from scoreline_registry.documents.manifest import GOLDEN_FILE, MODEL_FILE
from scoreline_registry.errors import GateError
from scoreline_registry.registry import Registry
from scoreline_registry.storage import MemoryStorage
from scoreline_server.errors import LoadError
from scoreline_server.loading.loader import load
from scoreline_server.loading.watcher import Watcher
from scoreline_trainers.gate.golden import read_arrays, write_arrays
from scoreline_trainers.publishing.external import ExternalVersion, raw_version
from scoreline_trainers.publishing.spec import Wrapping
from tests.trainers.graphs import inspected, model, node, value

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def kept(graph: onnx.ModelProto, folder: Path, **arrays: Any) -> ExternalVersion:
    (folder / "m.onnx").write_bytes(graph.SerializeToString())
    probes = None
    if arrays:
        probes = folder / "probes.npz"
        probes.write_bytes(write_arrays(arrays))
    return raw_version("toy", folder / "m.onnx", created_at=NOW, probes=probes)


def stored(version: ExternalVersion, **changed: bytes) -> Registry:
    registry = Registry.create(MemoryStorage())
    files = {**version.files, **{name.replace("_", "."): data for name, data in changed.items()}}
    registry.publish("toy", files=files, manifest=version.manifest, author="me", message="")
    return registry


EVERYTHING = model(
    [
        node("Cast", ["b"], ["half"], to=TensorProto.FLOAT16),
        node("Add", ["half", "h"], ["sum"]),
        node("Identity", ["s"], ["t"]),
        node("Mul", ["i", "i"], ["square"]),
        node("ReduceSum", ["d"], ["total"], keepdims=0),
        node("Identity", ["b"], ["same/b:0"]),
    ],
    inputs=[
        value("b", ("N",), TensorProto.BOOL),
        value("h", ("N",), TensorProto.FLOAT16),
        value("s", (None, 2), TensorProto.STRING),
        value("i", (3,), TensorProto.INT64),
        value("d", ("a", "b", "c"), TensorProto.DOUBLE),
    ],
    outputs=[
        value("sum", ("N",), TensorProto.FLOAT16),
        value("t", (None, 2), TensorProto.STRING),
        value("square", (3,), TensorProto.INT64),
        value("total", (), TensorProto.DOUBLE),
        value("same/b:0", None, TensorProto.BOOL),
    ],
)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> ExternalVersion:
    return kept(EVERYTHING, tmp_path_factory.mktemp("everything"))


def test_every_datatype_is_kept_with_its_shape_and_its_golden_call(everything: ExternalVersion) -> None:
    version = everything
    assert version.files[MODEL_FILE] == EVERYTHING.SerializeToString()
    tensors = version.manifest.tensors
    assert tensors is not None
    assert [(t.name, t.datatype, t.shape) for t in tensors.inputs] == [
        ("b", "BOOL", (-1,)),
        ("h", "FP16", (-1,)),
        ("s", "BYTES", (-1, 2)),
        ("i", "INT64", (3,)),
        ("d", "FP64", (-1, -1, -1)),
    ]
    assert [(t.name, t.datatype, t.shape) for t in tensors.outputs] == [
        ("sum", "FP16", (-1,)),
        ("t", "BYTES", (-1, 2)),
        ("square", "INT64", (3,)),
        ("total", "FP64", ()),
        ("same/b:0", "BOOL", (-1,)),
    ]
    golden = read_arrays(version.files[GOLDEN_FILE])
    assert golden.keys() == {*(f"input_{at}" for at in range(5)), *(f"output_{at}" for at in range(5))}
    np.testing.assert_array_equal(golden["output_1"], golden["input_2"])


def test_a_server_loads_it_on_request_alone_and_repeats_its_golden_call(everything: ExternalVersion) -> None:
    registry = stored(everything)
    assert load(registry, "toy", 1).row_microseconds > 0
    watcher = Watcher(registry, poll_seconds=60)
    watcher.refresh()
    assert not watcher.catalog.models
    watcher.pins.add(("toy", 1))
    watcher.refresh()
    assert ("toy", 1) in watcher.catalog.models


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        (
            "output_0",
            lambda array: array + np.float16(1),
            "golden rows differ: 2 of 2 rows of sum, first row 0, by up to 1",
        ),
        ("output_1", lambda array: array[::-1].astype("<U3"), None),
        ("output_1", lambda array: np.full_like(array, "z"), "golden output t differs, where it must be equal"),
        ("output_3", lambda array: array + 1, "golden rows differ: 1 of 1 rows of total"),
        ("output_4", lambda array: ~array, "golden output same/b:0 differs"),
        ("input_3", None, "golden.npz lacks input_3"),
        ("input_3", lambda array: array[:2], "the golden rows cannot be scored"),
    ],
)
def test_a_server_refuses_it_where_the_golden_call_is_another(
    name: str, change: Any, reason: str | None, everything: ExternalVersion
) -> None:
    arrays = read_arrays(everything.files[GOLDEN_FILE])
    if change is None:
        del arrays[name]
    else:
        arrays[name] = change(arrays[name])
    registry = stored(everything, golden_npz=write_arrays(arrays))
    if reason is None:
        load(registry, "toy", 1)
        return
    with pytest.raises(LoadError, match=reason):
        load(registry, "toy", 1)


def test_a_server_refuses_a_graph_that_takes_something_else_than_its_manifest_says(everything: ExternalVersion) -> None:
    other = model([node("Identity", ["x"], ["y"])], outputs=[value("y")])
    registry = stored(everything, model_onnx=other.SerializeToString())
    with pytest.raises(LoadError, match=r"the graph takes \{'x': 'tensor\(float\)'\}, its manifest says"):
        load(registry, "toy", 1)


PICKED = model(
    [node("Reshape", ["table", "shape"], ["cube"]), node("Gather", ["cube", "index"], ["y"], axis=1)],
    inputs=[value("index", ("N",), TensorProto.INT64), value("shape", (3,), TensorProto.INT64)],
    outputs=[value("y", None)],
    constants={"table": np.arange(1000, 1006, dtype=np.float32)},
)


def test_probes_are_given_where_made_up_inputs_make_no_sense(tmp_path: Path) -> None:
    with pytest.raises(GateError, match=r"no made-up inputs run \(it fails on .*--probes FILE\.npz"):
        kept(PICKED, tmp_path)
    with pytest.raises(GateError, match="the probes lack the input 'shape'"):
        kept(PICKED, tmp_path, index=np.array([5, 1]))
    version = kept(PICKED, tmp_path, index=np.array([2, 1]), shape=np.array([1, 3, 2]))
    assert version.manifest.tensors is not None
    assert version.manifest.tensors.outputs[0].shape == (-1, -1, -1)
    golden = read_arrays(version.files[GOLDEN_FILE])
    np.testing.assert_array_equal(golden["output_0"].ravel(), [1004, 1005, 1002, 1003])
    assert version.manifest.golden is not None
    assert version.manifest.golden.tolerances == {"y": pytest.approx(1e-5 * 1005)}
    load(stored(version), "toy", 1)


def test_probes_that_are_no_arrays_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(PICKED.SerializeToString())
    (tmp_path / "probes.npz").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(GateError, match=r"the probes are no \.npz file of plain arrays"):
        raw_version("toy", tmp_path / "m.onnx", created_at=NOW, probes=tmp_path / "probes.npz")


def test_what_comes_out_must_be_tensors(tmp_path: Path) -> None:
    scores = [value("scores", ("N", 2))]
    zipped = model([helper.make_node("ZipMap", ["scores"], ["y"], domain="ai.onnx.ml", classlabels_int64s=[0, 1])])
    zipped.graph.input[0].CopyFrom(scores[0])
    kind = helper.make_sequence_type_proto(helper.make_map_type_proto(TensorProto.INT64, value("y").type))
    zipped.graph.output[0].type.CopyFrom(kind)
    sequence = model([node("SequenceConstruct", ["x"], ["y"])])
    sequence.graph.output[0].type.CopyFrom(helper.make_sequence_type_proto(value("y").type))
    optional = model([node("Optional", ["x"], ["y"])])
    optional.graph.output[0].type.CopyFrom(helper.make_optional_type_proto(value("x").type))
    brain = model(
        [node("Cast", ["x"], ["y"], to=TensorProto.BFLOAT16)], outputs=[value("y", kind=TensorProto.BFLOAT16)]
    )
    untyped = model([node("Identity", ["x"], ["y"])])
    untyped.graph.output[0].ClearField("type")
    for graph, said in (
        (zipped, "its output 'y' is a sequence, not a tensor"),
        (sequence, "its output 'y' is a sequence, not a tensor"),
        (optional, "its output 'y' is an optional value, not a tensor"),
        (brain, "its output 'y' holds BFLOAT16, which no client can read"),
        (untyped, "its output 'y' is of no stated type, not a tensor"),
    ):
        assert said in inspected(graph, tmp_path, None, Wrapping()).problems[0]


def test_a_call_too_large_to_keep_is_refused(tmp_path: Path) -> None:
    large = model([node("Identity", ["x"], ["y"])], inputs=[value("x", (2**14, 2**14))], outputs=[value("y", None)])
    assert "for one call, 67,108,864 are kept" in inspected(large, tmp_path, None, Wrapping()).problems[0]


def test_a_graph_without_inputs_is_a_constant(tmp_path: Path) -> None:
    graph = model(
        [node("Identity", ["c"], ["y"])], inputs=[], outputs=[value("y", (2,))], constants={"c": np.ones(2, "f")}
    )
    version = kept(graph, tmp_path)
    assert version.manifest.tensors is not None
    assert version.manifest.tensors.inputs == ()
    load(stored(version), "toy", 1)
