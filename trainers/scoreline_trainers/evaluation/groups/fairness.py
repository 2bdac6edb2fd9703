"""Fairness: decisions, errors, calibration and ranking of groups at one cut, each against a reference group."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from scoreline_registry.statistics.contrasts import differences
from scoreline_registry.statistics.contrasts.proportions import rate_difference
from scoreline_registry.statistics.figures import Estimate, Figure
from scoreline_registry.statistics.scores import ranking
from scoreline_trainers.data.batch import Bools
from scoreline_trainers.errors import DataError
from scoreline_trainers.evaluation.document import FairnessGroup, FairnessTable, Gap, Interval
from scoreline_trainers.evaluation.groups.figures import FEW_EACH, FEW_ROWS, size_note
from scoreline_trainers.evaluation.groups.grouping import groups_of
from scoreline_trainers.evaluation.scored import Scored
from scoreline_trainers.evaluation.spec import FairnessLimits
from scoreline_trainers.evaluation.uncertainty.intervals import (
    UNITS,
    interval_of,
    mean_interval,
    mean_moments,
    rate_interval,
    rate_moments,
)

ALPHA = 0.05
"""Of all gaps of a table together."""

Side = Literal["above", "below"]


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """The rows of one group with their decisions."""

    name: str
    scored: Scored
    above: Bools
    selected: Bools

    @property
    def event(self) -> Bools:
        return np.asarray(self.scored.label, bool)

    @property
    def is_small(self) -> bool:
        return len(self.scored) < FEW_ROWS

    def rates(self) -> Iterator[tuple[str, Bools, Bools]]:
        """Names of rates with their hits among rows."""
        yield "true_positive_rate", self.above, self.event
        yield "false_positive_rate", self.above, ~self.event
        yield "precision", self.event, self.above


def fairness_table(
    scored: Scored,
    column: str,
    *,
    cut: float,
    cut_name: str = "",
    favorable: Side = "above",
    limits: FairnessLimits | None = None,
) -> FairnessTable:
    """The groups of ``column`` side by side, against the largest.

    A gap is flagged where it is beyond chance (its interval excludes 0 at 5 % over all gaps of the table, by
    Bonferroni) and large by ``limits``. Groups below FEW_ROWS rows have figures but no gaps.

    Args:
        scored: rows with labels of 0 and 1.
        column: of ``scored.columns``.
        cut: a row with a score of at least this is a positive decision.
        cut_name: what cut it is.
        favorable: the side of the cut that is good for a person: "selected" is the share of rows on it.
        limits: what counts as large.

    Raises:
        DataError: a column that is not there.
    """
    limits = limits or FairnessLimits()
    if scored.columns is None or column not in scored.columns.columns:
        raise DataError(column, "is not in the table, so its groups cannot be compared")
    groups = [_group(name, scored.take(mask), cut, favorable) for name, mask in groups_of(scored.columns[column])]
    reference = max(groups, key=lambda group: len(group.scored))
    compared = [group for group in groups if group is not reference and not group.is_small]
    alpha = ALPHA / max(1, sum(1 for group in compared for _ in _contrasts(group, reference, ALPHA)))
    rate = float(np.asarray(scored.label, bool).mean())
    rows = tuple(
        _figures(group, reference, _gaps(group, reference, alpha, limits, rate) if group in compared else ())
        for group in groups
    )
    shares = [float(group.selected.mean()) for group in (reference, *compared) if not group.is_small]
    ratio = min(shares) / max(shares) if len(shares) > 1 and max(shares) > 0 else None
    return FairnessTable(
        column=column,
        cut=cut,
        cut_name=cut_name,
        favorable=favorable,
        reference=reference.name,
        groups=rows,
        selection_ratio=ratio,
        flags=tuple(
            _sentence(column, row.name, reference.name, gap) for row in rows for gap in row.gaps if gap.flagged
        ),
    )


def _group(name: str, scored: Scored, cut: float, favorable: Side) -> _Group:
    above = scored.score >= cut
    return _Group(name, scored, above, above if favorable == "above" else ~above)


def _figures(group: _Group, reference: _Group, gaps: tuple[Gap, ...]) -> FairnessGroup:
    scored, units = group.scored, group.scored.clusters
    rates = {
        name: rate_interval(hits[among], None if units is None else units[among]) for name, hits, among in group.rates()
    }
    return FairnessGroup(
        name=group.name,
        rows=len(scored),
        positives=int(group.event.sum()),
        rate=rate_interval(group.event, units),
        selected=rate_interval(group.selected, units),
        ratio=_ratio(group, reference),
        calibration=mean_interval(scored.score - scored.label, units) if scored.probability else None,
        auc=interval_of(ranking.auc(scored.label, scored.score), "DeLong"),
        gaps=gaps,
        note=size_note(scored),
        **rates,
    )


def _ratio(group: _Group, reference: _Group) -> Interval | None:
    """The share selected over the reference's; its interval is the delta method's."""
    base = float(reference.selected.mean())
    if not base:
        return None
    if group is reference:
        return Interval(value=1.0)
    value = float(group.selected.mean()) / base
    shares = [rate_moments(each.selected, each.scored.clusters) for each in (reference, group)]
    found = differences.difference(*shares, relative=True)
    if group.is_small or not isinstance(found, Estimate):
        return Interval(value=value)
    return Interval(value=value, low=max(0.0, 1 + found.low), high=1 + found.high, method="delta")


def _contrasts(group: _Group, reference: _Group, alpha: float) -> Iterator[tuple[str, Figure]]:
    """The group's figures minus the reference's that both have enough rows for."""
    yield "selected", _rate_gap((group, group.selected, None), (reference, reference.selected, None), alpha)
    for (name, hits, among), (_, others, of_others) in zip(group.rates(), reference.rates(), strict=True):
        if min(int(among.sum()), int(of_others.sum())) >= FEW_EACH:
            yield name, _rate_gap((group, hits, among), (reference, others, of_others), alpha)
    if group.scored.probability:
        yield "calibration", _calibration_gap(group, reference, alpha)
    placed = [ranking.placements(each.scored.label, each.scored.score) for each in (reference, group)]
    if min(each.fewest for each in placed) >= FEW_EACH:
        yield "auc", ranking.auc_difference(*placed, alpha=alpha)


def _rate_gap(
    group: tuple[_Group, Bools, Bools | None], reference: tuple[_Group, Bools, Bools | None], alpha: float
) -> Figure:
    """The difference of two shares; over units that of linearised means."""
    sides = []
    for each, hits, among in (reference, group):
        rows = np.ones(len(hits), bool) if among is None else among
        units = each.scored.clusters
        sides.append((hits[rows], None if units is None else units[rows]))
    if all(units is None for _, units in sides):
        counts = [(int(hits.sum()), len(hits)) for hits, _ in sides]
        return rate_difference(*counts, alpha=alpha)
    return differences.difference(*(rate_moments(hits, units) for hits, units in sides), alpha=alpha)


def _calibration_gap(group: _Group, reference: _Group, alpha: float) -> Figure:
    sides = [mean_moments(each.scored.score - each.scored.label, each.scored.clusters) for each in (reference, group)]
    return differences.difference(*sides, alpha=alpha)


def _gaps(group: _Group, reference: _Group, alpha: float, limits: FairnessLimits, rate: float) -> tuple[Gap, ...]:
    allowed = {"calibration": limits.calibration * rate, "auc": limits.auc, "selected": limits.selection_ratio}
    found = []
    for measure, figure in _contrasts(group, reference, alpha):
        if not isinstance(figure, Estimate):
            continue
        limit = allowed.get(measure, limits.rates)
        large = _differs_by_ratio(group, reference, limit) if measure == "selected" else abs(figure.value) > limit
        method = f"{UNITS if group.scored.clusters is not None else figure.method}, corrected"
        shown = interval_of(figure, method) or Interval(value=figure.value)
        found.append(
            Gap(measure=measure, difference=shown, limit=limit, beyond_chance=figure.excludes_zero, large=large)
        )
    return tuple(found)


def _differs_by_ratio(group: _Group, reference: _Group, limit: float) -> bool:
    low, high = sorted(float(each.selected.mean()) for each in (group, reference))
    return low < limit * high


_SAID = {
    "selected": "share selected",
    "true_positive_rate": "true positive rate",
    "false_positive_rate": "false positive rate",
    "precision": "precision",
    "calibration": "mean score minus rate",
    "auc": "AUC",
}


def _sentence(column: str, group: str, reference: str, gap: Gap) -> str:
    """Such as "gender f: share selected differs by -0.12 (-0.15 to -0.09) from m, ratio below 0.8"."""
    found = gap.difference
    limit = f"a ratio below {gap.limit:g}" if gap.measure == "selected" else f"more than {gap.limit:.3g}"
    between = "" if found.low is None or found.high is None else f" ({found.low:+.3f} to {found.high:+.3f})"
    return f"{column} {group}: {_SAID[gap.measure]} differs by {found.value:+.3f}{between} from {reference}, {limit}"
