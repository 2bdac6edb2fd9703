"""A comparison's report as tables and lines of text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_server.analysis.report.comparison import ArmReport, Comparison, Effect, SampleRatio
from scoreline_server.analysis.report.parts import Latency
from scoreline_server.analysis.report.shadow import ShadowReport, Shift
from scoreline_server.journal.format.times import time_text

MAX_SEGMENTS = 10
MAX_LEVEL_LENGTH = 60
DISTINCT = "distinct values"


@dataclass(frozen=True, slots=True)
class Table:
    """A titled table."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def head(comparison: Comparison) -> str:
    """One line about the period and the rows, and one about what of them does not count."""
    rows, period = comparison.rows, comparison.period
    times = " to ".join(time_text(time)[:19] for time in (period.first, period.last) if time is not None)
    left_out = {
        "retried": rows.retries,
        "read twice": rows.duplicates,
        "without a unit": rows.unassigned,
        "of testers": rows.overridden,
        "of units seen before": rows.repeats,
    }
    uncounted = ", ".join(f"{count:,} {what}" for what, count in left_out.items() if count)
    line = f"route {comparison.route}: {rows.exposures:,} units of {rows.read:,} rows"
    return line + (f", {times} UTC" if times else "") + (f"\nnot counted: {uncounted}" if uncounted else "")


def tables(comparison: Comparison) -> Iterator[Table]:
    """The tables of a report, in the order of reading."""
    if comparison.arms:
        yield _arms(comparison)
    if any(arm.metrics for arm in comparison.arms):
        yield _metrics(comparison)
    if comparison.sample_ratio is not None:
        yield _sample_ratio(comparison.sample_ratio)
    if comparison.effects:
        yield _effects(comparison.effects, f"effects against {comparison.baseline}")
    if any(effect.cuped for effect in comparison.effects):
        yield _cuped(comparison.effects)
    if any(arm.quality for arm in comparison.arms):
        yield _quality(comparison.arms)
    yield from _segments(comparison)
    for shadow in comparison.shadows:
        yield from _shadow(shadow)


def figure_text(figure: Figure) -> str:
    """Such as "0.0766 [0.0700, 0.0832]"."""
    if isinstance(figure, TooFew):
        what = f" {DISTINCT}" if figure.method.endswith(DISTINCT) else ""
        return f"too few: {figure.count} of {figure.needed}{what}"
    return f"{figure.value:.4g}" if not figure.level else f"{figure.value:.4g} [{figure.low:.4g}, {figure.high:.4g}]"


def level_text(level: str) -> str:
    """The level of a segment, which is a caller's text: printable and short."""
    text = "".join(each if each.isprintable() else "?" for each in level) or "(empty)"
    return text if len(text) <= MAX_LEVEL_LENGTH else f"{text[: MAX_LEVEL_LENGTH - 1]}…"


def p_text(figure: Figure) -> str:
    """The p-value of a figure; empty without one."""
    return f"{figure.p:.3g}" if isinstance(figure, Estimate) and figure.p is not None else ""


def _arms(comparison: Comparison) -> Table:
    rows = [
        (
            arm.arm,
            " ".join(name for name, _ in arm.versions),
            f"{arm.exposures:,}",
            f"{arm.failed:,}",
            f"{arm.fallback:,}",
            f"{arm.scores.mean:.4g}" if arm.scores else "",
            _quantile(arm.latency, 0.5),
            _quantile(arm.latency, 0.99),
        )
        for arm in comparison.arms
    ]
    columns = ("arm", "versions", "units", "failed", "fallback", "mean score", "call p50 ms", "call p99 ms")
    return Table("arms", columns, tuple(rows))


def _metrics(comparison: Comparison) -> Table:
    rows = [
        (metric.metric, arm.arm, f"{metric.labelled:,} of {metric.mature:,}", figure_text(metric.value))
        for place in range(len(comparison.plan.metrics))
        for arm in comparison.arms
        for metric in [arm.metrics[place]]
    ]
    return Table("metrics", ("metric", "arm", "labelled of mature units", "value"), tuple(rows))


