"""A challenger: trained on a new table, compared on rows that neither model has learned from."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from scoreline_registry.documents.manifest import CARD_FILE, MODEL_FILE, REPORT_FILE
from scoreline_registry.registry import Registry
from scoreline_registry.storage import MemoryStorage
from scoreline_trainers.errors import RetrainError
from scoreline_trainers.graph.scorer import OnnxScorer
from scoreline_trainers.reporting.document import RunReport
from scoreline_trainers.training.retraining.challenger import Challenger, held_out, train_challenger
from scoreline_trainers.training.retraining.champion import Champion, read_champion
from scoreline_trainers.training.retraining.new_rows import new_rows
from tests.registry.samples import manifest
from tests.trainers.training.retraining.world import RECIPE, START, applications, registry_with_champion


@pytest.fixture(scope="module")
def champion() -> Champion:
    return read_champion(registry_with_champion(), "credit", 1)


def challenger_of(champion: Champion, frame: pl.DataFrame) -> Challenger:
    return train_challenger(champion, frame, data_sha256="c" * 64, data="new.parquet", reason="it is old")


def test_a_challenger_that_learned_the_change_beats_the_champion(champion: Champion) -> None:
    frame = applications(range(100, 180), seed=2, flipped=True)
    made = challenger_of(champion, frame)
    figures = {each.metric: each for each in made.comparison.figures}
    assert figures["auc"].champion < 0.5 < 0.7 < figures["auc"].challenger
    assert figures["auc"].difference.low is not None
    assert figures["auc"].difference.low > 0
    assert (made.comparison.champion, made.comparison.rows, made.comparison.worse) == ("credit@1", 160, False)
    facts = made.candidate.manifest.training
    assert facts is not None
    assert (facts.data, facts.data_sha256) == ("new.parquet", "c" * 64)


def test_the_compared_rows_are_the_newest_and_were_not_learned_from(champion: Champion) -> None:
    frame = applications(range(100, 180), seed=2)
    made = challenger_of(champion, frame)
    facts = made.candidate.manifest.training
    assert facts is not None
    assert facts.rows + (facts.validation_rows or 0) + made.comparison.rows == len(frame)
    newest = frame.filter(pl.col("applied") >= (START + timedelta(days=160)).date())
    rows = new_rows(champion, newest)
    assert len(rows) == made.comparison.rows
    brier = {each.metric: each for each in made.comparison.figures}["brier"]
    scorer = OnnxScorer(made.candidate.files[MODEL_FILE])
    for score, figure in ((champion.score(rows), brier.champion), (scorer.score(rows.batch), brier.challenger)):
        assert np.mean((rows.label - score.astype(np.float64)) ** 2) == pytest.approx(figure, abs=1e-9)


def test_rows_that_the_champion_knows_are_not_compared_on(champion: Champion) -> None:
    frame = pl.concat([applications(range(100)), applications(range(100, 110), seed=2)])
    assert challenger_of(champion, frame).comparison.rows == 80
    with pytest.raises(RetrainError, match="has learned from all rows up to 2026-04-10"):
        challenger_of(champion, applications(range(100)))


def test_the_report_and_the_card_of_a_challenger_say_how_it_compares(champion: Champion) -> None:
    made = challenger_of(champion, applications(range(100, 180), seed=2))
    stored = RunReport.model_validate_json(made.candidate.files[REPORT_FILE])
    assert stored.champion == made.comparison
    card = made.candidate.files[CARD_FILE].decode()
    assert "## Compared with the champion" in card
    assert "On the 160 newest rows" in card
    assert "Retrained because: it is old." in card
    assert "| metric | credit@1 | this version | difference (95 % interval) |" in card


def test_with_refit_the_published_model_learns_from_the_compared_rows_too() -> None:
    recipe = {**RECIPE, "retrain": {**RECIPE["retrain"], "refit": True}}
    found = read_champion(registry_with_champion(recipe), "credit", 1)
    frame = applications(range(100, 180), seed=2)
    made = challenger_of(found, frame)
    facts = made.candidate.manifest.training
    assert facts is not None
    assert facts.rows + (facts.validation_rows or 0) == len(frame)
    assert (made.comparison.rows, made.comparison.refitted) == (160, True)
    assert made.recipe == found.recipe


def test_without_a_time_the_last_rows_of_the_table_are_the_newest(champion: Champion) -> None:
    recipe = champion.recipe.model_copy(update={"time": None})
    test = held_out(recipe).validation.test
    assert test is not None
    assert (test.kind, test.fraction) == ("last_fraction", 0.25)


def test_a_version_without_a_recipe_cannot_be_retrained(champion: Champion) -> None:
    registry = Registry.create(MemoryStorage())
    registry.publish("old", files={MODEL_FILE: champion.graph}, manifest=manifest(), author="ben", message="m")
    with pytest.raises(RetrainError, match="old@1 holds no recipe"):
        challenger_of(read_champion(registry, "old", 1), applications(range(100, 180)))


def test_a_class_that_is_new_does_not_change_which_one_is_scored() -> None:
    recipe = {**RECIPE, "label": "region", "task": "multiclass", "features": ["income", "debt"]}
    champion = read_champion(registry_with_champion(recipe), "credit", 1)
    frame = applications(range(100, 180), seed=2).with_columns(
        region=pl.when(pl.int_range(pl.len()) % 4 == 0).then(pl.lit("west")).otherwise("region")
    )
    made = challenger_of(champion, frame)
    assert made.candidate.manifest.score.classes == ("north", "west", "south")
    assert made.recipe.positive == "south"
    scored = frame.tail(160)["region"].to_numpy() == "south"
    brier = next(each for each in made.comparison.figures if each.metric == "brier")
    assert brier.champion == pytest.approx(np.mean((champion.score(new_rows(champion, frame.tail(160))) - scored) ** 2))
