"""Members that vote, are weighed or stacked: against sums made by hand, and without a look at what they may not see."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from scoreline_registry.documents.contract import ScoreContract
from scoreline_registry.statistics.scores.calibration import expected_calibration_error
from scoreline_trainers.data.batch import Batch, Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import FamilyError, FitError, RecipeError
from scoreline_trainers.evaluation.metrics import Label, auc
from scoreline_trainers.families.ensembles.ensemble import Ensemble, WeightedMean
from scoreline_trainers.families.ensembles.members import Member, MemberSpec
from scoreline_trainers.families.ensembles.out_of_fold import OutOfFold, folds_of, held_out, out_of_fold
from scoreline_trainers.families.ensembles.recency import Recency, recent
from scoreline_trainers.families.ensembles.regressions import Meta, Stack, stacked
from scoreline_trainers.families.ensembles.weighted import fitted_weights
from scoreline_trainers.family import Fitted
from scoreline_trainers.gate.checks import prove
from scoreline_trainers.progress import Lines, Silent
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train
from tests.trainers.tables import BOTH, HISTORY, SMALL, TABLE, dataset, fit, people, table

TREES = {"family": "lightgbm", "config": SMALL["lightgbm"]}
LINEAR = {"family": "logistic"}
STRICT = {"name": "strict", "family": "logistic", "config": {"C": 0.001}}
RECIPE: dict[str, Any] = {
    "name": "ensemble",
    "data": "unused.csv",
    "label": "label",
    "features": ["income", "age", "visits", "city", {"name": "plan", "kind": "category"}],
}
DRAW = np.random.default_rng(0)
LABEL: Label = (DRAW.random(4000) < 0.15).astype(np.int8)


def probabilities(strength: float) -> Float64:
    """float64 [4000]: calibrated, and the better the stronger."""
    margin = strength * (LABEL - 0.15) + DRAW.normal(0, np.sqrt(strength), 4000) + np.log(0.15 / 0.85)
    probability: Float64 = 1 / (1 + np.exp(-margin))
    return probability


def dated(rows: int = 600, **changes: pl.Series) -> Dataset:
    """People with a day each, all of one century."""
    day = pl.Series("day", np.arange(rows)).cast(pl.Date)
    frame = people(rows).with_columns(changes.get("day", day))
    return Dataset.from_table(frame, TABLE.model_copy(update={"time": "day"}))


def mean_log_loss(weights: Float64, scores: Float64) -> float:
    score = scores @ weights
    return float(-np.log(np.where(LABEL == 1, score, 1 - score)).mean())


def check(fitted: Fitted, data: Dataset) -> None:
    """The gate finds nothing."""

    def native(batch: Batch) -> dict[str, Float64]:
        return {"score": fitted.predict(batch), **fitted.extras(batch)}

    prove(
        fitted.to_onnx().SerializeToString(),
        subject="ensemble",
        inputs=data.inputs,
        score=ScoreContract(meaning="test", extras=tuple(fitted.extras(data.batch))),
        samples=data.batch,
        reference=native,
        edges=fitted.edges(),
        tolerances=fitted.tolerances(),
    )


def test_voting_is_the_mean_of_members_that_learned_from_all_rows() -> None:
    data = dataset()
    alone = [fit("lightgbm", data), fit("logistic", data, seed=1)]
    together = fit("voting", data, members=[TREES, LINEAR])
    expected = np.stack([member.predict(data.batch) for member in alone], axis=1)
    np.testing.assert_array_equal(together.extras(data.batch)["member_scores"], expected)
    np.testing.assert_allclose(together.predict(data.batch), expected.mean(axis=1), atol=1e-15)


def test_given_weights_are_kept_by_their_ratio() -> None:
    data = dataset()
    members = [{**TREES, "weight": 7}, {**LINEAR, "weight": 3}]
    together = fit("weighted", data, members=members, measuring_fraction=0)
    scores = together.extras(data.batch)["member_scores"]
    np.testing.assert_allclose(together.predict(data.batch), 0.7 * scores[:, 0] + 0.3 * scores[:, 1], atol=1e-15)
    assert together.describe()["weights"] == "lightgbm 0.700, logistic 0.300"
    assert "member AUC on held-out training rows" not in together.describe()


def test_fitted_weights_have_the_least_log_loss_of_all() -> None:
    scores = np.stack([probabilities(1.5), probabilities(0.7)], axis=1)
    weights = fitted_weights(scores, LABEL, counts=np.ones(len(LABEL)))
    grid = [np.array([share, 1 - share]) for share in np.linspace(0, 1, 1001)]
    best = min(grid, key=lambda weights: mean_log_loss(weights, scores))
    np.testing.assert_allclose(weights, best, atol=1e-3)
    assert 0.05 < weights[1] < weights[0]


def test_a_member_that_knows_nothing_gets_no_weight() -> None:
    scores = np.stack([probabilities(1.5), DRAW.random(4000)], axis=1)
    weights = fitted_weights(scores, LABEL, counts=np.ones(len(LABEL)))
    assert weights[1] < 0.01
    assert weights.sum() == pytest.approx(1)


def test_rows_that_count_more_decide_the_weights() -> None:
    first, second = np.arange(4000) < 2000, np.arange(4000) >= 2000
    good = np.where(LABEL == 1, 0.9, 0.1)
    scores = np.stack([np.where(first, good, 0.5), np.where(second, good, 0.5)], axis=1)
    weights = fitted_weights(scores, LABEL, counts=np.where(first, 10.0, 1.0))
    assert weights[0] > 0.8


def test_a_network_over_histories_stands_beside_trees_over_features() -> None:
    pytest.importorskip("torch", reason="needs the extra deep")
    data = dataset(BOTH)
    together = fit("weighted", data)
    assert isinstance(together, Ensemble)
    lstm, trees = (member.model for member in together.members)
    sequence = Batch(sequence=data.sequence, lengths=data.lengths)
    expected = 0.7 * lstm.predict(sequence) + 0.3 * trees.predict(Batch(features=data.features))
    np.testing.assert_allclose(together.predict(data.batch), expected, atol=1e-12)


def test_newer_rows_are_drawn_more_often() -> None:
    data = dated()
    weights = Recency(half_life=100).weights(data, ensemble="weighted")
    np.testing.assert_allclose(weights[[599, 499, 399]], [1, 0.5, 0.25])
    drawn = [len(recent(data, Recency(half_life=100), ensemble="weighted", seed=seed)) for seed in range(20)]
    assert np.mean(drawn) == pytest.approx(weights.sum(), rel=0.05)
    assert recent(data, None, ensemble="weighted", seed=0) is data


def test_members_and_weights_follow_recency() -> None:
    old, new = dataset(), dated()
    options: dict[str, Any] = {"members": [TREES, STRICT], "recency": {"half_life": 60}}
    fresh, plain = fit("weighted", new, **options), fit("weighted", new, members=[TREES, STRICT])
    assert not np.allclose(fresh.predict(new.batch), plain.predict(new.batch), atol=1e-3)
    check(fresh, new)
    with pytest.raises(FitError, match="'weighted' weighs rows by recency: give the recipe a 'time' column"):
        fit("weighted", old, **options)


@pytest.mark.parametrize(
    ("day", "days"),
    [
        (pl.Series("day", np.arange(600) * 3_600_000).cast(pl.Datetime("ms")), 1 / 24),
        (pl.Series("day", np.arange(600)), 1),
        (pl.Series("day", [str(number) for number in range(600)]), None),
    ],
)
def test_age_is_in_days_or_in_the_units_of_a_number(day: pl.Series, days: float | None) -> None:
    if days is None:
        with pytest.raises(FitError, match="'day' holds neither dates nor numbers"):
            Recency(half_life=1).weights(dated(day=day), ensemble="weighted")
        return
    weights = Recency(half_life=5).weights(dated(day=day), ensemble="weighted")
    assert weights[-2] == pytest.approx(0.5 ** (days / 5))


def test_units_share_a_fold_and_folds_share_the_label() -> None:
    unit = pl.Series("unit", [None if row % 50 == 0 else row // 4 for row in range(800)])
    data = dataset()
    fold = folds_of(Dataset(data.inputs, data.batch, data.label, unit=unit), folds=4, seed=0)
    assert all(len(np.unique(fold[(unit == number).fill_null(False).to_numpy()])) == 1 for number in range(1, 200))
    alone = folds_of(data, folds=4, seed=0)
    assert np.bincount(alone).tolist() == [200] * 4
    positives = np.bincount(alone, weights=data.label)
    assert positives.max() - positives.min() <= 1
    assert (folds_of(data, folds=4, seed=1) != alone).any()


def test_members_are_measured_on_units_of_which_they_have_seen_no_row() -> None:
    data, unit = dataset(), np.arange(800) // 4
    by_four = Dataset(data.inputs, data.batch, data.label, unit=pl.Series("unit", unit))
    found = held_out(
        [MemberSpec(family="logistic")], by_four, fraction=0.25, ensemble="voting", seed=0, progress=Silent()
    )
    assert len(found.rows) == 200
    assert len(np.unique(unit[found.rows])) == 50
    assert found.label.mean() == pytest.approx(data.label.mean(), abs=0.1)


def test_a_stack_of_members_whose_scores_hardly_differ_still_tells_rows_apart() -> None:
    score = np.where(LABEL == 1, 0.55, 0.5) + DRAW.normal(0, 0.03, 4000)
    found, new = stack(score, score + DRAW.normal(0, 0.01, 4000))
    assert auc(LABEL[2000:], found.apply(new)) > auc(LABEL[2000:], new[:, 0]) - 0.01


def test_no_row_is_judged_by_a_member_that_has_seen_it() -> None:
    """Labels that nothing explains: who has seen them knows them, and who has not guesses."""
    data = dataset()
    noise = Dataset(data.inputs, data.batch, np.random.default_rng(1).permutation(data.label))
    greedy = {**SMALL["lightgbm"], "num_leaves": 100, "min_data_in_leaf": 1, "learning_rate": 0.3}
    spec = MemberSpec(family="lightgbm", config=greedy)
    fold = folds_of(noise, folds=4, seed=0)
    found = out_of_fold([spec], noise, fold, ensemble="stacking", seed=0, progress=Silent())
    assert auc(noise.label, found.scores[:, 0]) == pytest.approx(0.5, abs=0.06)
    seen = fit("lightgbm", noise, **greedy)
    assert auc(noise.label, seen.predict(noise.batch)) > 0.95


@pytest.mark.parametrize("calibration", ["isotonic", "sigmoid", None])
def test_a_stack_is_exact_however_it_is_calibrated(calibration: str | None) -> None:
    data = dataset()
    together = fit("stacking", data, calibration=calibration)
    check(together, data)
    assert str(together.describe()["calibration"]).startswith(calibration or "none")


def stack(*scores: Float64, calibration: Any = "isotonic") -> tuple[Stack, Float64]:
    """Learns from the first half of the rows; with the scores of the second."""
    both = np.stack(scores, axis=1)
    fold = np.arange(2000) % 5
    return stacked(both[:2000], LABEL[:2000], fold, C=1.0, calibration=calibration), both[2000:]


@pytest.mark.parametrize("calibration", ["isotonic", "sigmoid", None])
def test_a_stack_is_exact_though_its_trees_are_far_too_sure(calibration: str | None) -> None:
    sure = {"family": "lightgbm", "config": {**SMALL["lightgbm"], "n_estimators": 150, "learning_rate": 0.5}}
    data = dataset()
    fitted = fit("stacking", data, members=[sure, LINEAR], folds=2, calibration=calibration)
    assert isinstance(fitted, Ensemble)
    combination = fitted.combination
    assert isinstance(combination, Stack)
    # Weights that a table of another shape would have given, so that the sure member's log odds count.
    counting = Stack(Meta(np.array([0.6, 0.8]), 0.0), combination.calibrator)
    check(Ensemble(fitted.inputs, fitted.members, counting), data)


def test_a_stack_is_better_than_its_members_and_means_what_it_says() -> None:
    overconfident = probabilities(1.2) ** 0.3
    found, new = stack(overconfident, probabilities(1.2), DRAW.random(4000))
    score = found.apply(new)
    assert auc(LABEL[2000:], score) > max(auc(LABEL[2000:], member) for member in new.T) + 0.02
    assert expected_calibration_error(LABEL[2000:], score) < 0.03
    assert expected_calibration_error(LABEL[2000:], new[:, 0]) > 0.3
    assert abs(found.meta.weights[2]) < 0.15


def test_the_members_that_do_best_together_are_chosen_and_the_card_says_so() -> None:
    again = {"name": "again", **TREES}
    found = fit("voting", dataset(), members=[TREES, again, LINEAR], choose={"members": 2, "diversity": 0.5})
    assert isinstance(found, Ensemble)
    facts = found.describe()
    assert "logistic" in str(facts["members"])
    assert facts["members left out"] in ("lightgbm", "again")
    assert facts["rows held out from members"] == 160
    assert {"mean Q-statistic", "mean disagreement", "mean double fault", "mean correlation"} <= facts.keys()
    assert "lightgbm: trees" in facts or "again: trees" in facts


@pytest.mark.parametrize("family", ["voting", "stacking", "weighted"])
def test_every_ensemble_may_choose(family: str) -> None:
    data = dataset()
    found = fit(family, data, members=[TREES, LINEAR, STRICT], choose={"members": 1})
    assert found.extras(data.batch)["member_scores"].shape == (800, 1)
    check(found, data)


def test_the_pair_that_is_most_alike_is_named() -> None:
    first, other = probabilities(1.0), probabilities(1.0)
    scores = np.stack([first, other, first + DRAW.normal(0, 0.01, 4000)], axis=1)
    facts = OutOfFold(("a", "b", "c"), np.arange(4000), scores, LABEL).facts()
    assert str(facts["most alike"]).startswith("a and c, correlation 0.99")


def test_ensembles_may_be_members_of_ensembles() -> None:
    data = dataset()
    inner = {"family": "voting", "config": {"members": [TREES, STRICT], "measuring_fraction": 0}}
    segments = {"family": "segmented", "config": {"segment": "city", "member": LINEAR, "min_rows": 50}}
    check(fit("stacking", data, members=[inner, segments], folds=2), data)


def test_a_wider_tolerance_of_a_member_is_the_ensembles() -> None:
    class Rough(Ensemble):
        def tolerances(self) -> dict[str, float]:
            return {"score": 1e-4, "member_scores": 1.0}

    data = dataset()
    exact = fit("logistic", data)
    rough = Rough(data.inputs, (Member("a", frozenset(), exact),), WeightedMean(np.ones(1)))
    members = (Member("exact", frozenset(), exact), Member("rough", frozenset(), rough))
    found = Ensemble(data.inputs, members, WeightedMean(np.array([0.5, 0.5])))
    assert found.tolerances() == {"score": 1e-4, "member_scores": 1e-4}


@pytest.mark.parametrize(
    ("family", "config", "problem"),
    [
        ("voting", {}, "config: members: is missing"),
        ("voting", {"members": [LINEAR]}, "config: 'members' are at least two"),
        ("voting", {"members": [LINEAR, LINEAR]}, "config: two members are called 'logistic': give each a 'name'"),
        ("voting", {"members": [LINEAR, {**TREES, "config": {"num_leafs": 3}}]}, "config: num_leafs: unknown key"),
        ("voting", {"members": [LINEAR, TREES], "choose": {"members": 3}}, "config: 'choose' takes 3 of 2 members"),
        (
            "voting",
            {"members": [LINEAR, TREES], "choose": {"members": 1}, "measuring_fraction": 0},
            "config: 'choose' needs a measuring_fraction above 0",
        ),
        ("weighted", {"members": [{**LINEAR, "weight": 1}, TREES]}, "config: give every member a weight, or none"),
        ("weighted", {"members": [LINEAR, TREES], "measuring_fraction": 0}, "config: fitted weights and 'choose' need"),
        (
            "stacking",
            {"members": [LINEAR, {"family": "lightgbm", "config": {"params": {"linear_tree": True}}}]},
            "members.1: config: 'linear_tree' cannot be exported exactly",
        ),
    ],
)
def test_what_no_ensemble_can_be_made_of_is_one_clear_line(family: str, config: dict[str, Any], problem: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.parse({**RECIPE, "family": family, "config": config})
    assert len(caught.value.problems) == 1
    assert problem in caught.value.problems[0]


def test_an_unknown_member_is_answered_with_the_families_there_are() -> None:
    with pytest.raises(FamilyError, match=r"'logit' is unknown; did you mean 'logistic'"):
        Recipe.parse({**RECIPE, "family": "voting", "config": {"members": [LINEAR, {"family": "logit"}]}})


def test_a_member_that_cannot_take_its_inputs_is_named_with_what_to_do() -> None:
    with pytest.raises(
        FitError, match=r"'voting' cannot train its member 'logistic': .* takes no sequence.* \(a member's"
    ):
        fit("voting", dataset(BOTH), members=[LINEAR, TREES])
    with pytest.raises(FitError, match=r"'voting' cannot train its member 'logistic': .* the recipe's features, and"):
        fit("voting", dataset(HISTORY), members=[{**LINEAR, "keep": ["features"]}, TREES])


def test_rows_of_one_label_train_no_member() -> None:
    data = dataset()
    few = data.take(np.concatenate([np.flatnonzero(data.label == 0)[:40], np.flatnonzero(data.label == 1)[:1]]))
    with pytest.raises(FitError, match="'stacking' has too few rows of each label for 3 folds: lower 'folds'"):
        fit("stacking", few)
    with pytest.raises(FitError, match=r"'voting' has .* rows of one label"):
        fit("voting", few)


def test_a_published_ensemble_names_the_libraries_of_its_members_and_the_stages_of_each() -> None:
    lines: list[str] = []
    recipe = Recipe.parse({**RECIPE, "family": "stacking", "config": SMALL["stacking"]})
    found = train(recipe, table(TABLE), progress=Lines(lines.append))
    assert found.manifest.training is not None
    assert {"lightgbm", "scikit-learn"} <= found.manifest.training.libraries.keys()
    assert lines.count("lightgbm: boost trees") == 4
    assert "| mean disagreement | 0." in found.files["card.md"].decode()
    assert "booster.txt" not in found.files
