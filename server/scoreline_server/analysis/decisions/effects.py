"""The effect of actions against the control: cases that an action was proposed for, with it and without it.

A unit of the control share never gets an action, and the journal keeps what it would have got. Whether a unit is in the
control was drawn before anything was known of the case, so among the cases that an action was proposed for, the control
differs from the others by chance and by the action alone, whatever rules, limits and exploration did.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scoreline_registry.decisions.actions import NO_ACTION
from scoreline_registry.statistics.always_valid.confidence_sequences import ConfidenceSequence
from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_server.analysis.comparison.contrasts import EVENTS, RATE, RATIO, Intervals, Tester
from scoreline_server.analysis.comparison.effects import adjusted
from scoreline_server.analysis.comparison.strata import MomentTable
from scoreline_server.analysis.decisions.cases import Bool, Cases, Float64, Ints
from scoreline_server.analysis.decisions.outcomes import CaseOutcome
from scoreline_server.analysis.decisions.report import (
    ANY_ACTION,
    ActionCounts,
    ActionEffect,
    EffectPlan,
    SegmentActionEffects,
)
from scoreline_server.analysis.report.parts import MetricPlan

NET = "net value"
MEAN = "mean"
CONTROL, TREATED = 0, 1
MAX_LEVELS = 20
HIGHER, LOWER, NOTHING_SHOWN, TOO_FEW = "higher", "lower", "no difference shown", "too few"


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """A value per case: float64 [N], and the cases that count: bool [N]."""

    name: str
    values: Float64
    counted: Bool
    is_binary: bool

    def among(self, chosen: Bool) -> "Metric":
        """The same over some cases."""
        return replace(self, counted=self.counted & chosen)


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Cases whose effect is looked at: those that an action, or a variant of its message, was proposed for."""

    action: str
    variant: str
    cases: Bool


def metric_of(outcome: CaseOutcome, is_mature: Bool, *, absent_is_zero: bool) -> Metric:
    """An outcome as a metric: of mature cases that have it, or of all mature ones, 0 where nothing was reported."""
    counted = is_mature if absent_is_zero else is_mature & outcome.known
    values = outcome.values[counted]
    return Metric(outcome.name, outcome.values, counted, bool(len(values)) and bool(np.isin(values, (0, 1)).all()))


def net_value(value: Metric, cases: Cases) -> Metric:
    """An outcome in money less the costs of the actions that were taken."""
    return Metric(
        NET, value.values - np.where(np.isfinite(cases.costs), cases.costs, 0.0), value.counted, is_binary=False
    )


def groups(cases: Cases) -> list[Group]:
    """Every action that was proposed, all of them together first, and each variant where an action has several.

    A variant is drawn without regard to the unit's control, so that it is compared with all of the control's cases.
    """
    found = [Group(name, "", cases.proposing(name)) for name in cases.names]
    together = Group(ANY_ACTION, "", _any(cases, [group.cases for group in found]))
    return [
        *([together] if len(found) > 1 else []),
        *(each for group in found for each in (group, *_variants(cases, group))),
    ]


def effects(
    cases: Cases, chosen: Sequence[Group], metrics: Sequence[Metric], strata: Ints, plan: EffectPlan
) -> list[ActionEffect]:
    """The effect of each group on each metric, corrected over all of them (Holm). ``strata`` [N]: see ``_table``."""
    found = [_effect(cases, group, metric, strata, plan) for group in chosen for metric in metrics]
    p_values = adjusted([effect.sequential for effect in found])
    return [
        replace(effect, adjusted_p=p, verdict=_verdict(effect.sequential, p, plan.alpha))
        for effect, p in zip(found, p_values, strict=True)
    ]


def segment_effects(
    cases: Cases, chosen: Sequence[Group], metric: Metric, strata: Ints, plan: EffectPlan
) -> Iterator[SegmentActionEffects]:
    """The effects on one metric in the most common levels of each segment; corrected within the segment."""
    for by, levels in cases.segments.items():
        parts = list(levels.most_common(MAX_LEVELS))
        every = [replace(group, cases=group.cases & rows) for _, rows in parts for group in chosen if not group.variant]
        found = iter(effects(cases, every, [metric], strata, plan))
        whole = [group for group in chosen if not group.variant]
        for name, rows in parts:
            yield SegmentActionEffects(by, name, int(rows.sum()), tuple(next(found) for _ in whole))


