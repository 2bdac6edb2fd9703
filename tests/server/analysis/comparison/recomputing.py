"""Recomputes every figure of a comparison from the exported journal, by pandas, SciPy and scikit-learn."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import stats
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression

from scoreline_registry.statistics.figures import Estimate, Figure
from scoreline_server.analysis.report.comparison import ArmReport, Comparison, Effect
from scoreline_server.analysis.report.parts import Distribution, Latency, Quality
from scoreline_server.analysis.report.shadow import BandMatrix, ShadowReport, ShadowSegment, SwapTable
from scoreline_server.journal.commands import journal

Array = npt.NDArray[Any]
Bands = Mapping[str, Mapping[str, float]]
Cuts = tuple[Mapping[str, float], Mapping[str, float]]
"""By version, where each band begins."""


def exported(folder: Path, out: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows and the shadows' scores of a journal, by way of Parquet files."""
    for name, options in (("rows", []), ("shadows", ["--shadows"])):
        done = CliRunner().invoke(journal, ["export", str(folder), "--out", str(out / f"{name}.parquet"), *options])
        assert done.exit_code == 0, done.output
    return pd.read_parquet(out / "rows.parquet"), pd.read_parquet(out / "shadows.parquet")


def check_arms(report: Comparison, rows: pd.DataFrame, labels: Mapping[str, float]) -> None:
    """Exposures, scores, latencies, values and quality of each arm; ``labels`` are outcomes by prediction id."""
    first = rows.sort_values("time", kind="stable").drop_duplicates("unit")
    assert report.rows.read == len(rows)
    assert report.rows.exposures == len(first)
    for arm in report.arms:
        own = first[first.assigned_arm == arm.arm]
        assert (arm.exposures, arm.failed) == (len(own), int(own.score.isna().sum()))
        known = own.prediction_id.map(labels)
        _check_distribution(arm.scores, own.score.to_numpy())
        _check_latency(arm.latency, own.latency_ms.to_numpy())
        _check_metric(arm, known.dropna().to_numpy())
        labelled = known.notna().to_numpy()
        if arm.quality:
            check_quality(arm.quality[0], known[labelled].to_numpy() > 0, own.score[labelled].to_numpy())
    for effect in report.effects:
        arms = [
            first[first.assigned_arm == name].prediction_id.map(labels).dropna()
            for name in (effect.baseline, effect.arm)
        ]
        check_effect(effect, arms[0].to_numpy(), arms[1].to_numpy(), report.plan.tuning_rows)


def check_effect(effect: Effect, control: Array, treated: Array, tuning_rows: int) -> None:
    """Welch's test of SciPy, and the confidence sequence by its formula (arXiv:2103.06476, equation 9)."""
    assert effect.units == (len(control), len(treated))
    test = stats.ttest_ind(treated, control, equal_var=False)
    interval = test.confidence_interval(0.95)
    found = estimate(effect.absolute)
    assert found.value == pytest.approx(treated.mean() - control.mean())
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-6)
    assert found.p == pytest.approx(test.pvalue, rel=1e-6)
    error = np.sqrt(control.var(ddof=1) / len(control) + treated.var(ddof=1) / len(treated))
    low, high, p = sequence(
        found.value, error, 4 * len(control) * len(treated) / (len(control) + len(treated)), tuning_rows
    )
    always = estimate(effect.sequential)
    assert (always.low, always.high, always.p) == pytest.approx((low, high, p))
    lift = treated.mean() / control.mean() - 1
    assert estimate(effect.relative).value == pytest.approx(lift)
    if effect.looks:
        assert (effect.looks[-1].low, effect.looks[-1].high) == pytest.approx((low, high))


def sequence(
    value: float, error: float, clock: float, tuning_rows: int, alpha: float = 0.05
) -> tuple[float, float, float]:
    """The asymptotic confidence sequence's interval and p."""
    rho = np.sqrt((-2 * np.log(alpha) + np.log(1 - 2 * np.log(alpha))) / tuning_rows)
    ratio = clock * rho**2 + 1
    half = error * np.sqrt(clock) * np.sqrt(2 * ratio * np.log(np.sqrt(ratio) / alpha)) / (clock * rho)
    p = min(1.0, np.sqrt(ratio) * np.exp(-(rho**2) * clock * (value / error) ** 2 / (2 * ratio)))
    return value - half, value + half, p


