"""The value that another policy would have had, from the decisions of one that ran and their outcomes."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from scoreline_registry.decisions.policy import Policy
from scoreline_registry.pictures.notes import Note
from scoreline_registry.statistics.figures import Estimate, Figure, TooFew
from scoreline_registry.statistics.off_policy.estimators import (
    Terms,
    clipped_share,
    doubly_robust,
    inverse_propensity,
    mean_weight,
    self_normalised,
)
from scoreline_registry.statistics.off_policy.logged import LoggedDecisions
from scoreline_registry.statistics.off_policy.outcome_models import fitted
from scoreline_server.analysis.decisions.cases import CaseQuery, Cases, Float64, read_cases
from scoreline_server.analysis.decisions.outcomes import CaseOutcomes
from scoreline_server.analysis.decisions.policy_history import PolicyHistory
from scoreline_server.analysis.decisions.weighing import Weighed, weigh
from scoreline_server.journal.format.times import DAY

MAX_FEATURES = 50
REPRODUCED = 0.99
"""The least share of decisions that their own policy should make again on what the journal has."""
LOGGED = "mean of the log"
NO_OUTCOME = "without a mature outcome"
NO_SUPPORT = "without support"


@dataclass(frozen=True, slots=True)
class ValueRequest:
    """What to evaluate by.

    Attributes:
        folders: journals, one per host; outcomes are in the same folders.
        query: the policy that ran, and its cases.
        outcome: what a decision is worth, costs not taken off.
        maturity_days: within which it is observed.
        absent_is_zero: whether a mature case of which nothing was reported is worth 0.
        clip: the largest weight; None for none.
        supported: evaluates the decisions alone in which the log could have taken all that the policy may take.
        now: ns since 1970; None for the clock.
    """

    folders: tuple[Path, ...]
    query: CaseQuery
    outcome: str
    maturity_days: float = 0.0
    absent_is_zero: bool = False
    clip: float | None = None
    supported: bool = False
    alpha: float = 0.05
    now: int | None = None


@dataclass(frozen=True, slots=True)
class EstimatedValue:
    """The value per decision by one estimator, and what it is more than what the log got."""

    estimator: str
    value: Figure
    gain: Figure


@dataclass(frozen=True, slots=True)
class ActionShare:
    """The share of decisions that an action was taken in, and that it would be taken in."""

    action: str
    logged: float
    target: float


@dataclass(frozen=True, slots=True)
class ValueReport:
    """The value of a policy that did not run, per decision, costs taken off.

    Attributes:
        policy: the one that ran.
        cases: its decisions; ``used`` of them are evaluated, ``left_out`` says why others are not.
        supported: the share of usable decisions in which the log could have taken all that the policy may take.
        reproduced: the share of decisions that the policy that ran would make again on what the journal has.
        effective: the effective number of decisions, by their weights.
        largest_weight: of a decision; ``clipped`` is the share of the weight that clipping took.
        mean_weight: near 1 where the propensities are right.
        logged: what the decisions were worth.
        cost_logged, cost_target: the mean cost per decision.
    """

    policy: str
    outcome: str
    cases: int
    used: int
    left_out: tuple[tuple[str, int], ...]
    supported: float
    reproduced: float
    effective: float
    largest_weight: float
    clipped: float
    mean_weight: Figure
    logged: Figure
    values: tuple[EstimatedValue, ...]
    actions: tuple[ActionShare, ...]
    cost_logged: float
    cost_target: float
    notes: tuple[Note, ...] = ()


def evaluate(request: ValueRequest, target: Policy, history: PolicyHistory) -> ValueReport:
    """The value of ``target`` in the cases of the log.

    Its control share is part of it. Limits that a store counts refuse it what they refused in the log, which is not
    known of cases of the control. Raises OSError, and NoSupportError unless ``supported``.
    """
    cases = read_cases(request.folders, request.query)
    maturity = round(request.maturity_days * DAY)
    now = time.time_ns() if request.now is None else request.now
    outcomes = CaseOutcomes(request.folders, cases, maturity=maturity, now=now)
    outcome = outcomes.of(request.outcome)
    counted = outcomes.is_mature & (outcome.known | request.absent_is_zero)
    found = weigh(request.folders, request.query, cases, counted, target, history)
    log, own = _logged(found, cases, outcome.values)
    is_supported = log.is_supported
    left_out = {NO_OUTCOME: int((~counted).sum()), **found.left_out}
    features, kept = found.features, np.ones(len(log), bool)
    if request.supported:
        kept = is_supported
        left_out[NO_SUPPORT] = int((~kept).sum())
    log, own, features = log.among(kept), own[kept], features[kept]
    log.check_support()
    costs = np.nan_to_num(found.costs[kept])
    weights = mean_weight(log)
    report = ValueReport(
        policy=request.query.policy,
        outcome=request.outcome,
        cases=len(cases),
        used=len(log),
        left_out=tuple((why, count) for why, count in left_out.items() if count),
        supported=float(is_supported.mean()) if len(is_supported) else 0.0,
        reproduced=found.reproduced / found.seen if found.seen else 0.0,
        effective=weights.effective,
        largest_weight=float(log.weights.max(initial=0.0)),
        clipped=0.0 if request.clip is None else clipped_share(log, request.clip),
        mean_weight=weights.figure(alpha=request.alpha),
        logged=Terms(LOGGED, own, log.units, float(len(own))).figure(alpha=request.alpha),
        values=tuple(_estimates(log, own, features, request)) if len(log) else (),
        actions=tuple(_shares(log)),
        cost_logged=float(found.paid[kept].mean()) if len(log) else 0.0,
        cost_target=float((log.targets * costs).sum(axis=1).mean()) if len(log) else 0.0,
    )
    return _noted(report)


def _logged(found: Weighed, cases: Cases, values: Float64) -> tuple[LoggedDecisions, Float64]:
    """The decisions with what they would be worth at the target's costs, and what they were worth."""
    places = np.arange(len(found.rows))
    propensities = found.logging[places, found.taken]
    costs = found.costs[places, found.taken]
    log = LoggedDecisions(
        actions=found.actions,
        taken=found.taken,
        rewards=values[found.rows] - np.where(np.isfinite(costs), costs, found.paid),
        propensities=np.minimum(propensities, 1.0),
        targets=found.targets,
        logging=found.logging,
        units=np.unique(cases.units[found.rows], return_inverse=True)[1],
    )
    return log, values[found.rows] - found.paid


