"""A segment taken in while a server serves: its callers get the new head, and nobody else notices."""

from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

pytest.importorskip("torch", reason="needs the extra deep")

import scoreline
from scoreline_registry.registry import Registry
from scoreline_trainers.commands.adaptation import adapt
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.graph.scorer import OnnxScorer
from scoreline_trainers.training.candidate import publish_candidate
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train
from tests.serving import Serve
from tests.trainers.worlds import WORLD, odd_segment, segments
from tests.waiting import wait_until


def scored(client: scoreline.Client, frame: pl.DataFrame) -> list[float]:
    columns = {name: frame[name].to_list() for name in frame.columns if name != "label"}
    found = client.score_many("world", columns, entity_ids=[f"unit-{row}" for row in range(len(frame))])
    assert not found.errors
    return [float(score) for score in found.scores]


def test_a_served_model_learns_a_segment_and_nobody_else_notices(tmp_path: Path, serve: Serve) -> None:
    registry = Registry.create(tmp_path / "registry")
    recipe = Recipe.parse(
        {
            **WORLD.model_dump(mode="json", exclude_defaults=True),
            "name": "world",
            "data": "unused.csv",
            "family": "maml",
            "config": {"segment": "segment", "epochs": 3},
            "route": {
                "route": "world",
                "schema": {"like": "world@champion"},
                "rules": [{"split": {"world@champion": 100}}],
            },
        }
    )
    publish_candidate(train(recipe, segments(5, 80)), recipe, registry, author="tester")
    odd_segment(10).write_csv(tmp_path / "rows.csv")
    others = segments(5, 20, seed=7).with_columns(
        pl.when(pl.int_range(pl.len()) % 5 == 0).then(pl.lit("nobody")).otherwise("segment").alias("segment")
    )
    own = odd_segment(50, seed=8)
    with scoreline.Client(serve(tmp_path / "registry"), timeout_seconds=30) as client:
        before = scored(client, others), scored(client, own)
        words = ["world", "--segment", "new", "--data", tmp_path / "rows.csv", "--registry", tmp_path / "registry"]
        result = CliRunner().invoke(adapt, [*map(str, words), "--alias", "champion"])
        assert result.exit_code == 0, result.stderr
        wait_until(lambda: client.status().revision >= registry.latest().revision)
        after = scored(client, others), scored(client, own)
        first = own.row(0, named=True)
        alone = client.score("world", {name: first[name] for name in own.columns if name != "label"}, entity_id="unit")
    assert after[0] == before[0]
    data = Dataset.from_table(own, WORLD, inputs=registry.manifest("world", 2).inputs)
    expected = OnnxScorer(registry.read_file("world", 2, "model.onnx")).score(data.batch)
    assert after[1] == pytest.approx(expected.tolist(), abs=1e-6)
    assert max(abs(new - old) for new, old in zip(after[1], before[1], strict=True)) > 0.01
    assert (alone.version, alone.quality.unseen) == (2, 0)