def counts(cases: Cases, group: Group, outcomes: Sequence[CaseOutcome], value: Metric | None) -> ActionCounts:
    """The cases of a group, their outcomes and their money."""
    acting = ~cases.control & (cases.actions != cases.code(NO_ACTION))
    own = acting if group.action == ANY_ACTION else acting & (cases.actions == cases.code(group.action))
    taken = own & (cases.variants == cases.code(group.variant)) if group.variant else own
    known = cases.expected[taken & np.isfinite(cases.expected)]
    return ActionCounts(
        action=group.action,
        variant=group.variant,
        proposed=int(group.cases.sum()),
        control=int((group.cases & cases.control).sum()),
        refused=int((group.cases & ~cases.control & ~cases.granted).sum()),
        taken=int(taken.sum()),
        outcomes=tuple((each.name, int((taken & (each.values != 0)).sum())) for each in outcomes),
        cost=float(cases.costs[taken & np.isfinite(cases.costs)].sum()),
        value=None if value is None else float(value.values[taken & value.counted].sum()),
        expected=float(known.mean()) if len(known) else None,
    )


def control_strata(cases: Cases, shares: Mapping[int, int | None]) -> Ints:
    """The stratum of each case, by the millionths of the control in its revision; one where they are not known."""
    revisions, places = np.unique(cases.revisions, return_inverse=True)
    known = [shares.get(revision) for revision in revisions.tolist()]
    return np.unique([-1 if share is None else share for share in known], return_inverse=True)[1][places]


def _any(cases: Cases, parts: Sequence[Bool]) -> Bool:
    found = np.zeros(len(cases), bool)
    for part in parts:
        found |= part
    return found


def _variants(cases: Cases, group: Group) -> Iterator[Group]:
    codes = np.unique(cases.variants[group.cases & cases.granted])
    names = [cases.texts[code] for code in codes.tolist() if cases.texts[code]]
    for name in names if len(names) > 1 else ():
        with_variant = cases.granted & (cases.variants == cases.code(name))
        yield Group(group.action, name, group.cases & (cases.control | with_variant))


def _effect(cases: Cases, group: Group, metric: Metric, strata: Ints, plan: EffectPlan) -> ActionEffect:
    rows = np.flatnonzero(group.cases & metric.counted)
    table, kind, few = _table(cases, metric, rows, strata)
    two = table.two_arms(CONTROL, TREATED, np.ones(table.counts.shape[0], bool))
    tester = Tester(
        MetricPlan(metric.name, metric.name, kind, "increase"),
        ConfidenceSequence(plan.alpha, plan.tuning_rows),
        amounts=bool((metric.values[rows] >= 0).all()),
    )
    absolute, relative = (_guarded(tester.intervals(two, relative=each), kind, few, plan) for each in (False, True))
    control = cases.control[rows]
    return ActionEffect(
        action=group.action,
        variant=group.variant,
        metric=metric.name,
        kind=kind,
        cases=(int(control.sum()), int((~control).sum())),
        units=(two.control.count, two.treated.count),
        strata=two.strata,
        values=(_mean(metric.values[rows[control]]), _mean(metric.values[rows[~control]])),
        fixed=absolute.fixed,
        sequential=absolute.sequential,
        relative=relative.sequential,
    )


def _table(cases: Cases, metric: Metric, rows: Ints, strata: Ints) -> tuple[MomentTable, str, int]:
    """The moments over units by stratum and arm, the kind of the metric, and the least events of an arm.

    Strata are the periods of equal control shares. A unit with one case gives its value; where units have several, the
    metric is a ratio of sums over units, value over cases, whose variance takes into account that the cases of a unit
    depend on each other (delta method).
    """
    periods = int(strata.max()) + 1 if len(strata) else 1
    cells = 2 * strata[rows] + np.where(cases.control[rows], CONTROL, TREATED)
    units = np.unique(cases.units[rows], return_inverse=True)[1]
    unique, places = np.unique(units * (2 * periods) + cells, return_inverse=True)
    sums: Float64 = np.bincount(places, metric.values[rows], len(unique)).astype(np.float64)
    sizes = np.bincount(places, minlength=len(unique)).astype(np.float64)
    cell = unique % (2 * periods)
    groups_of = ((cell // 2, periods), (cell % 2, 2))
    events = [int(np.count_nonzero(sums[cell % 2 == arm])) for arm in (CONTROL, TREATED)]
    if len(sizes) and sizes.max() > 1:
        return MomentTable.of((sums, sizes), groups_of), RATIO, min(events)
    kind = RATE if metric.is_binary else MEAN
    return MomentTable.of((sums,), groups_of), kind, min(events)


def _guarded(found: Intervals, kind: str, events: int, plan: EffectPlan) -> Intervals:
    """The intervals; too few for ratios of which an arm has too few units with the outcome for a normal mean."""
    least = ConfidenceSequence(plan.alpha, plan.tuning_rows).least_events
    if kind != RATIO or events >= least:
        return found
    return Intervals(TooFew(events, least, EVENTS), TooFew(events, least, EVENTS))


def _mean(values: Float64) -> float | None:
    return float(values.mean()) if len(values) else None


def _verdict(found: Figure, p: float | None, alpha: float) -> str:
    if not isinstance(found, Estimate) or p is None:
        return TOO_FEW
    if p > alpha:
        return NOTHING_SHOWN
    return HIGHER if found.value > 0 else LOWER
