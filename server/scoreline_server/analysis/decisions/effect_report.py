"""What the actions of a policy did, from journals and outcomes."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from scoreline_registry.pictures.notes import Note
from scoreline_registry.routing.bucketing import percent_of
from scoreline_server.analysis.decisions.cases import CaseQuery, Cases, read_cases
from scoreline_server.analysis.decisions.effects import (
    Metric,
    control_strata,
    counts,
    effects,
    groups,
    metric_of,
    net_value,
    segment_effects,
)
from scoreline_server.analysis.decisions.outcomes import CaseOutcomes
from scoreline_server.analysis.decisions.policy_history import ControlOf, unknown_control
from scoreline_server.analysis.decisions.report import EffectPlan, EffectReport
from scoreline_server.analysis.report.parts import Period
from scoreline_server.journal.format.times import DAY

VALUE = "value"
MAX_OUTCOMES = 10


@dataclass(frozen=True, slots=True)
class EffectRequest:
    """What to report on.

    Attributes:
        folders: journals, one per host; outcomes are in the same folders.
        query: the policy and its cases.
        outcomes: their names; empty for the most frequent ones.
        plan: ``value`` is empty for the outcome named "value", where there is one.
        now: the time against which the age of cases is measured, ns since 1970; None for the clock.
    """

    folders: tuple[Path, ...]
    query: CaseQuery
    outcomes: tuple[str, ...] = ()
    plan: EffectPlan = field(default_factory=EffectPlan)
    now: int | None = None


def report_effects(request: EffectRequest, control_of: ControlOf = unknown_control) -> EffectReport:
    """The report on a policy."""
    now = time.time_ns() if request.now is None else request.now
    cases, plan = read_cases(request.folders, request.query), request.plan
    reported = CaseOutcomes(request.folders, cases, maturity=round(plan.maturity_days * DAY), now=now)
    money = plan.value or (VALUE if VALUE in reported.names else "")
    names = request.outcomes or reported.names[:MAX_OUTCOMES]
    outcomes = [reported.of(name) for name in dict.fromkeys([*names, *([money] if money else [])])]
    metrics = [metric_of(each, reported.is_mature, absent_is_zero=plan.absent_is_zero) for each in outcomes]
    value = next((metric for metric in metrics if metric.name == money), None)
    shown = [metric for metric in metrics if metric.name in names]
    tested = [*([net_value(value, cases)] if value is not None else []), *shown]
    shares = {revision: control_of(revision) for revision in np.unique(cases.revisions).tolist()}
    happened = [each for each in outcomes if each.name != money]
    chosen, strata = groups(cases), control_strata(cases, shares)
    return EffectReport(
        policy=request.query.policy,
        made_at=now,
        period=_period(request.query, cases),
        plan=EffectPlan(plan.alpha, plan.tuning_rows, plan.maturity_days, plan.absent_is_zero, money),
        cases=len(cases),
        mature=int(reported.is_mature.sum()),
        repeated=cases.repeated,
        control_shares=_percents(shares.values()),
        outcomes=tuple(each.counts for each in outcomes),
        actions=tuple(counts(cases, group, happened, value) for group in chosen),
        effects=tuple(effects(cases, chosen, tested, strata, plan)),
        segments=tuple(segment_effects(cases, chosen, tested[0], strata, plan)) if tested else (),
        notes=tuple(_notes(cases, tested, reported, shares, wanted=(*request.outcomes, plan.value))),
    )


def _percents(shares: Iterable[int | None]) -> tuple[float, ...]:
    """Millionths as percent, each once, ascending."""
    return tuple(float(percent_of(share)) for share in sorted({share for share in shares if share is not None}))


def _period(query: CaseQuery, cases: Cases) -> Period:
    first, last = (int(cases.times[at]) if len(cases) else None for at in (0, -1))
    return Period(query.since, query.until, first, last)


def _notes(
    cases: Cases,
    metrics: Sequence[Metric],
    reported: CaseOutcomes,
    shares: Mapping[int, int | None],
    *,
    wanted: Iterable[str],
) -> Iterator[Note]:
    if not len(cases):
        yield Note("problem", "the journal has no decisions of this policy in the period")
        return
    if not cases.control.any():
        yield Note("problem", "no case is of the control, so there is nothing to compare actions with: set `control`")
    if not metrics:
        yield Note("problem", "no outcome is reported for these decisions: `scoreline outcomes import` reports them")
    unknown = sorted({*wanted} - {*reported.names, ""})
    if unknown:
        yield Note(
            "problem", f"no outcome is called {', '.join(unknown)}; there are {', '.join(reported.names) or 'none'}"
        )
    if cases.damaged:
        yield Note("problem", f"{cases.damaged} stretches of the journal cannot be read")
    absent = [by for by, levels in cases.segments.items() if not (levels.codes >= 0).any()]
    if absent:
        yield Note("caution", f"no case has {', '.join(absent)}")
    if None in shares.values() and len(shares) > 1:
        text = "the control's share in some revisions is not known: cases are compared as if it never changed"
        yield Note("caution", text)
    young = len(cases) - int(reported.is_mature.sum())
    if young:
        yield Note("info", f"{young:,} cases are younger than the maturity and do not count")
