"""Graphs that must not be published: each is refused with its reason, and the publisher lives on."""

import os
import pickle
import re
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from scoreline_registry.errors import GateError
from scoreline_trainers.commands.publishing import publish
from scoreline_trainers.publishing.confinement import Limits
from scoreline_trainers.publishing.external import ExternalVersion, raw_version
from scoreline_trainers.publishing.screening import parsed, screening_problems
from scoreline_trainers.publishing.spec import ManifestSpec, Verdict, Wrapping
from tests.trainers.graphs import inspected, mean_model, model, node, run, value

NOW = datetime(2026, 1, 2, tzinfo=UTC)
TIGHT = Limits(memory_bytes=2**30, seconds=20)
Made = Callable[[], onnx.ModelProto]


def kept(graph: onnx.ModelProto, folder: Path, *, limits: Limits = TIGHT) -> ExternalVersion:
    (folder / "m.onnx").write_bytes(graph.SerializeToString())
    return raw_version("toy", folder / "m.onnx", created_at=NOW, limits=limits)


def verdict(graph: onnx.ModelProto, folder: Path, *, as_is: bool = False) -> Verdict:
    spec = ManifestSpec.stated(features=["a", "b"], meaning="test")
    return inspected(graph, folder, None if as_is else spec, Wrapping(score_output="y"))


def custom_operator() -> onnx.ModelProto:
    return model([node("Steal", ["x"], ["y"], domain="evil")], domains=["evil"])


def custom_operator_in_a_branch() -> onnx.ModelProto:
    inner = helper.make_graph([node("Steal", ["x"], ["z"], domain="evil")], "then", [], [value("z")])
    return model([node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)], constants={"c": np.array(True)})


def external(place: str) -> onnx.ModelProto:
    made = mean_model()
    tensor = made.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=place)
    return made


def external_in_an_attribute() -> onnx.ModelProto:
    tensor = external("/etc/passwd").graph.initializer[-1]
    return model([node("Constant", [], ["w"], value=tensor), node("ReduceMean", ["x"], ["y"], keepdims=0)])


def sparse_weights() -> onnx.ModelProto:
    made = mean_model()
    values = helper.make_tensor("s", TensorProto.FLOAT, [1], [1.0])
    places = helper.make_tensor("i", TensorProto.INT64, [1], [0])
    made.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [4]))
    return made


def random_numbers() -> onnx.ModelProto:
    return model([node("RandomUniformLike", ["x"], ["u"]), node("ReduceMean", ["u"], ["y"], keepdims=0)])


def two_outputs_of_one_name() -> onnx.ModelProto:
    return mean_model(outputs=[value("y", ("N",)), value("y", ("N",))])


def bfloat16_input() -> onnx.ModelProto:
    return model([node("Identity", ["x"], ["y"])], inputs=[value("x", kind=TensorProto.BFLOAT16)])


def sequence_input() -> onnx.ModelProto:
    made = mean_model()
    made.graph.input[0].type.CopyFrom(helper.make_sequence_type_proto(made.graph.input[0].type))
    return made


def nested(depth: int) -> onnx.ModelProto:
    inner = helper.make_graph([node("Identity", ["x"], ["z"])], "g", [], [value("z")])
    for _ in range(depth):
        inner = helper.make_graph(
            [node("If", ["c"], ["z"], then_branch=inner, else_branch=inner)], "g", [], [value("z")]
        )
        del inner.node[0].attribute[1]
    return model([*inner.node, node("Identity", ["z"], ["y"])], constants={"c": np.array(True)})


def function(name: str, calls: list[str]) -> onnx.FunctionProto:
    """f(x) = the functions called, one after another."""
    names = ["x", *(f"t{index}" for index in range(len(calls) - 1)), "r"]
    nodes = [node(called, [names[at]], [names[at + 1]], domain="own") for at, called in enumerate(calls)]
    opsets = [helper.make_opsetid("own", 1), helper.make_opsetid("", 21)]
    return helper.make_function("own", name, ["x"], ["r"], nodes, opsets)


def recursive_function() -> onnx.ModelProto:
    functions = [function("f", ["g"]), function("g", ["f"])]
    return model([node("f", ["x"], ["y"], domain="own")], functions=functions, domains=["own"])


