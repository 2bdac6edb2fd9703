"""Messages of DecisionService, from values."""

from collections.abc import Iterator, Mapping

from scoreline.v1 import decisions_pb2 as pb
from scoreline.v1 import scoring_pb2
from scoreline_registry.decisions.deciding.proposal import LeftOut, Proposal, RuleTrace
from scoreline_registry.decisions.facts import FactValue
from scoreline_server.decisions.deciding import Decided, Decision
from scoreline_server.scoring.facts import Scored
from scoreline_server.scoring.responses import ResponseEncoder, entity_error


def decide_response(decided: Decided, scored: Scored, *, trace: bool) -> pb.DecideResponse:
    """The response to a call: a decision or an error per row."""
    batch = scored.batch
    encoder = ResponseEncoder(batch.route, batch.results, batch.call_ids)
    response = pb.DecideResponse(revision=decided.policy.revision, call_id=batch.call_ids)
    for row in range(len(batch.rows)):
        if row in decided.by_row:
            id_ = f"{batch.call_ids.hex()}-{row}"
            response.decisions.append(_decision(decided.by_row[row], id_, encoder.entity_score(row, id_), trace=trace))
        else:
            response.decisions.add(error=entity_error(row, batch.results.errors[row]))
    return response


def _decision(decision: Decision, id_: str, score: scoring_pb2.EntityScore, *, trace: bool) -> pb.Decision:
    row = decision.row
    return pb.Decision(
        decision_id=id_,
        action=row.action,
        message=decision.message.text,
        message_problem=decision.message.problem,
        language=row.language,
        channel=row.channel,
        variant=row.variant,
        score=score,
        expected_value=row.expected_value,
        cost=row.cost,
        strategy=row.strategy,
        rule=row.rule,
        is_control=row.is_control,
        withheld_action=row.withheld,
        suppressed=[pb.Suppression(action=each.action, limit=each.limit, kind=each.kind) for each in row.suppressed],
        propensity=row.propensity,
        flags=row.flags,
        trace=_trace(decision) if trace else None,
    )


def _trace(decision: Decision) -> pb.DecisionTrace:
    proposal = decision.proposal
    return pb.DecisionTrace(
        rules=[_rule(rule) for rule in proposal.rules],
        candidates=[*_candidates(proposal, dict(decision.refused)), *map(_left_out, proposal.left_out)],
        facts={name: value_of(value) for name, value in proposal.facts.items()},
    )


def _rule(rule: RuleTrace) -> pb.RuleTrace:
    conditions = [
        pb.ConditionTrace(fact=test.fact, test=test.test, value=value_of(test.value), holds=test.holds)
        for test in rule.tests
    ]
    return pb.RuleTrace(rule=rule.rule, matched=rule.matched, conditions=conditions)


def _candidates(proposal: Proposal, refused: Mapping[str, str]) -> Iterator[pb.CandidateTrace]:
    for each in proposal.candidates:
        yield pb.CandidateTrace(
            action=each.action,
            expected_value=each.expected_value,
            benefit=each.benefit,
            effect=each.change,
            cost=each.cost,
            propensity=each.propensity,
            refused_by=refused.get(each.action, ""),
        )


def _left_out(left: LeftOut) -> pb.CandidateTrace:
    reason = left.by if left.reason == "limit" else f"{left.reason}: {left.by}".removesuffix(": ")
    return pb.CandidateTrace(action=left.action, refused_by=reason)


def value_of(value: FactValue | None) -> scoring_pb2.Value:
    """A fact as a message; unset where it is missing."""
    if value is None:
        return scoring_pb2.Value()
    if isinstance(value, bool):
        return scoring_pb2.Value(flag=value)
    return scoring_pb2.Value(text=value) if isinstance(value, str) else scoring_pb2.Value(number=value)