def check_shadow(
    shadow: ShadowReport, rows: pd.DataFrame, shadows: pd.DataFrame, labels: Mapping[str, float], bands: Bands,
    *, tuning_rows: int,
) -> None:  # fmt: skip
    """Every figure of a shadow at 100 % whose rows are of distinct units."""
    pairs = rows.merge(shadows[["prediction_id", "score"]], on="prediction_id", suffixes=("", "_shadow"))
    pairs = pairs[(pairs.arm == shadow.primary) & pairs.score.notna() & pairs.score_shadow.notna()]
    primary, other = pairs.score.to_numpy(np.float64), pairs.score_shadow.to_numpy(np.float64)
    difference = other - primary
    assert (shadow.pairs, shadow.units) == (len(pairs), pairs.unit.nunique())
    _check_mean(shadow, difference, tuning_rows)
    assert shadow.absolute_difference == pytest.approx(np.abs(difference).mean())
    for at, value, low, high in shadow.difference_quantiles:
        assert value == pytest.approx(np.quantile(difference, at, method="inverted_cdf"))
        assert low <= value <= high
    assert estimate(shadow.pearson).value == pytest.approx(stats.pearsonr(primary, other).statistic)
    assert estimate(shadow.spearman).value == pytest.approx(stats.spearmanr(primary, other).statistic)
    assert estimate(shadow.kendall).value == pytest.approx(stats.kendalltau(primary, other).statistic, abs=0.01)
    assert estimate(shadow.shift.ks).value == pytest.approx(stats.ks_2samp(primary, other).statistic)
    assert estimate(shadow.shift.psi).value == pytest.approx(psi(primary, other))
    _check_distribution(shadow.primary_scores, primary)
    _check_distribution(shadow.shadow_scores, other)
    _check_latency(shadow.primary_latency, pairs.latency_ms.to_numpy())
    assert shadow.shadow_latency is not None
    known = pairs.prediction_id.map(labels)
    labelled = known.notna().to_numpy()
    label = known[labelled].to_numpy() > 0
    if shadow.primary_quality:
        check_quality(shadow.primary_quality[0], label, pairs.score.to_numpy()[labelled])
        check_quality(shadow.shadow_quality[0], label, pairs.score_shadow.to_numpy()[labelled])
        gap = sk.roc_auc_score(label, other[labelled]) - sk.roc_auc_score(label, primary[labelled])
        assert estimate(shadow.auc_difference[0][1]).value == pytest.approx(gap)
    cuts = bands[shadow.primary_versions[0][0]], bands[shadow.shadow_versions[0][0]]
    _check_swaps(shadow.swaps, cuts, primary, other, known.to_numpy(np.float64))
    _check_bands(shadow.bands, cuts, primary, other)
    for segment in shadow.segments:
        inside = (
            pairs[segment.by] == segment.level if segment.by in pairs else contexts(pairs, segment.by) == segment.level
        )
        _check_segment(segment, pairs[inside], inside.to_numpy(), (primary, other), cuts)


def _check_segment(
    segment: ShadowSegment, pairs: pd.DataFrame, inside: Array, scores: tuple[Array, Array], cuts: Cuts
) -> None:
    primary, other = (part[inside] for part in scores)
    difference = other - primary
    assert segment.rows == int(inside.sum())
    assert estimate(segment.difference).value == pytest.approx(difference.mean())
    assert segment.absolute_difference == pytest.approx(np.abs(difference).mean())
    for at, value, _, _ in segment.difference_quantiles:
        assert value == pytest.approx(np.quantile(difference, at, method="inverted_cdf"))
    assert estimate(segment.spearman).value == pytest.approx(stats.spearmanr(primary, other).statistic)
    assert estimate(segment.kendall).value == pytest.approx(stats.kendalltau(primary, other).statistic, abs=0.01)
    assert estimate(segment.shift.ks).value == pytest.approx(stats.ks_2samp(primary, other).statistic)
    assert estimate(segment.shift.psi).value == pytest.approx(psi(primary, other))
    assert segment.shift.psi_shifted == (estimate(segment.shift.psi).value > segment.shift.psi_threshold)
    _check_latency(segment.primary_latency, pairs.latency_ms.to_numpy())
    assert segment.shadow_latency is not None
    assert segment.shadow_latency.count == segment.rows
    _check_swaps(segment.swaps, cuts, primary, other, np.full(len(pairs), np.nan))


def contexts(rows: pd.DataFrame, by: str) -> "pd.Series[str]":
    """The value of a context key per row."""
    key = by.removeprefix("context.")
    return rows.context.map(lambda text: json.loads(text).get(key) if text else None)


def psi(expected: Array, observed: Array) -> float:
    """The population stability index over tenths of the expected scores, half a row added where a bin is empty."""
    edges = np.unique(np.quantile(expected.astype(np.float32), np.arange(1, 10) / 10, method="inverted_cdf"))
    counts = [np.bincount(np.searchsorted(edges, part), minlength=len(edges) + 1) for part in (expected, observed)]
    half = 0.5 if min(map(min, counts)) == 0 else 0.0
    before, after = ((part + half) / (part + half).sum() for part in counts)
    return float(((after - before) * np.log(after / before)).sum())


