"""Ranking figures: aSAH as pROC has it, brute force over all pairs, and scikit-learn."""

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_registry.statistics.scores.ranking import (
    auc,
    auc_difference,
    average_precision,
    ks,
    paired_auc_difference,
    placements,
)

Columns = dict[str, npt.NDArray[np.float64]]
Labelled = tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]


def estimate(figure: Figure) -> Estimate:
    assert isinstance(figure, Estimate)
    return figure


def asah() -> tuple[npt.NDArray[np.bool_], Columns]:
    """113 patients after a haemorrhage (Turck et al., Intensive Care Medicine 36, 2010), as in R's package pROC."""
    with (Path(__file__).parent / "golden" / "asah.csv").open() as file:
        rows = list(csv.DictReader(file))
    poor = np.array([row["outcome"] == "poor" for row in rows])
    return poor, {name: np.array([float(row[name]) for row in rows]) for name in ("wfns", "s100b", "ndka")}


def labelled(values: list[tuple[bool, int]]) -> Labelled:
    return np.array([label for label, _ in values]), np.array([score / 4 for _, score in values])


@st.composite
def labelled_scores(draw: st.DrawFn) -> Labelled:
    """At least three rows of each label, scores with many ties."""
    events = draw(st.lists(st.integers(-8, 12), min_size=3, max_size=25))
    others = draw(st.lists(st.integers(-8, 12), min_size=3, max_size=25))
    rows = draw(st.permutations([(True, score) for score in events] + [(False, score) for score in others]))
    return labelled(rows)


def pairwise(label: npt.NDArray[np.bool_], score: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], ...]:
    """Placement values by comparing every event with every other row (DeLong 1988, equations 4 and 5)."""
    events, others = score[label][:, None], score[~label][None, :]
    wins = (events > others) + (events == others) / 2
    return wins.mean(axis=1), wins.mean(axis=0)


def test_asah_is_as_in_proc() -> None:
    label, scores = asah()
    found = estimate(auc(label, scores["s100b"]))
    assert found.value == pytest.approx(0.7313686, abs=5e-8)
    assert placements(label, scores["s100b"]).variance == pytest.approx(0.00266868245717244, rel=1e-12)
    assert (round(found.low, 4), round(found.high, 4), found.count) == (0.6301, 0.8326, 113)
    assert estimate(auc(label, scores["wfns"])).value == pytest.approx(0.8236789, abs=5e-8)
    ndka = estimate(auc(label, scores["ndka"]))
    assert (ndka.low, ndka.high) == pytest.approx((0.501244999271703, 0.722670989888189), rel=1e-12)


@pytest.mark.parametrize(
    ("control", "treated", "p", "low", "high"),
    [
        ("s100b", "wfns", 0.0271757822291882, 0.0104061769564846, 0.174214419249478),
        ("ndka", "wfns", 0.00514557970691098, 0.0634011709339876, 0.3600405634833566),
        ("s100b", "ndka", 0.164295175223054, -0.2876917446341914, 0.0488706064228094),
    ],
)
def test_paired_areas_of_asah_are_as_in_proc(control: str, treated: str, p: float, low: float, high: float) -> None:
    label, scores = asah()
    found = estimate(paired_auc_difference(label, scores[control], scores[treated]))
    assert (found.p, found.low, found.high) == pytest.approx((p, low, high), rel=1e-10)


@pytest.mark.parametrize(
    ("control", "treated", "p"),
    [
        ("s100b", "wfns", 0.152825378808796),
        ("ndka", "wfns", 0.00220950791756457),
        ("s100b", "ndka", 0.120192832430845),
    ],
)
def test_unpaired_areas_of_asah_are_as_in_proc(control: str, treated: str, p: float) -> None:
    label, scores = asah()
    found = estimate(auc_difference(placements(label, scores[control]), placements(label, scores[treated])))
    assert found.p == pytest.approx(p, rel=1e-10)


@given(labelled_scores())
def test_delong_is_that_of_all_pairs(rows: Labelled) -> None:
    label, score = rows
    events, others = pairwise(label, score)
    placed = placements(label, score, in_order=True)
    assert placed.events == pytest.approx(events)
    assert placed.others == pytest.approx(others)
    assert placed.auc == pytest.approx(metrics.roc_auc_score(label, score))
    variance = events.var(ddof=1) / len(events) + others.var(ddof=1) / len(others)
    for computed in (placed, placements(label, score)):
        assert computed.variance == pytest.approx(variance, abs=1e-15)


