"""``scoreline publish``, run as a person runs it."""

import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from scoreline_registry.documents.manifest import CARD_FILE, GOLDEN_FILE, MODEL_FILE, REFERENCE_FILE
from scoreline_registry.errors import RefusedError
from scoreline_registry.registry import Registry
from scoreline_registry.routing.route_spec import RouteSpec
from scoreline_trainers.commands.publishing import import_repository, publish
from scoreline_trainers.explanation.cohort import Cohort
from scoreline_trainers.publishing.spec import ManifestSpec
from tests.trainers.graphs import mean_model, model, node, run, value

MANIFEST = {
    "inputs": {"features": [{"name": "a", "default": 0.5}, {"name": "b", "required": True, "min": 0, "max": 1}]},
    "score": {"meaning": "how likely"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "manifest.yaml").write_text(yaml.safe_dump(MANIFEST))
    (tmp_path / "mean.onnx").write_bytes(mean_model().SerializeToString())
    standard = model(
        [node("ReduceMean", ["features", "axes"], ["m"], keepdims=0), node("Sigmoid", ["m"], ["score"])],
        inputs=[value("features")],
        outputs=[value("score", ("N",))],
        constants={"axes": np.array([1])},
    )
    (tmp_path / "standard.onnx").write_bytes(standard.SerializeToString())
    Registry.create(tmp_path / "registry")
    return tmp_path


def test_a_graph_of_the_standard_signature_is_published_byte_by_byte(folder: Path) -> None:
    words = (folder / "standard.onnx", "--model", "toy", "--manifest", folder / "manifest.yaml")
    result = run(publish, *words, "--registry", folder / "registry", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["version"] == 1
    registry = Registry.open(folder / "registry")
    manifest = registry.manifest("toy", 1)
    assert manifest.files.keys() == {MODEL_FILE, GOLDEN_FILE, CARD_FILE}
    assert (manifest.family, manifest.parity) == ("onnx", None)
    assert manifest.golden is not None
    assert manifest.golden.rows == 32
    assert registry.read_file("toy", 1, MODEL_FILE) == (folder / "standard.onnx").read_bytes()
    assert registry.latest().models["toy"].aliases == {"champion": 1}


def test_a_wrapped_graph_says_on_how_many_rows_it_equals_the_original(folder: Path) -> None:
    words = (folder / "mean.onnx", "--model", "toy", "--score-output", "y", "--features", "a,b")
    result = run(publish, *words, "--registry", folder / "registry", "--json")
    assert result.exit_code == 0, result.stderr
    facts = json.loads(result.stdout)
    assert facts["features"] == ["a", "b"]
    assert facts["parity"]["rows"] == facts["rows_checked"] >= 2000
    assert facts["parity"]["max_difference"] <= facts["parity"]["tolerance"] == 1e-5
    manifest = Registry.open(folder / "registry").manifest("toy", 1)
    assert all(feature.required for feature in manifest.inputs.features)


def test_rows_of_a_table_become_those_that_reasons_compare_with(folder: Path) -> None:
    (folder / "rows.csv").write_text("a,b,other\n0.1,0.2,x\n,0.9,y\n")
    words = (folder / "standard.onnx", "--model", "toy", "--manifest", folder / "manifest.yaml")
    result = run(publish, *words, "--registry", folder / "registry", "--reference", folder / "rows.csv")
    assert result.exit_code == 0, result.stderr
    cohort = Cohort.read(Registry.open(folder / "registry").read_file("toy", 1, REFERENCE_FILE))
    np.testing.assert_allclose(cohort.population.table, [[0.1, 0.2], [0.5, 0.9]], rtol=1e-6)
    (folder / "wrong.csv").write_text("a\n0.1\n")
    refused = run(publish, *words, "--registry", folder / "registry", "--reference", folder / "wrong.csv")
    assert refused.exit_code == 1
    assert "b" in refused.stderr
    useless = run(publish, folder / "standard.onnx", "--model", "t", "--as-is", "--reference", folder / "rows.csv")
    assert useless.exit_code == 2


def test_a_dry_run_checks_everything_and_publishes_nothing(folder: Path) -> None:
    words = ("--model", "toy", "--score-output", "y", "--manifest", folder / "manifest.yaml", "--dry-run")
    result = run(publish, folder / "mean.onnx", *words, "--registry", folder / "registry")
    assert result.exit_code == 0, result.stderr
    assert "toy passed every check; nothing was published: equals the original within" in result.stdout
    assert not Registry.open(folder / "registry").latest().models


def test_a_graph_of_another_signature_is_refused_and_the_way_out_is_named(folder: Path) -> None:
    words = ("--model", "toy", "--manifest", folder / "manifest.yaml", "--registry", folder / "registry")
    result = run(publish, folder / "mean.onnx", *words)
    assert result.exit_code == 1
    assert "Error: version of toy: it lacks the input 'features'; it has an input 'x'" in result.stderr
    assert "its outputs are 'y', not 'score'" in result.stderr
    assert "--score-output" in result.stderr
    assert not Registry.open(folder / "registry").latest().models


def test_a_mistyped_registry_is_refused_before_the_graph_is_read(folder: Path) -> None:
    words = ("--model", "toy", "--manifest", folder / "manifest.yaml", "--registry", folder / "registri")
    result = run(publish, folder / "mean.onnx", *words)
    assert result.exit_code == 1
    assert result.stderr == (f"Error: there is no registry at {folder / 'registri'}: make one with `scoreline init`\n")
    assert not (folder / "registri").exists()


def test_a_manifest_with_unknown_keys_is_refused(folder: Path) -> None:
    (folder / "manifest.yaml").write_text(yaml.safe_dump({**MANIFEST, "metric": {"auc": 0.9}}))
    words = ("--model", "toy", "--manifest", folder / "manifest.yaml", "--dry-run")
    result = run(publish, folder / "mean.onnx", *words)
    assert result.exit_code == 1
    assert "Error: manifest.yaml: metric: unknown key; did you mean 'metrics'?" in result.stderr


def test_a_pickled_model_is_refused_with_the_way_to_convert_it(folder: Path) -> None:
    (folder / "pipe.joblib").write_bytes(pickle.dumps({"a": 1}))
    words = ("--model", "toy", "--score-output", "y", "--features", "a", "--dry-run")
    result = run(publish, folder / "pipe.joblib", *words)
    assert result.exit_code == 1
    assert "it is a pickled Python object: convert it with skl2onnx.to_onnx (scikit-learn) first" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--as-is", "--score-output", "y"], "has no use for --score-output"),
        (["--as-is", "--features", "a"], "has no use for --features"),
        (["--features", "a", "--manifest", "mean.onnx"], "leave them out"),
        (["--input", "x"], "'x' is not NAME=TARGET"),
        (["--probes", "mean.onnx"], "--probes goes with --as-is"),
    ],
)
def test_options_that_contradict_each_other_are_bad_usage(
    folder: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(folder)
    result = run(publish, "mean.onnx", "--model", "toy", *words)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_as_is_moves_no_alias_unless_told_to_and_no_route_can_name_it(folder: Path) -> None:
    words = (folder / "mean.onnx", "--model", "toy", "--as-is", "--registry", folder / "registry")
    result = run(publish, *words)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "published toy@1: as it is, taking x FP32[-1, 2]; no route can name it\n"
    registry = Registry.open(folder / "registry")
    assert registry.latest().models["toy"].aliases == {}
    assert run(publish, *words, "--alias", "raw").exit_code == 0
    assert registry.latest().models["toy"].aliases == {"raw": 2}
    for schema in ({"features": {"a": "number"}}, {"like": "toy@raw"}):
        spec = RouteSpec.model_validate(
            {"route": "r", "schema": schema, "salt": "s", "rules": [{"split": {"toy@1": 100}}]}
        )
        with pytest.raises(RefusedError, match=r"toy@\w+: it was published as it is and answers raw tensors"):
            registry.apply_route(spec, author="me", message="")


def test_the_manifest_in_the_documentation_is_one(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "guides" / "publishing.md").read_text(encoding="utf-8")
    (tmp_path / "credit.yaml").write_text(text.partition("```yaml\n")[2].partition("```")[0])
    spec = ManifestSpec.load(tmp_path / "credit.yaml")
    assert [feature.name for feature in spec.inputs.features] == ["income", "visits", "city"]
    for option in re.findall(r"`(--[a-z-]+)", text):
        assert any(option in parameter.opts for command in (publish, import_repository) for parameter in command.params)