def check_quality(quality: Quality, label: Array, score: Array) -> None:
    """AUC, average precision, Brier, KS and calibration by scikit-learn and SciPy."""
    assert (quality.rows, quality.positives) == (len(label), int(label.sum()))
    assert estimate(quality.auc).value == pytest.approx(sk.roc_auc_score(label, score))
    assert estimate(quality.average_precision).value == pytest.approx(sk.average_precision_score(label, score))
    assert estimate(quality.brier).value == pytest.approx(np.square(score.astype(np.float64) - label).mean())
    assert estimate(quality.ks).value == pytest.approx(stats.ks_2samp(score[label], score[~label]).statistic)
    assert quality.calibration is not None
    tenths = np.array_split(np.argsort(score, kind="stable"), 10)
    gaps = [abs(score[part].astype(np.float64).mean() - label[part].mean()) * len(part) for part in tenths]
    assert quality.calibration.expected_error == pytest.approx(sum(gaps) / len(score))
    clipped = np.clip(score.astype(np.float64), 1e-9, 1 - 1e-9)
    line = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(np.log(clipped / (1 - clipped))[:, None], label)
    assert estimate(quality.calibration.intercept).value == pytest.approx(line.intercept_[0], abs=1e-4)
    assert estimate(quality.calibration.slope).value == pytest.approx(line.coef_[0, 0], abs=1e-4)


def estimate(figure: Figure) -> Estimate:
    """The estimate that a figure is."""
    assert isinstance(figure, Estimate), figure
    return figure


def _check_metric(arm: ArmReport, values: Array) -> None:
    metric = arm.metrics[0]
    assert (metric.exposures, metric.labelled) == (arm.exposures, len(values))
    assert estimate(metric.value).value == pytest.approx(values.mean())
    wilson = stats.binomtest(int(values.sum()), len(values)).proportion_ci(method="wilson")
    assert (estimate(metric.value).low, estimate(metric.value).high) == pytest.approx((wilson.low, wilson.high))


def _check_mean(shadow: ShadowReport, difference: Array, tuning_rows: int) -> None:
    test = stats.ttest_1samp(difference, 0)
    interval = test.confidence_interval(0.95)
    found = estimate(shadow.difference)
    assert found.value == pytest.approx(difference.mean())
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.p == pytest.approx(test.pvalue, rel=1e-6, abs=1e-300)
    low, high, _ = sequence(difference.mean(), stats.sem(difference), len(difference), tuning_rows)
    assert (estimate(shadow.sequential).low, estimate(shadow.sequential).high) == pytest.approx((low, high))


def _check_distribution(found: Distribution | None, scores: Array) -> None:
    known = scores[np.isfinite(scores)]
    assert found is not None
    assert found.count == len(known)
    assert found.mean == pytest.approx(known.mean(dtype=np.float64))
    assert found.counts == tuple(np.histogram(known, np.array(found.edges))[0].tolist())
    for at, value in found.quantiles:
        assert value == pytest.approx(np.quantile(known, at), rel=1e-5)


def _check_latency(found: Latency | None, milliseconds: Array) -> None:
    assert found is not None
    assert found.mean == pytest.approx(milliseconds.mean(), rel=1e-5)
    for at, value in found.quantiles:
        assert value == pytest.approx(np.quantile(milliseconds, at), rel=1e-5)


def _check_swaps(swaps: tuple[SwapTable, ...], cuts: Cuts, primary: Array, other: Array, known: Array) -> None:
    own, theirs = cuts
    assert [swap.name for swap in swaps] == [name for name in own if own[name] > 0]
    for swap in swaps:
        above, also = primary >= np.float32(own[swap.name]), other >= np.float32(theirs[swap.name])
        cells = (above & also, ~above & also, above & ~also, ~above & ~also)
        assert _counts(swap) == tuple(int(cell.sum()) for cell in cells)
        assert estimate(swap.flips).value == pytest.approx((above != also).mean())
        assert estimate(swap.net_shift).value == pytest.approx(also.mean() - above.mean())
        moved = int((~above & also).sum()), int((above & ~also).sum())
        assert estimate(swap.net_shift).p == pytest.approx(stats.binomtest(moved[0], sum(moved) or 1).pvalue)
        for _, rates in swap.outcome_rates:
            for (count, rate), cell in zip(rates, cells, strict=True):
                values = known[cell & np.isfinite(known)]
                assert count == len(values)
                assert not count or rate == pytest.approx(values.mean())


def _check_bands(found: BandMatrix | None, cuts: Cuts, primary: Array, other: Array) -> None:
    assert found is not None
    places = [np.searchsorted(np.array(list(each.values())), scores, side="right") - 1
              for each, scores in zip(cuts, (primary, other), strict=True)]  # fmt: skip
    table = pd.crosstab(places[0], places[1]).reindex(
        index=range(len(cuts[0])), columns=range(len(cuts[1])), fill_value=0
    )
    assert found.counts == tuple(map(tuple, table.to_numpy().tolist()))


def _counts(swap: SwapTable) -> tuple[int, int, int, int]:
    return swap.both_above, swap.swapped_in, swap.swapped_out, swap.both_below