def doubling_functions() -> onnx.ModelProto:
    """Thirty functions that call the next one twice: a billion nodes in a few kilobytes."""
    functions = [function(f"f{level}", [f"f{level + 1}"] * 2) for level in range(30)]
    last = helper.make_function(
        "own", "f30", ["x"], ["r"], [node("Identity", ["x"], ["r"])], [helper.make_opsetid("", 21)]
    )
    return model([node("f0", ["x"], ["y"], domain="own")], functions=[*functions, last], domains=["own"])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (custom_operator, r"it uses custom operators, which no server has: 'evil\.Steal'"),
        (custom_operator_in_a_branch, r"custom operators, which no server has: 'evil\.Steal'"),
        (lambda: external("weights.bin"), r"weights in other files, which are never opened \('weights\.bin'\): save"),
        (lambda: external("../../etc/passwd"), r"never opened \('\.\./\.\./etc/passwd'\)"),
        (lambda: external("/etc/passwd"), r"never opened \('/etc/passwd'\)"),
        (external_in_an_attribute, r"never opened \('/etc/passwd'\)"),
        (sparse_weights, "it holds sparse weights"),
        (random_numbers, "it draws random numbers, .*: 'RandomUniformLike'"),
        (two_outputs_of_one_name, "duplicate output name 'y'"),
        (bfloat16_input, "its input 'x' holds BFLOAT16, which no client can read"),
        (sequence_input, "its input 'x' is a sequence, not a tensor"),
        (lambda: nested(20), "its graphs are nested more than 16 deep"),
        (recursive_function, "its function 'f' calls itself"),
        (doubling_functions, "it has more than 1,000,000 nodes once its functions are unfolded"),
    ],
)
def test_what_a_graph_must_not_hold_is_seen_without_running_it(make: Made, reason: str) -> None:
    (problem,) = screening_problems(make())
    assert re.search(reason, problem)


@pytest.mark.parametrize("data", [b"", b"not a model", b"\x00" * 100, mean_model().SerializeToString()[:40]])
def test_what_is_no_onnx_model_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(ValueError, match="it is not a valid ONNX model: ") as caught:
        parsed(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "advice"),
    [
        (pickle.dumps([1]), "skl2onnx.to_onnx"),
        (zlib.compress(pickle.dumps([1])), "skl2onnx.to_onnx"),
        (b"PK\x03\x04 archive/data.pkl", "torch.onnx.export"),
        (b"tree\nversion=v4\n", "onnxmltools.convert_lightgbm"),
        (b'{"learner": {}}', "onnxmltools.convert_xgboost"),
        (b"\x89HDF\r\n", "tf2onnx"),
        (b"CBM1\x00\x00", "format='onnx'"),
        (b"PAR1\x15\x04", "scoreline train"),
    ],
)
def test_a_model_in_another_format_is_refused_with_the_way_to_convert_it(data: bytes, advice: str) -> None:
    with pytest.raises(ValueError, match=f"it is not a valid ONNX model: it is a.*{re.escape(advice)}"):
        parsed(data)


def test_a_model_cut_off_anywhere_is_never_published(tmp_path: Path) -> None:
    whole = mean_model().SerializeToString()
    graph = mean_model().graph
    for end in range(1, len(whole)):
        try:
            model = parsed(whole[:end])
        except ValueError:
            continue
        # What stands behind the graph, such as an opset that it does not use, it can do without.
        assert verdict(model, tmp_path).problems or model.graph == graph
    (tmp_path / "m.onnx").write_bytes(whole[:-1])
    with pytest.raises(GateError, match="version of toy: it is not a valid ONNX model"):
        raw_version("toy", tmp_path / "m.onnx", created_at=NOW)


def wanting(elements: int) -> onnx.ModelProto:
    """y = the mean of x plus a zero that is computed from many."""
    return model(
        [
            node("ConstantOfShape", ["many"], ["zeros"]),
            node("ReduceSum", ["zeros"], ["zero"], keepdims=0),
            node("ReduceMean", ["x", "axes"], ["m"], keepdims=0),
            node("Add", ["m", "zero"], ["y"]),
        ],
        constants={"many": np.array([elements]), "axes": np.array([1])},
    )


def tiled() -> onnx.ModelProto:
    return model(
        [
            node("Tile", ["x", "times"], ["wide"]),
            node("ReduceMean", ["wide", "axes"], ["y"], keepdims=0),
        ],
        constants={"times": np.array([1, 2**28]), "axes": np.array([1])},
    )


def ranged() -> onnx.ModelProto:
    return model(
        [
            node("Range", ["zero", "many", "one"], ["all"]),
            node("ReduceMax", ["all"], ["most"], keepdims=0),
            node("Cast", ["most"], ["number"], to=TensorProto.FLOAT),
            node("ReduceMean", ["x", "axes"], ["m"], keepdims=0),
            node("Add", ["m", "number"], ["y"]),
        ],
        constants={"zero": np.int64(0), "many": np.int64(2**40), "one": np.int64(1), "axes": np.array([1])},
    )


def endless() -> onnx.ModelProto:
    body = helper.make_graph(
        [node("Identity", ["go"], ["on"]), node("Mul", ["v", "v"], ["w"])],
        "body",
        [value("i", (), TensorProto.INT64), value("go", (), TensorProto.BOOL), value("v", None)],
        [value("on", (), TensorProto.BOOL), value("w", None)],
    )
    return model(
        [node("Loop", ["most", "yes", "x"], ["z"], body=body), node("ReduceMean", ["z", "axes"], ["y"], keepdims=0)],
        constants={"most": np.int64(2**62), "yes": np.array(True), "axes": np.array([1])},
    )


@pytest.mark.parametrize("make", [lambda: wanting(2**40), lambda: wanting(2**29), tiled, ranged])
def test_a_graph_that_wants_more_memory_than_it_may_have_is_refused(make: Made, tmp_path: Path) -> None:
    with pytest.raises(GateError, match=r"it wants more memory than the 1\.0 GiB that checking it may take"):
        kept(make(), tmp_path)
    assert len(make().SerializeToString()) < 1000