def _sample_ratio(found: SampleRatio) -> Table:
    expected = dict(found.expected)
    rows = [
        (arm, f"{count:,}", f"{want:,.1f}", f"{100 * (count / want - 1):+.2f} %" if want else "leak")
        for arm, count in found.observed
        for want in [expected[arm]]
    ]
    verdict = "MISMATCH" if found.mismatch else "sound"
    title = f"sample ratio: {verdict}, always-valid p {p_text(found.sequential)}, chi-squared p {p_text(found.fixed)}"
    return Table(title, ("arm", "units", "expected", "excess"), tuple(rows))


def _effects(effects: Sequence[Effect], title: str) -> Table:
    rows = [
        (
            effect.metric + (" *" if effect.is_primary else ""),
            effect.arm,
            figure_text(effect.absolute),
            figure_text(effect.sequential),
            _p(effect.adjusted_sequential_p),
            _percent(effect.relative),
            effect.verdict,
        )
        for effect in effects
    ]
    columns = ("metric", "arm", "difference", "always-valid interval", "always-valid p", "relative", "verdict")
    return Table(title, columns, tuple(rows))


def _cuped(effects: Sequence[Effect]) -> Table:
    rows = [
        (
            effect.metric,
            effect.arm,
            f"{effect.cuped.variance_reduction:.2%}",
            "" if effect.cuped.gains else "no gain",
            figure_text(effect.cuped.absolute),
            figure_text(effect.cuped.sequential),
        )
        for effect in effects
        if effect.cuped is not None
    ]
    columns = ("metric", "arm", "variance taken", "", "difference", "always-valid interval")
    covariate = next(effect.cuped.covariate for effect in effects if effect.cuped)
    return Table(f"adjusted by {covariate} (CUPED)", columns, tuple(rows))


def _quality(arms: Sequence[ArmReport]) -> Table:
    rows = [
        (
            quality.metric,
            arm.arm,
            f"{quality.positives:,} of {quality.rows:,}",
            *map(figure_text, (quality.auc, quality.average_precision, quality.brier, quality.ks)),
            f"{quality.calibration.expected_error:.4g}" if quality.calibration else "",
            figure_text(quality.calibration.slope) if quality.calibration else "",
        )
        for arm in arms
        for quality in arm.quality
    ]
    columns = ("outcome", "arm", "positives", "AUC", "average precision", "Brier", "KS", "calibration error", "slope")
    return Table("quality of scores", columns, tuple(rows))


def _segments(comparison: Comparison) -> Iterator[Table]:
    for by in dict.fromkeys(segment.by for segment in comparison.segments):
        rows = [
            (level_text(segment.level), *row)
            for segment in [segment for segment in comparison.segments if segment.by == by][:MAX_SEGMENTS]
            for row in _effects(segment.effects, "").rows
        ]
        yield Table(f"effects by {by}", (by, *_effects((), "").columns), tuple(rows))


def _shadow(shadow: ShadowReport) -> Iterator[Table]:
    failed = f", {shadow.shadow_failed:,} failed" if shadow.shadow_failed else ""
    drawn = f", figures of {shadow.drawn:,} of them" if shadow.drawn < shadow.pairs else ""
    title = f"shadow {shadow.shadow} against {shadow.primary}: {shadow.pairs:,} rows that both scored{drawn}{failed}"
    yield Table(title, ("figure", "value", "p"), tuple(_agreement(shadow)))
    if shadow.swaps:
        yield _swaps(shadow)
    if shadow.primary_quality:
        yield _shadow_quality(shadow)
    if shadow.segments:
        yield _shadow_segments(shadow)


def _shadow_segments(shadow: ShadowReport) -> Table:
    rows = [
        (one.by, level_text(one.level), f"{one.rows:,}", figure_text(one.difference), _p(one.adjusted_p),
         figure_text(one.spearman), _short_psi(one.shift), figure_text(one.shift.ks),
         figure_text(one.flips) if one.flips else "", _latency(one.primary_latency), _latency(one.shadow_latency))
        for one in shadow.segments[:MAX_SEGMENTS]
    ]  # fmt: skip
    columns = ("segment", "level", "rows", "difference", "always-valid p", "Spearman", "PSI (by chance)", "KS", "flips",
               "primary's ms", "shadow's ms")  # fmt: skip
    return Table(f"shadow {shadow.shadow} by segment; p50 and p99 of latencies", columns, tuple(rows))


