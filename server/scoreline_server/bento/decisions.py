"""The JSON bodies of the endpoint that decides, and their conversion from and to protobuf messages."""

from pydantic import BaseModel, Field

from scoreline.v1 import decisions_pb2 as pb
from scoreline_server.bento.messages import Entity, JsonValue, Score, entity_message, score_of
from scoreline_server.rpc.decision_calls import MAX_REQUEST_ID
from scoreline_server.scoring.reasons.asking import MOST_REASONS


class Case(Entity):
    """One entity to decide for, and the policy."""

    policy: str = Field(description="The policy's name; it decides on the route's scores.")
    reasons: int = Field(default=0, ge=0, le=MOST_REASONS, description="How many reasons of the score to return.")
    language: str = Field(default="", description="The language of the message; the policy says without it.")
    channel: str = Field(default="", description="The channel that the caller can act on; any without it.")
    trace: bool = Field(default=False, description="Whether to return how each rule decided.")
    request_id: str = Field(
        default="", max_length=MAX_REQUEST_ID, description="Equal on a retry, so that limits are taken once."
    )


class Suppression(BaseModel):
    """An action that a limit forbade."""

    action: str
    limit: str
    kind: str


class Condition(BaseModel):
    """How one condition was tried; ``value`` is null where the fact is missing."""

    fact: str
    test: str
    value: JsonValue
    holds: bool


class Rule(BaseModel):
    """How one rule was tried."""

    rule: str
    matched: bool
    conditions: list[Condition]


class Candidate(BaseModel):
    """How one action was ranked."""

    action: str
    expected_value: float | None
    cost: float
    propensity: float
    refused_by: str


class Trace(BaseModel):
    """How a decision came about."""

    rules: list[Rule]
    candidates: list[Candidate]
    facts: dict[str, JsonValue]


class Decision(BaseModel):
    """What to do about one entity."""

    decision_id: str = Field(description="Report outcomes for it; the prediction id of the score.")
    action: str
    message: str
    language: str
    channel: str
    variant: str
    score: Score
    expected_value: float | None
    cost: float
    strategy: str
    rule: str
    is_control: bool
    withheld_action: str
    suppressed: list[Suppression]
    propensity: float
    trace: Trace | None = None
    message_problem: str = ""
    revision: int = Field(description="The registry's revision that the Bento was built from.")


def decide_request(asked: Case) -> pb.DecideRequest:
    """The DecideRequest, in the named form."""
    return pb.DecideRequest(
        policy=asked.policy,
        entities=[entity_message(asked)],
        reasons=asked.reasons,
        language=asked.language,
        channel=asked.channel,
        trace=asked.trace,
        request_id=asked.request_id,
    )


def decision(answer: pb.DecideResponse) -> Decision:
    """The decision of a response for one entity."""
    (found,) = answer.decisions
    return Decision(
        decision_id=found.decision_id,
        action=found.action,
        message=found.message,
        language=found.language,
        channel=found.channel,
        variant=found.variant,
        score=score_of(found.score),
        expected_value=found.expected_value if found.HasField("expected_value") else None,
        cost=found.cost,
        strategy=found.strategy,
        rule=found.rule,
        is_control=found.is_control,
        withheld_action=found.withheld_action,
        suppressed=[Suppression(action=each.action, limit=each.limit, kind=each.kind) for each in found.suppressed],
        propensity=found.propensity,
        trace=_trace(found.trace) if found.HasField("trace") else None,
        message_problem=found.message_problem,
        revision=answer.revision,
    )


def _trace(trace: pb.DecisionTrace) -> Trace:
    rules = [
        Rule(rule=rule.rule, matched=rule.matched, conditions=[_condition(each) for each in rule.conditions])
        for rule in trace.rules
    ]
    facts = {name: _plain(value.WhichOneof("kind"), value) for name, value in trace.facts.items()}
    return Trace(rules=rules, candidates=[_candidate(each) for each in trace.candidates], facts=facts)


def _condition(condition: pb.ConditionTrace) -> Condition:
    value = _plain(condition.value.WhichOneof("kind"), condition.value)
    return Condition(fact=condition.fact, test=condition.test, value=value, holds=condition.holds)


def _candidate(candidate: pb.CandidateTrace) -> Candidate:
    return Candidate(
        action=candidate.action,
        expected_value=candidate.expected_value if candidate.HasField("expected_value") else None,
        cost=candidate.cost,
        propensity=candidate.propensity,
        refused_by=candidate.refused_by,
    )


def _plain(kind: str | None, value: object) -> JsonValue:
    found: JsonValue = None if kind is None else getattr(value, kind)
    return found
