"""Real borrowers: the recipes reach their AUC, and 30,000 rows scored over gRPC equal the native models."""

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import scoreline
from scoreline_registry.registry import Registry
from scoreline_registry.routing.route_spec import RouteSpec
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.training.candidate import Candidate, publish_candidate
from scoreline_trainers.training.recipe import Recipe, find_recipe
from scoreline_trainers.training.run import train
from scoreline_trainers.training.sources import recipe_table
from tests.serving import Serve

ROWS = 30_000


def published(name: str, registry: Registry) -> tuple[Recipe, Candidate, pl.DataFrame]:
    """Trains a packaged recipe, publishes its champion and routes everything to it."""
    recipe, folder = find_recipe(name)
    frame, digest = recipe_table(recipe, folder=folder)
    candidate = train(recipe, frame, data_sha256=digest)
    publish_candidate(candidate, recipe, registry, author="tester")
    ref = f"{name}@champion"
    spec = {"route": name, "schema": {"like": ref}, "rules": [{"split": {ref: 100}}]}
    registry.apply_route(RouteSpec.model_validate(spec), author="tester", message="all to the champion")
    return recipe, candidate, frame


@pytest.mark.acceptance
@pytest.mark.timeout(900)
def test_real_rows_over_grpc_equal_the_native_models(tmp_path: Path, serve: Serve) -> None:
    if not os.environ.get("SCORELINE_DATA"):
        pytest.skip("SCORELINE_DATA does not name the folder of real data sets")
    registry = Registry.create(tmp_path / "registry")
    boosted, boosted_candidate, frame = published("uci-credit-lightgbm", registry)
    recurrent, recurrent_candidate, _ = published("uci-credit-lstm", registry)
    assert boosted_candidate.manifest.metrics["auc"] >= 0.77
    assert recurrent_candidate.manifest.metrics["auc"] >= 0.75
    assert len(frame) == ROWS
    table = Dataset.from_table(frame, boosted, inputs=boosted_candidate.manifest.inputs)
    steps = Dataset.from_table(frame, recurrent, inputs=recurrent_candidate.manifest.inputs)
    ids = [str(unit) for unit in frame["ID"].to_list()]
    raw = {f.name: [_as_sent(f.kind, v) for v in frame[f.name].to_list()] for f in table.inputs.features}
    with scoreline.Client(serve(tmp_path / "registry"), timeout_seconds=60) as client:
        scored = client.score_many("uci-credit-lightgbm", raw, entity_ids=ids)
        sequences, lengths = steps.batch.history
        followed = client.score_many("uci-credit-lstm", {}, entity_ids=ids, sequences=sequences, lengths=lengths)
    for scores, candidate, data in ((scored, boosted_candidate, table), (followed, recurrent_candidate, steps)):
        assert len(scores) == ROWS
        assert not scores.errors
        assert np.abs(scores.scores - candidate.fitted.predict(data.batch)).max() <= 1e-5


def _as_sent(kind: str, value: float | str | None) -> float | str | None:
    """Categories travel as their names."""
    return str(value) if kind == "category" and value is not None else value