def _psi(shift: Shift) -> str:
    """Such as "0.1516, above what chance gives (0.00498)"."""
    if isinstance(shift.psi, TooFew):
        return figure_text(shift.psi)
    side = "above" if shift.psi_shifted else "within"
    return f"{figure_text(shift.psi)}, {side} what chance gives ({shift.psi_threshold:.3g})"


def _agreement(shadow: ShadowReport) -> Iterator[tuple[str, str, str]]:
    yield "mean difference", figure_text(shadow.difference), p_text(shadow.difference)
    yield "mean difference, always valid", figure_text(shadow.sequential), p_text(shadow.sequential)
    yield "mean absolute difference", f"{shadow.absolute_difference:.4g}" if shadow.drawn else "too few: 0 of 1", ""
    for at, value, low, high in shadow.difference_quantiles:
        yield f"{at:.0%} quantile of the difference", f"{value:.4g} [{low:.4g}, {high:.4g}]", ""
    yield "Pearson", figure_text(shadow.pearson), ""
    yield "Spearman", figure_text(shadow.spearman), ""
    yield "Kendall", figure_text(shadow.kendall), ""
    yield "PSI", _psi(shadow.shift), p_text(shadow.shift.psi)
    yield "KS", figure_text(shadow.shift.ks), ""
    yield "primary's call, p50 and p99 ms", _latency(shadow.primary_latency), ""
    yield "shadow's run time per row, p50 and p99 ms", _latency(shadow.shadow_latency), ""


def _swaps(shadow: ShadowReport) -> Table:
    rows = [
        (swap.name, f"{swap.primary_cut:.4g} / {swap.shadow_cut:.4g}", f"{swap.both_above:,}", f"{swap.swapped_in:,}",
         f"{swap.swapped_out:,}", f"{swap.both_below:,}", figure_text(swap.flips))
        for swap in shadow.swaps
    ]  # fmt: skip
    columns = ("cut-off", "at (primary / shadow)", "both above", "shadow only", "primary only", "both below", "flips")
    return Table(f"shadow {shadow.shadow}: decisions that would change", columns, tuple(rows))


def _shadow_quality(shadow: ShadowReport) -> Table:
    differences = dict(shadow.auc_difference)
    rows = [
        (one.metric, f"{one.positives:,} of {one.rows:,}", figure_text(one.auc), figure_text(other.auc),
         figure_text(differences[one.metric]), p_text(differences[one.metric]))
        for one, other in zip(shadow.primary_quality, shadow.shadow_quality, strict=True)
    ]  # fmt: skip
    columns = ("outcome", "positives", "primary's AUC", "shadow's AUC", "difference", "p")
    return Table(f"shadow {shadow.shadow}: labelled rows", columns, tuple(rows))


def _short_psi(shift: Shift) -> str:
    """Such as "0.0312 (0.0218) above"; where it is within what chance gives, without a word."""
    if isinstance(shift.psi, TooFew):
        return figure_text(shift.psi)
    return f"{shift.psi.value:.3g} ({shift.psi_threshold:.3g})" + (" above" if shift.psi_shifted else "")


def _quantile(latency: Latency | None, at: float) -> str:
    return f"{dict(latency.quantiles)[at]:.3g}" if latency else ""


def _latency(latency: Latency | None) -> str:
    return f"{_quantile(latency, 0.5)}, {_quantile(latency, 0.99)}" if latency else "not journaled"


def _percent(figure: Figure) -> str:
    if isinstance(figure, TooFew):
        return ""
    return f"{100 * figure.value:+.2f} % [{100 * figure.low:+.2f}, {100 * figure.high:+.2f}]"


def _p(p: float | None) -> str:
    return "" if p is None else f"{p:.3g}"
