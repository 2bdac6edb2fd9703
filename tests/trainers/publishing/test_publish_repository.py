"""Model repositories of Triton and OpenVINO: their configurations read, their versions published."""

import json
import re
from pathlib import Path
from typing import Any

import onnx
import pytest

from scoreline_registry.documents.manifest import MODEL_FILE
from scoreline_registry.export.folder import export_triton
from scoreline_registry.registry import Registry
from scoreline_trainers.commands.publishing import import_repository, publish
from scoreline_trainers.publishing.model_config import VersionPolicy, parse_config
from scoreline_trainers.publishing.repository import find_versions, model_name
from tests.trainers.graphs import mean_model, model, node, run, value

CONFIG = """
# As people write it.
name: "credit"
platform: "onnxruntime_onnx"
max_batch_size : 0
input [ { name: "x"  data_type: TYPE_FP32  dims: [ -1, 2 ] } ]
output [
  { name: "y", data_type: TYPE_FP32, dims: [ -1 ], label_filename: "labels.txt" }
]
version_policy: { specific: { versions: [ 1, 3 ] } }
instance_group [ { count: 2 kind: KIND_CPU } ]
dynamic_batching { preferred_batch_size: [ 4, 8 ] max_queue_delay_microseconds: 100 }
parameters { key: "intra" value: { string_value: "1 } ]" } }
optimization { execution_accelerators { cpu_execution_accelerator: [ { name: "openvino" } ] } }
"""


def test_a_configuration_is_read_as_far_as_it_says_what_a_model_is() -> None:
    config = parse_config(CONFIG)
    assert (config.name, config.kind, config.file, config.is_onnx) == ("credit", "onnxruntime_onnx", "model.onnx", True)
    assert (config.inputs, config.outputs) == ({"x": "FP32"}, {"y": "FP32"})
    assert config.policy.served([1, 2, 3, 4]) == {1, 3}
    repeated = parse_config('backend: "onnxruntime" input { name: "a" data_type: 13 } input { name: "b" }')
    assert repeated.inputs == {"a": "BYTES", "b": None}


@pytest.mark.parametrize(
    ("text", "served"),
    [
        ("", {9}),
        ("version_policy { latest { num_versions: 2 } }", {3, 9}),
        ("version_policy { latest { } }", {9}),
        ("version_policy: { all { } }", {1, 3, 9}),
        ("version_policy: { specific { versions: 1 versions: 7 } }", {1}),
    ],
)
def test_a_version_policy_says_what_was_served(text: str, served: set[int]) -> None:
    assert parse_config(text).policy.served([1, 3, 9]) == served
    assert VersionPolicy().served([]) == set()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name: credit {", "line 1: Expected string but found: 'credit'"),
        ("input [ { name: 'x' }\n name: 'y' ]", 'line 2: Expected ",".'),
        ("input {\n name: 'x'", 'line 2: Expected "}".'),
        ("name 'credit'", 'line 1: Expected ":".'),
        ("name: 'credit\n'", "line 1: "),
        ("name: 'a' name: 'b'", 'should not have multiple "name" fields'),
        ("input { name: 'x' data_type: TYPE_FP31 }", "has no value named TYPE_FP31"),
        ("parameters " + "{ a " * 5000 + "}" * 5000, "its messages are nested too deep"),
        ("\x00\x01", "line 1: Expected identifier or number"),
        ("a: [[", "line 1: "),
        ("version_policy { specific { versions: two } }", "line 1: "),
        ("version_policy { latest { num_versions: -1 } }", "line 1: "),
    ],
)
def test_what_is_no_configuration_is_refused_in_one_line(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)) as caught:
        parse_config(text)
    assert "\n" not in str(caught.value)


