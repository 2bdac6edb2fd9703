"""Decisions, as callers get them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from scoreline.decoding.explanations import read_explanation
from scoreline.decoding.responses import entity_error
from scoreline.decoding.results import DataQuality, ProfileState, Reason, Score
from scoreline.errors import ScorelineError, ServerError
from scoreline.v1 import decisions_pb2 as pb
from scoreline.v1 import scoring_pb2

NO_ACTION = "none"


class Suppression(NamedTuple):
    """An action that a limit forbade: its name, the limit's, and the limit's kind, such as "frequency"."""

    action: str
    limit: str
    kind: str


class TracedCondition(NamedTuple):
    """One condition of a rule: the fact, the test, the fact's value (None where it is missing), whether it holds."""

    fact: str
    test: str
    value: float | str | bool | None
    holds: bool


class TracedRule(NamedTuple):
    """A rule that was tried, whether it matched, and its conditions."""

    rule: str
    matched: bool
    conditions: tuple[TracedCondition, ...]


class TracedCandidate(NamedTuple):
    """An action that was ranked; ``refused_by`` is the limit, or why else it could not be taken, empty for none."""

    action: str
    expected_value: float | None
    benefit: float | None
    effect: float | None
    cost: float
    propensity: float
    refused_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionTrace:
    """How a decision came about: the rules in the order in which they were tried, the actions, and the facts."""

    rules: tuple[TracedRule, ...]
    candidates: tuple[TracedCandidate, ...]
    facts: Mapping[str, float | str | bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do about one entity.

    Attributes:
        decision_id: what outcomes are reported for; the prediction id of the score.
        action: as the policy names it; "none" for none.
        message: the text for the customer; empty where the policy has none for the action.
        language, channel, variant: of the message; empty for none.
        score: what it was decided on; None where ``error`` is set.
        expected_value: what the action is expected to bring less its cost; None where the policy does not say.
        cost: what the action costs.
        strategy, rule: what decided.
        is_control: whether the unit is in the control share, which never gets an action.
        withheld_action: what a unit in the control share would have got; empty for others.
        suppressed: better actions that a limit forbade, best first.
        propensity: the probability with which the action was chosen.
        flags: the policy's flags that hold, such as "adversarial".
        trace: how it was decided, where that was asked for.
        message_problem: why the message could not be written; empty where it could.
        error: why there is no decision; only in the results of ``decide_many``.
    """

    decision_id: str = ""
    action: str = NO_ACTION
    message: str = ""
    language: str = ""
    channel: str = ""
    variant: str = ""
    score: Score | None = None
    expected_value: float | None = None
    cost: float = 0.0
    strategy: str = ""
    rule: str = ""
    is_control: bool = False
    withheld_action: str = ""
    suppressed: tuple[Suppression, ...] = ()
    propensity: float = 1.0
    flags: tuple[str, ...] = ()
    trace: DecisionTrace | None = field(default=None, repr=False)
    message_problem: str = ""
    error: ScorelineError | None = None

    @property
    def acts(self) -> bool:
        """Whether there is something to do."""
        return self.action != NO_ACTION


def read_decisions(answer: pb.DecideResponse, rows: Sequence[int]) -> list[Decision]:
    """The decisions of an answer, for the caller's rows of these indices. Raises ServerError for another number."""
    if len(answer.decisions) != len(rows):
        raise ServerError(f"the response has {len(answer.decisions)} decisions, not {len(rows)}")
    return [_decision(each, answer, row) for each, row in zip(answer.decisions, rows, strict=True)]


def _decision(message: pb.Decision, answer: pb.DecideResponse, row: int) -> Decision:
    if message.HasField("error"):
        return Decision(error=entity_error(message.error, row))
    return Decision(
        decision_id=message.decision_id,
        action=message.action,
        message=message.message,
        language=message.language,
        channel=message.channel,
        variant=message.variant,
        score=read_score(message.score, answer.revision),
        expected_value=message.expected_value if message.HasField("expected_value") else None,
        cost=message.cost,
        strategy=message.strategy,
        rule=message.rule,
        is_control=message.is_control,
        withheld_action=message.withheld_action,
        suppressed=tuple(Suppression(each.action, each.limit, each.kind) for each in message.suppressed),
        propensity=message.propensity,
        flags=tuple(message.flags),
        trace=_trace(message.trace) if message.HasField("trace") else None,
        message_problem=message.message_problem,
    )


def read_score(message: scoring_pb2.EntityScore, revision: int) -> Score:
    """A score of an answer of this revision."""
    quality = message.quality
    return Score(
        score=message.score,
        band=message.band or None,
        points=message.points if message.HasField("points") else None,
        extras={
            name: np.frombuffer(tensor.data, "<f4").reshape(tuple(tensor.shape))
            for name, tensor in message.extras.items()
        },
        model=message.model,
        version=message.version,
        arm=message.arm,
        reason=Reason(message.reason),
        prediction_id=message.prediction_id,
        revision=revision,
        model_digest="",
        quality=DataQuality(quality.missing, quality.defaulted, quality.unseen, quality.clipped),
        profile_state=ProfileState(quality.profile_state),
        explanation=read_explanation(message.explanation) if message.HasField("explanation") else None,
    )


def _trace(message: pb.DecisionTrace) -> DecisionTrace:
    return DecisionTrace(
        rules=tuple(
            TracedRule(
                rule.rule,
                rule.matched,
                tuple(
                    TracedCondition(each.fact, each.test, read_value(each.value), each.holds)
                    for each in rule.conditions
                ),
            )
            for rule in message.rules
        ),
        candidates=tuple(map(_candidate, message.candidates)),
        facts={name: read_value(value) for name, value in message.facts.items()},
    )


def _candidate(message: pb.CandidateTrace) -> TracedCandidate:
    return TracedCandidate(
        message.action,
        message.expected_value if message.HasField("expected_value") else None,
        message.benefit if message.HasField("benefit") else None,
        message.effect if message.HasField("effect") else None,
        message.cost,
        message.propensity,
        message.refused_by,
    )


def read_value(value: scoring_pb2.Value) -> float | str | bool | None:
    """A value; None where it is missing."""
    kind = value.WhichOneof("kind")
    return None if kind is None else getattr(value, kind)