@given(labelled_scores(), labelled_scores())
def test_paired_delong_is_that_of_all_pairs(rows: Labelled, other_rows: Labelled) -> None:
    label, first = rows
    second = np.resize(other_rows[1], len(label))
    parts = zip(pairwise(label, first), pairwise(label, second), strict=True)
    covariances = [np.cov(left, right) / len(left) for left, right in parts]
    total = sum(matrix[0, 0] + matrix[1, 1] - 2 * matrix[0, 1] for matrix in covariances)
    found = estimate(paired_auc_difference(label, first, second))
    assert found.high - found.low == pytest.approx(2 * stats.norm.ppf(0.975) * np.sqrt(max(total, 0)), abs=1e-7)
    turned = estimate(paired_auc_difference(label, second, first))
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


@given(labelled_scores())
def test_figures_depend_on_the_order_of_scores_alone(rows: Labelled) -> None:
    label, score = rows
    for figure in (auc, average_precision, ks):
        assert figure(label, np.exp(score / 3) - 5) == figure(label, score)


@given(labelled_scores())
def test_turning_scores_turns_the_area(rows: Labelled) -> None:
    label, score = rows
    found, turned = estimate(auc(label, score)), estimate(auc(label, -score))
    assert turned.value == pytest.approx(1 - found.value)
    assert (turned.low, turned.high) == pytest.approx((1 - found.high, 1 - found.low))


@given(labelled_scores())
def test_values_are_those_of_scikit_learn(rows: Labelled) -> None:
    label, score = rows
    weights = np.arange(len(label)) % 3 + 0.5
    assert estimate(average_precision(label, score)).value == pytest.approx(
        metrics.average_precision_score(label, score)
    )
    assert estimate(average_precision(label, score, weights=weights)).value == pytest.approx(
        metrics.average_precision_score(label, score, sample_weight=weights)
    )
    assert estimate(auc(label, score, weights=weights)).value == pytest.approx(
        metrics.roc_auc_score(label, score, sample_weight=weights)
    )
    theirs = stats.ks_2samp(score[label], score[~label], method="asymp")
    assert estimate(ks(label, score)).value == pytest.approx(theirs.statistic)
    assert estimate(ks(label, score)).p == pytest.approx(theirs.pvalue)


@example((np.arange(9) < 3, np.repeat([0.25, 0.0], (3, 6))))
@given(labelled_scores())
def test_equal_weights_change_nothing(rows: Labelled) -> None:
    label, score = rows
    weighted, plain = (estimate(auc(label, score, weights=w)) for w in (np.full(len(label), 2.5), None))
    assert (weighted.value, weighted.low, weighted.high) == pytest.approx((plain.value, plain.low, plain.high))


def covered(seed: int, true: float) -> tuple[bool, bool]:
    draws = np.random.default_rng(seed)
    label = draws.random(400) < 0.3
    score = draws.normal(label * 1.0)
    area, precision = estimate(auc(label, score)), estimate(average_precision(label, score))
    return area.low <= stats.norm.cdf(np.sqrt(0.5)) <= area.high, precision.low <= true <= precision.high


def test_intervals_cover_the_truth() -> None:
    """Of 400 samples of 400 rows; the true average precision is that of 500,000 rows. Noise: 3 standard errors."""
    draws = np.random.default_rng(1)
    label = draws.random(500_000) < 0.3
    true = estimate(average_precision(label, draws.normal(label * 1.0))).value
    areas, precisions = np.mean([covered(seed, true) for seed in range(400)], axis=0)
    assert areas == pytest.approx(0.95, abs=0.033)
    assert precisions == pytest.approx(0.95, abs=0.033), "the logit interval is approximate"


def test_perfect_scores_have_an_interval() -> None:
    label = np.array([True] * 5 + [False] * 40)
    found = estimate(auc(label, label.astype(np.float64)))
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(stats.binomtest(5, 5).proportion_ci(method="wilson").low)
    assert estimate(auc(~label, label.astype(np.float64))).low == 0


def test_rows_of_one_label_are_too_few() -> None:
    label, score = np.array([True, False, False]), np.arange(3.0)
    assert auc(label, score) == TooFew(1, 2, "DeLong")
    assert isinstance(average_precision(label, score), TooFew)
    assert isinstance(paired_auc_difference(label, score, score), TooFew)
    assert isinstance(auc_difference(placements(label, score), placements(label, score)), TooFew)
    assert isinstance(ks(np.zeros(3, bool), score), TooFew)