def _estimates(
    log: LoggedDecisions, own: Float64, features: Float64, request: ValueRequest
) -> Iterator[EstimatedValue]:
    """By all three estimators; the outcome model knows the score and the numbers of the route."""
    predicted = fitted(log, features[:, :MAX_FEATURES])
    for terms in (
        doubly_robust(log, predicted, clip=request.clip),
        self_normalised(log, clip=request.clip),
        inverse_propensity(log, clip=request.clip),
    ):
        gain = terms.minus(own).figure(alpha=request.alpha)
        yield EstimatedValue(terms.name, terms.figure(alpha=request.alpha), gain)


def _shares(log: LoggedDecisions) -> Iterator[ActionShare]:
    for column, action in enumerate(log.actions):
        if len(log):
            yield ActionShare(action, float((log.taken == column).mean()), float(log.targets[:, column].mean()))


def _noted(report: ValueReport) -> ValueReport:
    return replace(report, notes=tuple(_notes(report)))


def _notes(report: ValueReport) -> Iterator[Note]:
    if not report.used:
        yield Note("problem", "no decision can be evaluated: see what is left out")
        return
    weight = report.mean_weight
    if isinstance(weight, Estimate) and not weight.low <= 1 <= weight.high:
        text = f"the mean weight is {weight.value:.3g} instead of 1: propensities are not those of the draws"
        yield Note("problem", text)
    if report.reproduced < REPRODUCED:
        text = f"only {report.reproduced:.1%} of the decisions are made again on what the journal has"
        yield Note("caution", f"{text}: facts of profiles and events are not journaled")
    if isinstance(report.values[0].value, TooFew):
        yield Note("caution", "too few effective decisions for an interval: let the policy that runs explore more")
    if report.clipped > 0.01:
        yield Note("caution", f"clipping takes {report.clipped:.1%} of the weight, and so draws values towards 0")