def test_every_list_of_messages_that_configurations_hold_is_passed_over() -> None:
    text = """
    instance_group [ { count: 2 rate_limiter { resources [ { name: "R1" count: 4 } ] } secondary_devices [ { } ] } ]
    dynamic_batching { priority_queue_policy [ { key: 1 value: { timeout_action: DELAY } } ] }
    optimization { execution_accelerators { gpu_execution_accelerator [ { name: "t" parameters [ { key: "a" } ] } ] } }
    sequence_batching {
      control_input [ { name: "S" control [ { kind: CONTROL_SEQUENCE_START fp32_false_true: [ 0, 1 ] } ] } ]
      state [ { input_name: "a" initial_state [ { name: "z" } ] } ]
    }
    ensemble_scheduling { step [ { model_name: "a" model_version: -1 input_map [ { key: "a" value: "b" } ] } ] }
    model_warmup [ { name: "w" inputs [ { key: "x" value: { data_type: TYPE_FP32 dims: [2] zero_data: true } } ] } ]
    model_repository_agents { agents [ { name: "checksum" parameters { key: "a" value: "b" } } ] }
    batch_input [ { kind: BATCH_ELEMENT_COUNT } ] batch_output [ { target_name: [ "y" ] } ]
    model_metrics { metric_control: [ { metric_identifier: { family: "f" } } ] }
    model_operations { op_library_filename: "a.so" }
    tomorrow { unheard_of: 1 } name: "credit"
    """
    assert parse_config(text).name == "credit"


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("credit", "credit"),
        ("Credit_Model.v2", "credit-model-v2"),
        ("7days", "m-7days"),
        ("__", ""),
        ("größe", "gr-e"),
        ("a" * 99, "m-" + "a" * 62),
    ],
)
def test_names_that_no_registry_could_hold_are_changed(folder: str, name: str) -> None:
    assert model_name(folder) == name


def put(folder: Path, name: str, *, config: str | None = None, **versions: onnx.ModelProto) -> None:
    for version, graph in versions.items():
        (folder / name / version.strip("v")).mkdir(parents=True)
        (folder / name / version.strip("v") / "model.onnx").write_bytes(graph.SerializeToString())
    (folder / name).mkdir(exist_ok=True)
    if config is not None:
        (folder / name / "config.pbtxt").write_text(config)


