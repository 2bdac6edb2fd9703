"""When a version is due to be retrained."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from scoreline_trainers.errors import DataError
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.retraining.champion import Champion, read_champion
from scoreline_trainers.training.retraining.decision import Decision, decide
from scoreline_trainers.training.retraining.new_rows import new_rows
from scoreline_trainers.training.retraining.rule import RetrainRule
from tests.trainers.training.retraining.world import RECIPE, START, applications, registry_with_champion


@pytest.fixture(scope="module")
def champion() -> Champion:
    return read_champion(registry_with_champion(), "credit", 1)


def decided(champion: Champion, frame: pl.DataFrame, *, age_days: float = 7, is_known: bool = False) -> Decision:
    now = START + timedelta(days=age_days)
    return decide(champion, new_rows(champion, frame), now=now, is_known=is_known)


def due(decision: Decision) -> list[str]:
    return [check.name for check in decision.checks if check.due]


def test_nothing_is_due_where_nothing_has_changed(champion: Champion) -> None:
    decision = decided(champion, applications(range(100, 160), seed=1))
    assert not decision.due
    assert [check.name for check in decision.checks] == ["rows", "age", "drift", "auc"]
    assert decision.checks[0].text == "480 new rows, of which 200 are needed"
    assert {shift.name for shift in decision.shifts} == {"income", "debt", "region", "score"}


def test_an_old_champion_is_due(champion: Champion) -> None:
    decision = decided(champion, applications(range(100, 160), seed=1), age_days=91)
    assert due(decision) == ["age"]
    assert decision.reasons == "91.0 days old, 90 are allowed"
    assert not decided(champion, applications(range(100, 160), seed=1), age_days=89).due


def test_inputs_that_drifted_are_due_and_named(champion: Champion) -> None:
    decision = decided(champion, applications(range(100, 160), seed=1, richer=2))
    assert "drift" in due(decision)
    assert decision.reasons.startswith("PSI income")
    assert decision.shifts[0].name == "income"


def test_a_champion_that_does_worse_on_new_labels_is_due(champion: Champion) -> None:
    decision = decided(champion, applications(range(100, 160), seed=1, flipped=True))
    assert due(decision) == ["auc"]
    assert "when it was trained, a drop of 0.05 is allowed" in decision.reasons


def test_without_labels_drift_and_age_alone_decide(champion: Champion) -> None:
    decision = decided(champion, applications(range(100, 160), seed=1, richer=2).drop("late"))
    assert due(decision) == ["drift"]
    assert decision.checks[-1].text == "no labels: how it does on the new rows is not known"


def test_rows_that_the_champion_was_made_of_are_not_new(champion: Champion) -> None:
    frame = pl.concat([applications(range(100)), applications(range(100, 120), seed=1)])
    decision = decided(champion, frame, age_days=365)
    assert (decision.enough, decision.due) == (False, False)
    assert decision.checks[0].text == "160 new rows, of which 200 are needed"


def test_the_very_table_again_is_nothing_new(champion: Champion) -> None:
    decision = decided(champion, applications(range(100, 160)), age_days=365, is_known=True)
    assert not decision.due
    assert decision.checks[0].text.endswith("it was trained on this very table")


def test_limits_of_none_are_not_looked_at() -> None:
    rule = {"min_rows": 10, "max_age_days": None, "psi": None, "auc_drop": None}
    found = read_champion(registry_with_champion({**RECIPE, "retrain": rule}, days=range(40)), "credit", 1)
    decision = decided(found, applications(range(100, 160), richer=3, flipped=True), age_days=1000)
    assert [check.name for check in decision.checks] == ["rows"]
    assert not decision.due


def test_a_recipe_without_a_rule_has_the_defaults() -> None:
    plain = {key: value for key, value in RECIPE.items() if key != "retrain"}
    assert read_champion(registry_with_champion(plain, days=range(40)), "credit", 1).rule == RetrainRule()


def test_a_table_that_lacks_a_feature_is_one_clear_error(champion: Champion) -> None:
    with pytest.raises(DataError, match="column 'debt' is not in the table"):
        decided(champion, applications(range(100, 160)).drop("debt"))


@pytest.mark.parametrize("rule", [{"psi": -1}, {"auc_drop": 2}, {"compare": 1}, {"max_age": 3}])
def test_a_rule_is_checked_when_the_recipe_is_read(rule: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="retrain"):
        Recipe.parse({**RECIPE, "retrain": rule})


def test_an_amount_is_due_when_its_error_rises(champion: Champion) -> None:
    rows = new_rows(champion, applications(range(100, 160), seed=1))
    score = champion.score(rows).astype(np.float64)
    manifest = champion.manifest.model_copy(update={"metrics": {"mae": 0.1}})
    of_amounts = replace(champion, manifest=manifest)
    for error, expected in ((0.105, []), (0.2, ["error"])):
        found = decide(of_amounts, replace(rows, amount=score + error), now=START + timedelta(days=7))
        assert due(found) == expected