def test_a_graph_that_never_ends_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(GateError, match=r"did not end within 2 s; .*--max-seconds"):
        kept(endless(), tmp_path, limits=Limits(seconds=2))


def test_a_graph_that_crashes_the_runtime_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No graph is known that crashes this runtime, so one that starts with a crash stands for it."""
    (tmp_path / "sitecustomize.py").write_text("import os\nos.abort()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(GateError, match="checking it ended with SIGABRT: ONNX Runtime does not survive this graph"):
        kept(mean_model(), tmp_path)


def not_a_number() -> onnx.ModelProto:
    nodes = [node("Log", ["x"], ["l"]), node("ReduceMean", ["l", "axes"], ["m"], keepdims=0)]
    nodes.append(node("Sigmoid", ["m"], ["y"]))
    return model(nodes, constants={"axes": np.array([1])})


def beyond_one() -> onnx.ModelProto:
    return model([node("ReduceMean", ["x", "axes"], ["y"], keepdims=0)], constants={"axes": np.array([1])})


def other_sides() -> onnx.ModelProto:
    return mean_model(inputs=[value("x", ("N", "C", "H", "W"))])


def half_precision() -> onnx.ModelProto:
    nodes = [node("Cast", ["x"], ["f"], to=1), node("ReduceMean", ["f", "axes"], ["y"], keepdims=0)]
    inputs = [value("x", kind=TensorProto.FLOAT16)]
    return model(nodes, inputs=inputs, constants={"axes": np.array([1])})


def training_dropout(columns: int = 2) -> onnx.ModelProto:
    nodes = [
        node("Dropout", ["x", "ratio", "training"], ["d"]),
        node("ReduceMean", ["d", "axes"], ["m"], keepdims=0),
        node("Sigmoid", ["m"], ["y"]),
    ]
    constants: dict[str, Any] = {"ratio": np.float32(0.5), "training": np.array(True), "axes": np.array([1])}
    return model(nodes, inputs=[value("x", ("N", columns))], constants=constants)


def batch_mean() -> onnx.ModelProto:
    nodes = [node("ReduceMean", ["x", "axes"], ["m"], keepdims=0), node("ReduceMean", ["m"], ["all"], keepdims=1)]
    nodes += [node("Sub", ["m", "all"], ["c"]), node("Sigmoid", ["c"], ["y"])]
    return model(nodes, constants={"axes": np.array([1])})


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (not_a_number, r"\d+ of \d+ scores are not finite numbers; first: row \d+ \(sample\)"),
        (beyond_one, r"scores run from \S+ to \S+, outside 0 to 1"),
        (other_sides, r"input 'x' has the shape \['N', 'C', 'H', 'W'\], which no features have; publish it --as-is"),
        (half_precision, "input 'x' takes FLOAT16; features become float32"),
        (training_dropout, r"'score' of the graph and of the native model: \d+ of \d+ rows differ"),
        (batch_mean, "'score' in batches of 1"),
    ],
)
def test_what_gives_no_usable_score_is_refused(make: Made, reason: str, tmp_path: Path) -> None:
    assert re.search(reason, "; ".join(verdict(make(), tmp_path).problems))


def test_a_graph_kept_as_it_is_must_answer_the_same_call_in_the_same_way(tmp_path: Path) -> None:
    # So many columns that no two draws are alike.
    problems = verdict(training_dropout(columns=500), tmp_path, as_is=True).problems
    assert problems == ("output 'y' differs when the same inputs are sent again",)


def test_of_a_file_over_the_limit_no_byte_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "m.onnx").open("wb") as file:
        file.truncate(2**33)
    opened: list[Path] = []
    monkeypatch.setattr(Path, "open", lambda path, *_mode: opened.append(path))
    result = run(publish, tmp_path / "m.onnx", "--model", "toy", "--as-is", "--dry-run")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: version of toy: m.onnx has 8,589,934,592 bytes, at most 536,870,912 are read (--max-bytes)\n"
    )
    assert not opened


@pytest.mark.parametrize("size", [90, 110])
def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    (tmp_path / "m.onnx").write_bytes(bytes(100))
    before = os.stat_result((*(tmp_path / "m.onnx").stat()[:6], size, 0, 0, 0))
    monkeypatch.setattr(Path, "stat", lambda *_path, **_follow: before)
    with pytest.raises(GateError, match=r"m\.onnx changed its size while it was read"):
        raw_version("toy", tmp_path / "m.onnx", created_at=NOW)


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.onnx")
    for path in (tmp_path / "m.onnx", Path("/dev/zero")):
        with pytest.raises(GateError, match="is no regular file"):
            raw_version("toy", path, created_at=NOW)


def test_a_link_to_weights_elsewhere_is_never_followed(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").symlink_to("/etc/passwd")
    with pytest.raises(GateError, match=r"never opened \('weights\.bin'\)"):
        kept(external("weights.bin"), tmp_path)
