"""The report on the actions of a policy: values that the command prints, draws and writes as JSON."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from scoreline_registry.pictures.notes import Note
from scoreline_registry.statistics.figures import Figure
from scoreline_server.analysis.report.document import plain
from scoreline_server.analysis.report.parts import OutcomeCounts, Period
from scoreline_server.analysis.report.text import Table, figure_text, level_text

SCHEMA_VERSION = 1
ANY_ACTION = "any action"


@dataclass(frozen=True, slots=True)
class EffectPlan:
    """How effects are looked at.

    Attributes:
        alpha: the level of intervals, at all looks together.
        tuning_rows: the units of both arms at which always-valid intervals are narrowest.
        maturity_days: within which an outcome is observed.
        absent_is_zero: whether a mature case of which nothing was reported counts as 0.
        value: the outcome that is money; empty for none.
    """

    alpha: float = 0.05
    tuning_rows: int = 5000
    maturity_days: float = 0.0
    absent_is_zero: bool = False
    value: str = ""


@dataclass(frozen=True, slots=True)
class ActionCounts:
    """The cases of an action.

    Attributes:
        action, variant: the variant is empty for all of them.
        proposed: cases in which it ranked first.
        control: of them of the control, which did not get it.
        refused: of them that a limit refused it.
        taken: cases that got it, also where a limit had refused a better one.
        outcomes: by name, the taken cases with a value that is not 0.
        cost: of the taken cases, all together.
        value: of the taken mature cases, all together; None where no outcome is money.
        expected: the mean expected value of the taken cases; None where the policy states none.
    """

    action: str
    variant: str
    proposed: int
    control: int
    refused: int
    taken: int
    outcomes: tuple[tuple[str, int], ...]
    cost: float
    value: float | None
    expected: float | None


@dataclass(frozen=True, slots=True)
class ActionEffect:
    """The effect of an action on a metric: cases that it was proposed for, treated less control.

    Attributes:
        kind: "rate", "mean", or "ratio" where units have several cases.
        cases, units: of control and treated; units are those of periods that both have.
        strata: periods of equal control shares that are compared within.
        values: the metric per case in control and treated; None without a case.
        fixed: the interval for one look that was fixed before.
        sequential: the always-valid one.
        relative: always-valid, over control's value.
        adjusted_p: of ``sequential``, corrected over the table (Holm).
    """

    action: str
    variant: str
    metric: str
    kind: str
    cases: tuple[int, int]
    units: tuple[int, int]
    strata: int
    values: tuple[float | None, float | None]
    fixed: Figure
    sequential: Figure
    relative: Figure
    adjusted_p: float | None = None
    verdict: str = ""

    @property
    def name(self) -> str:
        """The action with its variant."""
        return f"{self.action}, {self.variant}" if self.variant else self.action


@dataclass(frozen=True, slots=True)
class SegmentActionEffects:
    """The effects in one level of a segment."""

    by: str
    level: str
    cases: int
    effects: tuple[ActionEffect, ...]


@dataclass(frozen=True, slots=True)
class EffectReport:
    """What the actions of a policy did.

    Attributes:
        cases: decisions that were read, each once.
        mature: of them old enough for their outcomes.
        repeated: retries and decisions that were read twice.
        control_shares: the percent of units in the control, of each revision's policy that decided; empty where they
            are not known.
    """

    policy: str
    made_at: int
    period: Period
    plan: EffectPlan
    cases: int
    mature: int
    repeated: int
    control_shares: tuple[float, ...]
    outcomes: tuple[OutcomeCounts, ...]
    actions: tuple[ActionCounts, ...]
    effects: tuple[ActionEffect, ...]
    segments: tuple[SegmentActionEffects, ...]
    notes: tuple[Note, ...] = ()


def document(report: EffectReport) -> dict[str, Any]:
    """The report as JSON has it: times in ISO 8601, None for what is not finite, figures with their ``kind``."""
    made: dict[str, Any] = plain(report)
    for action in made["actions"]:
        action["outcomes"] = dict(action["outcomes"])
    return {"schema_version": SCHEMA_VERSION, **made}


def head(report: EffectReport) -> str:
    """One line about the cases."""
    line = f"policy {report.policy}: {report.cases:,} decisions, {report.mature:,} mature"
    return line + (f"; not counted: {report.repeated:,} repeated" if report.repeated else "")


def tables(report: EffectReport) -> Iterator[Table]:
    """The tables of a report, in the order of reading."""
    if report.actions:
        yield _counts(report.actions)
    if report.effects:
        yield _effects(report.effects, "effects against the control")
    for segment in report.segments:
        if segment.effects:
            title = f"{segment.by} {level_text(segment.level)}: {segment.cases:,} cases"
            yield _effects(segment.effects, title)


def _counts(actions: Sequence[ActionCounts]) -> Table:
    names = list(dict.fromkeys(name for action in actions for name, _ in action.outcomes))
    columns = (
        "action",
        "proposed",
        "control",
        "refused",
        "taken",
        *names,
        "cost",
        "value",
        "value less cost",
        "expected",
    )
    rows = tuple(
        (
            f"{each.action}, {each.variant}" if each.variant else each.action,
            *(f"{count:,}" for count in (each.proposed, each.control, each.refused, each.taken)),
            *(f"{dict(each.outcomes).get(name, 0):,}" for name in names),
            money(each.cost),
            money(each.value),
            money(None if each.value is None else each.value - each.cost),
            money(each.expected),
        )
        for each in actions
    )
    return Table("actions", columns, rows)


def _effects(effects: Sequence[ActionEffect], title: str) -> Table:
    columns = ("action", "metric", "control", "with it", "units", "effect, always-valid", "relative", "p", "verdict")
    rows = tuple(
        (
            each.name,
            each.metric,
            *(money(value) for value in each.values),
            f"{each.units[0]:,} + {each.units[1]:,}",
            figure_text(each.sequential),
            figure_text(each.relative),
            "" if each.adjusted_p is None else f"{each.adjusted_p:.3g}",
            each.verdict,
        )
        for each in effects
    )
    return Table(title, columns, rows)


def money(value: float | None) -> str:
    """A number of few digits; empty for none."""
    if value is None or not math.isfinite(value):
        return ""
    return f"{value:,.2f}" if abs(value) >= 100 else f"{value:.4g}"
