"""Every family from a recipe over the gate and a real server to a caller, who gets the native model's scores."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import scoreline
from scoreline_registry.documents.ragged import SEQUENCE
from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.settings import Settings
from scoreline_trainers.data.batch import Batch
from scoreline_trainers.data.columns import Columns
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.gate.probes import with_garbage
from scoreline_trainers.training.candidate import Candidate, publish_candidate
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train
from tests.trainers.tables import CASES, PURCHASES, SMALL, lacking, table

ROWS = 2000
LEARNED = 400
SIZES = (1, 7, 256)
STEPS = (1, 2, 30, 90)


@dataclass(frozen=True)
class Served:
    """What was published, by case, and a client of the server that serves all of it."""

    candidates: dict[str, tuple[Recipe, Candidate]]
    client: scoreline.Client


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("families") / "registry"
    registry = Registry.create(folder)
    cases = [case for case, (family, _) in CASES.items() if not lacking(family)]
    candidates = {case: _published(case, registry) for case in cases}
    with (
        Server(Settings(registry=str(folder), listen="127.0.0.1:0", log_level="error")) as server,
        scoreline.Client(server.address, timeout_seconds=60) as client,
    ):
        yield Served(candidates, client)


@pytest.mark.parametrize("case", CASES)
def test_a_caller_gets_what_the_native_model_says(served: Served, case: str) -> None:
    if case not in served.candidates:
        pytest.skip(lacking(CASES[case][0]))
    recipe, candidate = served.candidates[case]
    frame = _with_strangers(table(CASES[case][1], seed=1, **_rows(CASES[case][1], ROWS)))
    data = Dataset.from_table(frame, recipe, inputs=candidate.manifest.inputs)
    sequences, lengths = data.batch.history if data.sequence is not None else (None, None)
    neighbors, mask = data.batch.neighborhood if data.batch.neighbors is not None else (None, None)
    extras = candidate.manifest.score.extras
    scores = served.client.score_many(
        recipe.name, _raw(frame, recipe, candidate), sequences=sequences, lengths=lengths, extras=extras,
        entity_ids=[f"unit-{row}" for row in range(ROWS)],
        neighbors=neighbors, neighbor_counts=None if mask is None else mask.sum(axis=1),
    )  # fmt: skip
    assert not scores.errors
    assert np.abs(scores.scores - candidate.fitted.predict(data.batch)).max() <= 1e-5
    native = candidate.fitted.extras(data.batch)
    assert scores.extras.keys() == native.keys()
    for name, values in native.items():
        for row in range(0, ROWS, 7):
            found = scores.extras[name].get(row)
            assert found is not None
            # A server may pad a history less than its neighbours need.
            expected = values[row].reshape(-1)[: found.size]
            np.testing.assert_allclose(found.reshape(-1), expected, atol=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_calls_of_any_size_over_histories_of_any_length(served: Served, case: str) -> None:
    if case not in served.candidates:
        pytest.skip(lacking(CASES[case][0]))
    recipe, candidate = served.candidates[case]
    frame = _with_strangers(table(CASES[case][1], seed=2, **_rows(CASES[case][1], SIZES[-1])))
    data = Dataset.from_table(frame, recipe, inputs=candidate.manifest.inputs)
    raw = _raw(frame, recipe, candidate)
    for steps in STEPS if data.sequence is not None else (1,):
        batch = _of_length(data.batch, steps)
        expected = candidate.fitted.predict(batch)
        sent = batch if batch.sequence is None else with_garbage(batch, SEQUENCE, extra=0)
        for size in SIZES:
            part = sent.take(slice(size))
            neighbors, mask = part.neighborhood if part.neighbors is not None else (None, None)
            scores = served.client.score_many(
                recipe.name, {name: values[:size] for name, values in raw.items()},
                sequences=part.sequence, lengths=part.lengths, entity_ids=[f"unit-{row}" for row in range(size)],
                neighbors=neighbors, neighbor_counts=None if mask is None else mask.sum(axis=1),
            )  # fmt: skip
            assert not scores.errors
            np.testing.assert_allclose(scores.scores, expected[:size], rtol=0, atol=1e-5)


def _rows(columns: Columns, rows: int) -> dict[str, int]:
    """The options of ``table`` for so many rows; histories are as long as any that is sent."""
    if columns.sequence is None:
        return {"rows": rows}
    return {"rows" if columns is PURCHASES else "entities": rows, "longest": STEPS[-1]}


def _of_length(batch: Batch, steps: int) -> Batch:
    """The same histories, over and over or cut off: the first of ``steps`` steps, the others of that or fewer."""
    if batch.sequence is None:
        return batch
    sequence, lengths = batch.history
    places = np.arange(steps) % lengths[:, None]
    drawn = np.random.default_rng(0).integers(1, steps, len(batch), endpoint=True)
    drawn[0] = steps
    return batch.replace(sequence=np.take_along_axis(sequence, places[:, :, None], axis=1), lengths=drawn)


def _published(case: str, registry: Registry) -> tuple[Recipe, Candidate]:
    family, columns = CASES[case]
    name = case.replace("_", "-").replace(" ", "-")
    split = {f"{name}@champion": 100}
    recipe = Recipe.parse(
        {
            **columns.model_dump(mode="json", exclude_defaults=True),
            "name": name,
            "data": "unused.csv",
            "family": family,
            "config": SMALL[family],
            "route": {"route": name, "schema": {"like": f"{name}@champion"}, "rules": [{"split": split}]},
        }
    )
    candidate = train(recipe, table(columns, **_rows(columns, LEARNED)))
    publish_candidate(candidate, recipe, registry, author="tester")
    return recipe, candidate


def _with_strangers(frame: pl.DataFrame) -> pl.DataFrame:
    """Every tenth city is one that no model has seen."""
    if "city" not in frame.columns:
        return frame
    strange = pl.int_range(pl.len()) % 10 == 0
    return frame.with_columns(pl.when(strange).then(pl.lit("atlantis")).otherwise("city").alias("city"))


def _raw(frame: pl.DataFrame, recipe: Recipe, candidate: Candidate) -> dict[str, list[float | str | None]]:
    """The features as a caller has them, one row per entity; categories travel as their names."""
    if recipe.sequence is not None and recipe.sequence.entity is not None:
        frame = frame.unique(recipe.sequence.entity, keep="last", maintain_order=True)
    kinds = {feature.name: feature.kind for feature in candidate.manifest.inputs.features}
    return {name: [_as_sent(kind, value) for value in frame[name].to_list()] for name, kind in kinds.items()}


def _as_sent(kind: str, value: float | str | None) -> float | str | None:
    return str(value) if kind == "category" and value is not None else value
