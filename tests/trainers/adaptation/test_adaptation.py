"""A segment that nobody knew, taken in from ten labelled rows: better scored itself, and nobody else touched."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result
from scipy.special import expit

pytest.importorskip("torch", reason="needs the extra deep")

from scoreline_registry.errors import GateError
from scoreline_registry.registry import Registry
from scoreline_trainers.adaptation.graph import HeadedGraph
from scoreline_trainers.adaptation.new_segment import NewSegment
from scoreline_trainers.adaptation.version import AdaptedVersion, Published, adapt
from scoreline_trainers.commands.adaptation import adapt as command
from scoreline_trainers.data.batch import Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import AdaptError, DataError
from scoreline_trainers.graph.scorer import OnnxScorer
from scoreline_trainers.heads.heads import log_odds
from scoreline_trainers.heads.record import Record
from scoreline_trainers.training.candidate import Candidate, publish_candidate
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train
from tests.trainers.tables import BOTH, FEW_SHOT, histories
from tests.trainers.worlds import NUMBERS, WORLD, new_segments, odd_segment, segments

SMALL: dict[str, Any] = {"segment": "segment", "hidden": (8, 6), "epochs": 2}
KNOWN = segments(5, 60)
SHOWN = odd_segment(10)
UNKNOWN = KNOWN.with_columns(pl.lit("nobody").alias("segment"))
NAMELESS = KNOWN.with_columns(pl.lit(None, pl.String).alias("segment"))


def recipe(family: str, **more: Any) -> Recipe:
    written = {**WORLD.model_dump(mode="json", exclude_defaults=True), "name": "world", "data": "unused.csv"}
    config = SMALL if family in FEW_SHOT else {}
    return Recipe.parse({**written, "family": family, "config": config, "description": "A world.", **more})


def published(candidate: Candidate) -> Published:
    return Published("world", 1, candidate.manifest, candidate.files)


def following(before: Published, made: AdaptedVersion) -> Published:
    return Published("world", before.version + 1, made.manifest, made.files)


def taken_in(before: Published, frame: pl.DataFrame = SHOWN, segment: str = "new", **options: Any) -> AdaptedVersion:
    new = NewSegment(segment, frame, "0" * 64)
    return adapt(before, new, created_at=before.manifest.created_at, **options)


def scores(version: Published | AdaptedVersion, frame: pl.DataFrame) -> Float64:
    """As a server scores the rows."""
    data = Dataset.from_table(frame, WORLD, inputs=version.manifest.inputs)
    return OnnxScorer(version.files["model.onnx"]).score(data.batch).astype(np.float64)


@pytest.fixture(scope="module", params=FEW_SHOT)
def candidate(request: pytest.FixtureRequest) -> Candidate:
    return train(recipe(request.param), KNOWN)


@pytest.fixture(scope="module")
def before(candidate: Candidate) -> Published:
    return published(candidate)


@pytest.fixture(scope="module")
def made(before: Published) -> AdaptedVersion:
    return taken_in(before)


@pytest.fixture(scope="module")
def plain() -> Published:
    return published(train(recipe("transfer"), KNOWN))


@pytest.mark.parametrize("others", [KNOWN, UNKNOWN, NAMELESS], ids=["known", "unknown", "missing"])
def test_nobody_else_is_scored_otherwise(before: Published, made: AdaptedVersion, others: pl.DataFrame) -> None:
    np.testing.assert_array_equal(scores(made, others), scores(before, others))
    assert made.moved == 0


def test_the_segment_is_scored_by_a_head_made_of_its_rows(candidate: Candidate, made: AdaptedVersion) -> None:
    fitted: Any = candidate.fitted
    data = Dataset.from_table(odd_segment(200, seed=3), WORLD, inputs=made.manifest.inputs)
    shown = Dataset.from_table(SHOWN, WORLD, inputs=made.manifest.inputs)
    states = [before_heads(fitted, each) for each in (shown, data)]
    head = fitted.rule.head(states[0], shown.label, fitted.heads.astype(np.float64))
    found = OnnxScorer(made.files["model.onnx"]).score(data.batch)
    np.testing.assert_allclose(found, expit(log_odds(states[1], head)), atol=1e-5)
    others = odd_segment(200, seed=3)
    assert np.abs(scores(made, others) - scores(published(candidate), others)).max() > 1e-3


def before_heads(fitted: Any, data: Dataset) -> Float64:
    """What the body says of the rows, natively."""
    import torch

    with torch.no_grad():
        features = torch.from_numpy(fitted.design.apply(data.batch.table).astype(np.float32))
        states: Float64 = fitted.body.eval()(features).numpy().astype(np.float64)
    return states


def test_the_new_name_stands_behind_the_known_ones(before: Published, made: AdaptedVersion) -> None:
    old, new = (each.manifest.inputs.features[-1].vocabulary for each in (before, made))
    assert new == (*old, "new")
    assert made.manifest.inputs.features[:-1] == before.manifest.inputs.features[:-1]


def test_a_version_says_what_it_was_made_of(before: Published, made: AdaptedVersion) -> None:
    assert Record.model_validate_json(made.files["adaptation.json"]).adapted == (made.entry,)
    assert (made.entry.segment, made.entry.version, made.entry.rows) == ("new", 1, 10)
    assert made.entry.positives == int(SHOWN["label"].sum())
    card = made.files["card.md"].decode()
    assert f"- new: 10 rows, {made.entry.positives} with label 1, added to version 1" in card
    assert "A world." in card
    counts = json.loads(made.files["baseline.json"])["categories"]["segment"]["counts"]
    assert counts == {**json.loads(before.files["baseline.json"])["categories"]["segment"]["counts"], "new": 10}


def test_the_gate_states_how_far_the_graph_may_be_from_the_native_model(
    before: Published, made: AdaptedVersion
) -> None:
    assert before.manifest.parity is not None
    assert made.manifest.parity is not None
    assert made.manifest.parity.rows >= 2000
    assert made.manifest.parity.max_difference == before.manifest.parity.max_difference
    assert made.manifest.golden == before.manifest.golden


def test_segments_are_taken_in_one_after_another(before: Published, made: AdaptedVersion) -> None:
    other = new_segments(1, 40)[0]
    twice = taken_in(following(before, made), other, "n00")
    for frame in (KNOWN, UNKNOWN, NAMELESS, odd_segment(100, seed=4)):
        np.testing.assert_array_equal(scores(twice, frame), scores(made, frame))
    # What was learned of one new is not held against the next.
    np.testing.assert_array_equal(scores(twice, other), scores(taken_in(before, other, "n00"), other))
    assert [entry.segment for entry in Record.model_validate_json(twice.files["adaptation.json"]).adapted] == [
        "new",
        "n00",
    ]


def test_a_head_can_be_made_anew_from_more_rows(before: Published, made: AdaptedVersion) -> None:
    more = odd_segment(60, seed=5)
    again = taken_in(following(before, made), more, again=True)
    np.testing.assert_array_equal(scores(again, KNOWN), scores(before, KNOWN))
    np.testing.assert_array_equal(scores(again, more), scores(taken_in(before, more), more))
    assert again.manifest.inputs == made.manifest.inputs
    assert len(Record.model_validate_json(again.files["adaptation.json"]).adapted) == 1


def test_a_calibrated_model_with_columns_of_its_own_is_adapted_too() -> None:
    engineered = [{"kind": "ratio", "name": "a_of_b", "numerator": "a", "denominator": "b"}]
    before = published(train(recipe("maml", calibration="sigmoid", engineered=engineered), KNOWN))
    made = taken_in(before)
    for others in (KNOWN, UNKNOWN, NAMELESS):
        np.testing.assert_array_equal(scores(made, others), scores(before, others))
    rows = odd_segment(100, seed=6)
    assert np.abs(scores(made, rows) - scores(before, rows)).max() > 0.01


def test_a_model_that_computes_from_histories_is_adapted_too() -> None:
    columns = BOTH.model_dump(mode="json", exclude_defaults=True)
    rolling = [{"kind": "rolling", "steps": ["spent"], "windows": [3], "statistics": ["mean"]}]
    config = {"segment": "city", "hidden": (8, 6), "epochs": 2}
    written = {**columns, "engineered": rolling, "family": "multitask", "config": config}
    before = published(train(Recipe.parse({**written, "name": "world", "data": "unused.csv"}), histories()))
    shown = histories(10, longest=4, seed=5).drop("city")
    new = NewSegment("atlantis", shown, "0" * 64)
    made = adapt(before, new, created_at=before.manifest.created_at)
    assert made.entry.rows == 10
    found = []
    for version in (before, made):
        data = Dataset.from_table(histories(200, seed=2), BOTH, inputs=version.manifest.inputs)
        found.append(OnnxScorer(version.files["model.onnx"]).score(data.batch))
    np.testing.assert_array_equal(found[1], found[0])


def test_a_segment_that_must_be_given_is_adapted_too() -> None:
    features = [*NUMBERS, {"name": "segment", "kind": "category", "required": True, "unseen": "refuse"}]
    strict = recipe("multitask", features=features)
    before = published(train(strict, KNOWN))
    made = taken_in(before)
    np.testing.assert_array_equal(scores(made, KNOWN), scores(before, KNOWN))


def test_the_segments_own_column_may_be_left_out(plain: Published) -> None:
    named, unnamed = taken_in(plain), taken_in(plain, SHOWN.drop("segment"))
    assert named.files["model.onnx"] == unnamed.files["model.onnx"]


def test_a_graph_that_moves_another_segment_does_not_pass(plain: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    right = HeadedGraph.with_heads

    def wrong(graph: HeadedGraph, heads: Float64) -> bytes:
        nudged = heads.copy()
        nudged[0, -1] += 2e-6
        return right(graph, nudged)

    monkeypatch.setattr(HeadedGraph, "with_heads", wrong)
    with pytest.raises(GateError, match=r"'score' is off by .*e-07, 1e-07 is allowed"):
        taken_in(plain)


@pytest.mark.parametrize(
    ("frame", "segment", "message"),
    [
        (SHOWN.filter(pl.col("label") == 1), "new", "column 'label' has one value only in the"),
        (KNOWN, "new", r"column 'segment' must be 'new' in every row; 300 of 300 rows are not, such as 's0"),
        (SHOWN.drop("a"), "new", "column 'a' is not in the table"),
        (SHOWN.drop("label"), "new", "column 'label' is not in the table"),
        (SHOWN.drop("segment"), " new", "column 'segment' cannot have the name ' new'"),
        (SHOWN.drop("segment").head(0), "new", "the table has no rows"),
    ],
)
def test_rows_that_do_not_fit_are_refused(plain: Published, frame: pl.DataFrame, segment: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        taken_in(plain, frame, segment)


def test_a_known_segment_is_replaced_only_on_request(plain: Published) -> None:
    own = KNOWN.filter(pl.col("segment") == "s01")
    with pytest.raises(AdaptError, match="world@1 knows 's01' already: --again replaces its head"):
        taken_in(plain, own, "s01")
    with pytest.raises(AdaptError, match="world@1 does not know 'new' yet: leave out --again"):
        taken_in(plain, again=True)


def test_models_without_heads_are_refused() -> None:
    with pytest.raises(AdaptError, match="world@1 cannot take in a segment: train a model of family transfer, maml or"):
        taken_in(published(train(recipe("logistic"), KNOWN)))


def test_an_ensemble_with_a_member_that_has_heads_is_refused_with_the_reason() -> None:
    member = {"family": "transfer", "config": SMALL}
    ensemble = train(recipe("voting", config={"members": [member, {"family": "logistic"}]}), KNOWN)
    with pytest.raises(AdaptError, match="'voting' is an ensemble, whose members know the old names only"):
        taken_in(published(ensemble))


def test_a_graph_of_another_family_is_refused_whatever_stands_beside_it(plain: Published) -> None:
    other = published(train(recipe("logistic"), KNOWN))
    files = {**other.files, "adaptation.json": plain.files["adaptation.json"]}
    with pytest.raises(AdaptError, match="world@1 has 0 sets of heads in its graph, not one: train it again"):
        taken_in(Published("world", 1, other.manifest, files))


def test_columns_computed_from_the_segment_forbid_new_ones() -> None:
    crossed = published(train(recipe("transfer", engineered=[{"kind": "one_hot", "columns": ["segment"]}]), KNOWN))
    with pytest.raises(AdaptError, match=r"world@1 computes columns from 'segment', .*: train it again"):
        taken_in(crossed)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    registry = Registry.create(tmp_path / "registry")
    written = recipe("transfer")
    publish_candidate(train(written, KNOWN), written, registry, author="tester")
    SHOWN.drop("segment").write_csv(tmp_path / "rows.csv")
    return registry


def run(folder: Path, *words: object) -> Result:
    files = ("--data", folder / "rows.csv", "--registry", folder / "registry")
    return CliRunner().invoke(command, [str(word) for word in (*words, *files)])


def test_the_command_publishes_the_next_version(tmp_path: Path, registry: Registry) -> None:
    result = run(tmp_path, "world", "--segment", "new", "--json", "--author", "me")
    assert result.exit_code == 0, result.stderr
    facts = json.loads(result.stdout)
    assert (facts["model"], facts["from"], facts["version"], facts["rows"], facts["aliases"]) == ("world", 1, 2, 10, [])
    assert facts["max_difference"] == 0
    assert registry.latest().models["world"].aliases == {"champion": 1}
    assert next(registry.history()).message == "adapted world@1 to new from 10 rows"
    second = run(tmp_path, "world", "--segment", "newer", "--alias", "champion")
    assert "published world@3 (champion): world@2 and the segment 'newer'" in second.stdout
    assert registry.manifest("world", 3).inputs.features[-1].vocabulary[-2:] == ("new", "newer")
    assert registry.damage("world", 3) == []


def test_a_dry_run_publishes_nothing(tmp_path: Path, registry: Registry) -> None:
    result = run(tmp_path, "world@champion", "--segment", "new", "--dry-run")
    assert result.exit_code == 0
    assert "world was not published (--dry-run)" in result.stdout
    assert registry.latest().models["world"].numbers == [1]


def test_what_cannot_be_done_fails_in_one_line(tmp_path: Path, registry: Registry) -> None:
    assert registry.latest().revision == 1
    for words, message in (
        (("world", "--segment", "s01"), "Error: world@1 knows 's01' already: --again replaces its head\n"),
        (("word", "--segment", "new"), "Error: model 'word'"),
        (("world@7", "--segment", "new"), "Error: "),
    ):
        result = run(tmp_path, *words)
        assert result.exit_code == 1
        assert result.stderr.startswith(message)
        assert len(result.stderr.splitlines()) == 1