def doubled() -> onnx.ModelProto:
    return model([node("Add", ["x", "x"], ["y"])], outputs=[value("y")])


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One good model of two versions, and everything else that such folders hold."""
    folder = tmp_path / "repository"
    put(folder, "credit", config=CONFIG, v1=mean_model(), v2=mean_model(opset=20))
    put(folder, "Plain", v4=doubled())
    put(folder, "plain", v1=doubled())
    put(folder, "torch", config='platform: "pytorch_libtorch"', v1=doubled())
    put(folder, "chain", config='platform: "ensemble"')
    put(folder, "escape", config='default_model_filename: "../../secret.onnx"', v1=doubled())
    put(folder, "other", config='name: "another"', v1=doubled())
    put(folder, "broken", config="name: {", v1=doubled())
    put(folder, "wrong", config='input { name: "x" data_type: TYPE_INT64 }', v1=doubled())
    put(folder, "custom", v1=model([node("Steal", ["x"], ["y"], domain="evil")], domains=["evil"]))
    put(folder, "link")
    (folder / "link/1").mkdir()
    (tmp_path / "secret.onnx").write_bytes(doubled().SerializeToString())
    (folder / "link/1/model.onnx").symlink_to(tmp_path / "secret.onnx")
    (folder / "link/2").mkdir()
    (folder / ".git").mkdir()
    (folder / "README.md").write_text("ours")
    Registry.create(tmp_path / "registry")
    return folder


def test_every_version_is_found_and_what_cannot_be_taken_says_why(repository: Path) -> None:
    found = {f"{version.folder}/{version.version}": version for version in find_versions(repository)}
    assert {name: version.skipped for name, version in found.items() if version.skipped} == {
        "plain/0": "it would be called plain as Plain is: rename one of the folders",
        "torch/0": "its backend is 'pytorch_libtorch', not ONNX Runtime",
        "chain/0": "its backend is 'ensemble', not ONNX Runtime",
        "escape/0": "its file '../../secret.onnx' is not in the version's folder",
        "other/0": "config.pbtxt names it 'another', its folder 'other'",
        "broken/0": found["broken/0"].skipped,
        "link/1": "model.onnx is a link out of the repository",
        "link/2": "there is no model.onnx",
    }
    assert found["broken/0"].skipped.startswith("config.pbtxt is no model configuration: line 1: ")
    assert {name: version.served for name, version in found.items() if version.file} == {
        "credit/1": True,
        "credit/2": False,
        "Plain/4": True,
        "wrong/1": True,
        "custom/1": True,
    }


def table(text: str) -> dict[str, Any]:
    """The rows of a printed JSON table by where they come from."""
    return {f"{row['repository_model']}/{row['repository_version']}": row for row in json.loads(text)}


def test_a_repository_is_imported_with_a_table_of_what_became_of_each_version(repository: Path, tmp_path: Path) -> None:
    words = (repository, "--registry", tmp_path / "registry", "--alias", "champion", "--json")
    result = run(import_repository, *words)
    assert result.exit_code == 1
    assert result.stderr == "Error: 2 of 13 versions were refused; the others are done\n"
    rows = table(result.stdout)
    assert {name: (row["result"], row["model"], row["version"]) for name, row in rows.items() if row["version"]} == {
        "Plain/4": ("published", "plain", 1),
        "credit/1": ("published", "credit", 1),
        "credit/2": ("published", "credit", 2),
    }
    assert rows["wrong/1"]["result"] == rows["custom/1"]["result"] == "refused"
    assert rows["wrong/1"]["reason"] == "config.pbtxt has the input 'x' as INT64, the graph as FP32"
    assert "custom operators" in rows["custom/1"]["reason"]
    registry = Registry.open(tmp_path / "registry")
    document = registry.latest().models["credit"]
    assert document.aliases == {"champion": 1}
    assert document.entry(2).message == "imported from credit/2"
    assert registry.manifest("credit", 2).tensors is not None
    again = table(run(import_repository, *words, "--only", "credit", "--only", "Plain").stdout)
    assert again["credit/1"]["result"] == again["Plain/4"]["result"] == "already there"
    assert registry.latest().models["credit"].numbers == [1, 2]


def test_a_dry_run_checks_what_was_served_and_needs_no_registry(repository: Path, tmp_path: Path) -> None:
    words = ("--only", "credit", "--only", "torch", "--served-only", "--dry-run", "--registry", tmp_path / "none")
    result = run(import_repository, repository, *words)
    assert result.exit_code == 0, result.stderr
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["REPOSITORY", "SERVED", "RESULT", "HERE", "REASON"],
        ["credit/1", "yes", "passed"],
        ["torch", "no", "skipped", *["its", "backend", "is", "'pytorch_libtorch',", "not", "ONNX", "Runtime"]],
    ]
    assert not (tmp_path / "none").exists()


def test_versions_can_be_wrapped_as_they_come(repository: Path, tmp_path: Path) -> None:
    words = ("--only", "credit", "--score-output", "y", "--features", "a,b", "--registry", tmp_path / "registry")
    result = run(import_repository, repository, *words)
    assert result.exit_code == 0, result.stderr
    manifest = Registry.open(tmp_path / "registry").manifest("credit", 1)
    assert manifest.tensors is None
    assert manifest.parity is not None
    refused = run(import_repository, repository, "--features", "a,b", "--registry", tmp_path / "registry")
    assert refused.exit_code == 2


def test_a_folder_without_models_is_said_to_be_none(tmp_path: Path) -> None:
    result = run(import_repository, tmp_path, "--registry", tmp_path / "registry")
    assert result.exit_code == 1
    assert "holds no model: it needs folders such as MODEL/1/model.onnx" in result.stderr


def test_what_is_exported_for_triton_comes_back_byte_by_byte(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(mean_model().SerializeToString())
    ours, theirs = Registry.create(tmp_path / "ours"), Registry.create(tmp_path / "theirs")
    raw = run(publish, tmp_path / "m.onnx", "--model", "raw", "--as-is", "--registry", tmp_path / "ours")
    assert raw.exit_code == 0, raw.stderr
    words = (tmp_path / "m.onnx", "--model", "credit", "--score-output", "y", "--features", "a,b")
    for _ in range(2):
        assert run(publish, *words, "--registry", tmp_path / "ours").exit_code == 0
    export_triton(ours, tmp_path / "triton")
    result = run(import_repository, tmp_path / "triton", "--registry", tmp_path / "theirs", "--json")
    assert result.exit_code == 0, result.stderr
    first, second, third = json.loads(result.stdout)
    assert (first["served"], first["result"], first["version"]) == (True, "published", 1)
    assert (second["result"], second["version"]) == ("already there", 1)
    assert (third["model"], third["version"]) == ("raw", 1)
    assert theirs.manifest("raw", 1).tensors == ours.manifest("raw", 1).tensors
    assert theirs.read_file("credit", 1, MODEL_FILE) == ours.read_file("credit", 1, MODEL_FILE)
    tensors = theirs.manifest("credit", 1).tensors
    assert tensors is not None
    assert [(tensor.name, tensor.datatype, tensor.shape) for tensor in tensors.inputs] == [
        ("features", "FP32", (-1, 2))
    ]
