"""Segments, periods, folds and fairness."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from scoreline_registry.documents.contract import Band
from scoreline_registry.statistics.contrasts.proportions import rate_difference
from scoreline_registry.statistics.figures import Estimate
from scoreline_trainers.errors import DataError
from scoreline_trainers.evaluation.costs import Costs
from scoreline_trainers.evaluation.document import Evaluation, FairnessTable
from scoreline_trainers.evaluation.evaluate import evaluate_scores
from scoreline_trainers.evaluation.groups.fairness import fairness_table
from scoreline_trainers.evaluation.groups.folds import fold_figures, spread_of
from scoreline_trainers.evaluation.groups.grouping import MISSING, MOST_GROUPS, OTHER, groups_of
from scoreline_trainers.evaluation.groups.periods import figures_over_time, period_of
from scoreline_trainers.evaluation.groups.segments import segment_figures
from scoreline_trainers.evaluation.metrics import auc
from scoreline_trainers.evaluation.scored import Scored
from scoreline_trainers.evaluation.spec import EvaluateSpec


def scored(rows: int = 3000, *, seed: int = 0, unfair: float = 1.0) -> Scored:
    """A calibrated score of people of two groups, "m" and "f", and a few of "x".

    ``unfair`` multiplies the scores of "f", whose outcomes are those of "m".
    """
    draw = np.random.default_rng(seed)
    truth = draw.beta(2, 3, rows)
    group = np.where(draw.random(rows) < 0.6, "m", "f")
    group[:20] = "x"
    score = np.where(group == "f", truth * unfair, truth)
    days = draw.integers(0, 90, rows).tolist()
    return Scored(
        score,
        (draw.random(rows) < truth).astype(np.int8),
        time=pl.Series("day", [date(2026, 1, 1) + timedelta(days=day) for day in days]),
        columns=pl.DataFrame({"gender": group, "income": draw.lognormal(10, 1, rows)}),
    )


def table(scores: Scored) -> FairnessTable:
    return fairness_table(scores, "gender", cut=0.4)


def test_planted_unfairness_shows_in_the_table() -> None:
    found = table(scored(unfair=0.7))
    women = next(group for group in found.groups if group.name == "f")
    assert found.reference == "m"
    assert found.selection_ratio is not None
    assert found.selection_ratio < 0.8
    assert women.ratio is not None
    assert women.ratio.value == pytest.approx(found.selection_ratio)
    assert women.ratio.high is not None
    assert women.ratio.high < 0.8
    flagged = {gap.measure for gap in women.gaps if gap.flagged}
    assert {"selected", "true_positive_rate", "calibration"} <= flagged
    assert "auc" not in flagged
    assert any(flag.startswith("gender f: true positive rate differs by -0.") for flag in found.flags)
    assert women.calibration is not None
    assert women.calibration.high is not None
    assert women.calibration.high < 0


def test_fair_scores_are_not_flagged() -> None:
    for seed in range(8):
        found = table(scored(seed=seed))
        assert found.flags == ()
        assert found.selection_ratio is not None
        assert found.selection_ratio > 0.9


def test_gaps_that_are_large_by_chance_alone_are_flagged_in_one_table_of_twenty() -> None:
    found = [table(scored(rows=200, seed=seed)) for seed in range(60)]
    large = [any(gap.large for group in each.groups for gap in group.gaps) for each in found]
    assert sum(large) > 20
    assert sum(bool(each.flags) for each in found) <= 4


def test_a_gap_that_is_certain_and_small_is_not_flagged() -> None:
    found = table(scored(rows=60_000, unfair=0.95))
    gaps = [gap for group in found.groups for gap in group.gaps]
    assert any(gap.beyond_chance and not gap.large for gap in gaps)
    assert not any(gap.flagged for gap in gaps if gap.measure == "true_positive_rate")


def test_intervals_of_gaps_allow_for_all_gaps_of_the_table() -> None:
    scores = scored(unfair=0.8)
    assert scores.columns is not None
    women = next(group for group in table(scores).groups if group.name == "f")
    selected = {name: scores.score[(scores.columns["gender"] == name).to_numpy()] >= 0.4 for name in ("m", "f")}
    counts = [(int(hits.sum()), len(hits)) for hits in selected.values()]
    expected = rate_difference(*counts, alpha=0.05 / len(women.gaps))
    assert isinstance(expected, Estimate)
    gap = next(gap for gap in women.gaps if gap.measure == "selected")
    assert (gap.difference.low, gap.difference.high) == pytest.approx((expected.low, expected.high))


def test_a_group_with_few_rows_says_so_and_has_no_gaps() -> None:
    found = table(scored())
    other = next(group for group in found.groups if group.name == "x")
    assert other.note == "few rows: 20"
    assert other.gaps == ()
    assert other.selected is not None


def test_rates_of_a_group_are_those_of_its_rows() -> None:
    scores = scored()
    women = next(group for group in table(scores).groups if group.name == "f")
    assert scores.columns is not None
    mask = (scores.columns["gender"] == "f").to_numpy()
    score, event = scores.score[mask], scores.label[mask] == 1
    assert women.true_positive_rate is not None
    assert women.false_positive_rate is not None
    assert women.true_positive_rate.value == pytest.approx((score[event] >= 0.4).mean())
    assert women.false_positive_rate.value == pytest.approx((score[~event] >= 0.4).mean())
    assert women.auc is not None
    assert women.auc.value == pytest.approx(auc(scores.label[mask], score))
    below = fairness_table(scores, "gender", cut=0.4, favorable="below")
    selected = next(group for group in below.groups if group.name == "f").selected
    assert selected is not None
    assert selected.value == pytest.approx((score < 0.4).mean())


def test_units_with_many_rows_make_gaps_less_certain() -> None:
    scores = scored(rows=400, seed=2, unfair=0.75)
    four = np.repeat(np.arange(400), 4)
    naive, clustered = (
        fairness_table(Scored(each.score, each.label, units=units, columns=each.columns), "gender", cut=0.4)
        for each, units in ((scores.take(four), None), (scores.take(four), four))
    )
    widths = []
    for found in (naive, clustered):
        gap = next(gap for group in found.groups for gap in group.gaps if gap.measure == "selected")
        widths.append((gap.difference.high or 0) - (gap.difference.low or 0))
    assert widths[1] > 1.8 * widths[0]


def test_every_row_is_in_one_group() -> None:
    many = pl.Series("city", [f"c{at % 30}" for at in range(300)] + [None])
    groups = dict(groups_of(many))
    assert len(groups) == MOST_GROUPS + 1
    assert groups.keys() >= {OTHER, MISSING}
    assert np.sum(list(groups.values()), axis=0).tolist() == [1] * 301
    numbers = pl.Series("income", [float(at) for at in range(100)] + [float("nan"), None])
    ranges = dict(groups_of(numbers))
    assert [int(mask.sum()) for mask in ranges.values()] == [20, 20, 20, 20, 20, 2]
    assert next(iter(ranges)) == "0 to 19"
    assert list(ranges)[1] == "20 to 39"
    assert list(dict(groups_of(pl.Series("age_band", [10.0, 2.0, 10.0])))) == ["2", "10"]
    assert list(dict(groups_of(pl.Series("name", ["a", "b", "b"])))) == ["b", "a"]


def test_segments_have_figures_of_their_own() -> None:
    scores = scored()
    found = segment_figures(scores, "gender")
    assert [group.name for group in found] == ["m", "f", "x"]
    assert sum(group.rows for group in found) == 3000
    assert found[2].note == "few rows: 20"
    assert {"auc", "brier", "ece_10_equal_mass"} <= found[0].metrics.keys()
    with pytest.raises(DataError, match="'region' is not in the table"):
        segment_figures(scores, "region")


def test_periods_fit_the_span_and_hold_every_row() -> None:
    found = figures_over_time(scored())
    assert found is not None
    assert (found.column, found.period) == ("day", "week")
    assert [each.start for each in found.periods] == sorted(each.start for each in found.periods)
    assert sum(each.rows for each in found.periods) == 3000
    monthly = figures_over_time(scored(), period="month")
    assert monthly is not None
    assert [each.name for each in monthly.periods] == ["2026-01", "2026-02", "2026-03"]
    first = datetime(2020, 1, 1, tzinfo=UTC)
    lengths = [period_of(pl.Series([first, first + timedelta(days=days)])) for days in (20, 100, 700, 3000, 9000)]
    assert lengths == ["day", "week", "month", "quarter", "year"]


def test_rows_without_columns_to_group_by_have_periods_too() -> None:
    rows = scored()
    found = figures_over_time(replace(rows, columns=pl.DataFrame()))
    assert found == figures_over_time(replace(rows, columns=None)) == figures_over_time(rows)


def test_times_may_be_text_or_numbers_or_missing() -> None:
    label, score = np.array([0, 1] * 20, np.int8), np.linspace(0, 1, 40)
    text = pl.Series("t", ["2026-01-05", "2026-03-05"] * 20)
    found = figures_over_time(Scored(score, label, time=text), period="month")
    assert found is not None
    assert [each.name for each in found.periods] == ["2026-01", "2026-03"]
    numbers = figures_over_time(Scored(score, label, time=pl.Series("step", range(40))))
    assert numbers is not None
    assert numbers.period == "value"
    assert [each.rows for each in numbers.periods] == [4] * 10
    elapsed = figures_over_time(Scored(score, label, time=pl.Series("t", [timedelta(hours=at) for at in range(40)])))
    assert elapsed is not None
    assert sum(each.rows for each in elapsed.periods) == 40
    assert figures_over_time(Scored(score, label, time=pl.Series("t", ["soon"] * 40))) is None
    assert figures_over_time(Scored(score, label)) is None


def test_the_spread_of_folds_is_that_of_their_metrics() -> None:
    parts = [scored(rows=400, seed=seed) for seed in range(3)]
    folds = [fold_figures(at, part, training_rows=800) for at, part in enumerate(parts)]
    areas = [auc(part.label, part.score) for part in parts]
    spread = spread_of(folds)["auc"]
    assert (spread.mean, spread.deviation) == pytest.approx((np.mean(areas), np.std(areas, ddof=1)))
    assert (spread.low, spread.high) == pytest.approx((min(areas), max(areas)))
    assert spread_of(folds[:1]) == {}


def test_an_evaluation_is_the_same_after_json() -> None:
    spec = EvaluateSpec(segments=("income",), fairness=("gender",), cuts=(0.3,), bootstrap=20)
    bands = (Band(name="low", from_score=0), Band(name="high", from_score=0.6))
    found = evaluate_scores(scored(), spec, costs=Costs(false_negative=3), bands=bands)
    assert Evaluation.model_validate_json(found.model_dump_json()) == found
    assert {cut.name for cut in found.cuts} == {"band high", "given 0.3", "best F1"}
    assert found.fairness["gender"].cut_name == "best profit"
    assert len(found.by_segment["income"]) == 5
    without = evaluate_scores(scored(), spec.model_copy(update={"cuts": ()}), bands=bands)
    assert (without.fairness["gender"].cut_name, without.fairness["gender"].cut) == ("band high", 0.6)


@pytest.mark.parametrize("rows", [1, 2, 5, 30])
def test_a_few_rows_have_an_evaluation_too(rows: int) -> None:
    spec = EvaluateSpec(segments=("income",), fairness=("gender",))
    found = evaluate_scores(scored(30, seed=4).take(np.arange(rows)), spec, costs=Costs())
    assert Evaluation.model_validate_json(found.model_dump_json()) == found
    assert found.rows == rows
