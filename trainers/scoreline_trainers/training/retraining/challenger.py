"""Trains a challenger on a new table, and compares it with the champion on rows that neither has learned from."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import numpy as np
import polars as pl

from scoreline_registry.documents.manifest import CARD_FILE, MODEL_FILE, REPORT_FILE
from scoreline_registry.registry import system_clock
from scoreline_trainers.data.batch import RowIndices
from scoreline_trainers.data.partition import Partition, partition
from scoreline_trainers.data.splits import TestPart, unit_numbers
from scoreline_trainers.errors import RetrainError
from scoreline_trainers.family import Start
from scoreline_trainers.graph.scorer import OnnxScorer
from scoreline_trainers.progress import Progress, Silent
from scoreline_trainers.reporting.card import model_card
from scoreline_trainers.reporting.document import ChampionComparison, RunReport
from scoreline_trainers.reporting.stored import report_of
from scoreline_trainers.training.candidate import Candidate
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.retraining.champion import Champion
from scoreline_trainers.training.retraining.comparison import compare_amounts, compare_labels
from scoreline_trainers.training.retraining.new_rows import encoded, later
from scoreline_trainers.training.run import train


@dataclass(frozen=True, slots=True)
class Challenger:
    """A version that passed the gate, beside the champion; it is not published yet."""

    candidate: Candidate
    recipe: Recipe
    comparison: ChampionComparison


def train_challenger(
    champion: Champion,
    frame: pl.DataFrame,
    *,
    data_sha256: str,
    data: str = "",
    reason: str = "",
    start: Start | None = None,
    progress: Progress | None = None,
    clock: Callable[[], datetime] = system_clock,
) -> Challenger:
    """Runs the champion's recipe on a new table without its newest rows, and compares both on these.

    By the recipe's ``time`` the newest rows are those of the latest moments, otherwise the last ones of the table. Rows
    that are no newer than the champion's newest one are not compared on. With ``refit`` in the rule the challenger is
    then trained once more, on all rows, and published as such.

    ``start`` is the version that the recipe's ``warm_start`` names.

    Raises:
        DataError: the table does not fit the recipe.
        RetrainError: the champion has no recipe, or has learned from all rows that would be compared.
        TrainersError, GateError: as ``train``.
    """
    written = champion.recipe
    fitted = partial(train, data_sha256=data_sha256, data=data, start=start, progress=progress or Silent(), clock=clock)
    recipe = held_out(written)
    rows = partition(frame, recipe, validation=recipe.validation, seed=recipe.seed)
    compared = _compared(champion, rows)
    candidate = fitted(recipe, frame)
    comparison = _compare(champion, candidate, rows, compared).model_copy(update={"reason": reason})
    if champion.rule.refit and not comparison.worse:
        recipe, comparison = written, comparison.model_copy(update={"refitted": True})
        candidate = fitted(written, frame)
    return Challenger(_with_comparison(candidate, recipe, comparison), recipe, comparison)


def held_out(recipe: Recipe) -> Recipe:
    """The recipe with the newest rows as test part: they are neither learned from nor chosen by."""
    rule = recipe.retrain
    fraction = rule.compare if rule is not None else TestPart().fraction
    newest = TestPart(fraction=fraction, kind="last_fraction" if recipe.time is None else "time")
    return recipe.model_copy(update={"validation": recipe.validation.model_copy(update={"test": newest})})


def _compared(champion: Champion, rows: Partition) -> RowIndices:
    """The places of the test part's rows that the champion has not learned from."""
    test = rows.plan.test
    if test is None:
        raise RetrainError(str(champion), "has no rows to be compared on")
    frame = rows.examples.frame[test]
    places = test[later(champion, frame, rows.columns)]
    if not len(places):
        until = f"{champion.data_until:%Y-%m-%d}" if champion.data_until is not None else ""
        raise RetrainError(str(champion), f"has learned from all rows up to {until}, and the new table has none after")
    return places


def _compare(champion: Champion, candidate: Candidate, rows: Partition, places: RowIndices) -> ChampionComparison:
    examples = rows.examples.take(places)
    old = encoded(examples, rows.columns, champion.manifest.inputs)
    new = encoded(examples, rows.columns, candidate.manifest.inputs)
    scorer = OnnxScorer(candidate.files[MODEL_FILE])
    scores = [found.astype(np.float64) for found in (champion.score(old), scorer.score(new.batch))]
    name, units = str(champion), None if new.unit is None else unit_numbers(new.unit, len(new))
    if new.amount is not None:
        return compare_amounts(name, new.amount, scores[0], scores[1], rule=champion.rule, units=units)
    return compare_labels(name, new.outcome, scores[0], scores[1], rule=champion.rule, units=units)


def _with_comparison(candidate: Candidate, recipe: Recipe, comparison: ChampionComparison) -> Candidate:
    """The candidate whose report and card say how it compares."""
    stored = RunReport.model_validate_json(candidate.files[REPORT_FILE])
    run = stored.model_copy(update={"champion": comparison})
    files = {**candidate.files, REPORT_FILE: run.model_dump_json().encode()}
    card = model_card(report_of(recipe.name, candidate.manifest, files))
    return replace(candidate, files={**files, CARD_FILE: card.encode()})
