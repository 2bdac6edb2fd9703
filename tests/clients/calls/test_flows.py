"""What a call's steps make of its answers, without any IO."""

import pytest

from scoreline import Entity, RetryPolicy, ScorelineError
from scoreline.calls.flows import BatchKey, Flows
from scoreline.calls.retrying import RetryingCalls
from scoreline.calls.transport import Send
from scoreline.encoding.row import pack_row
from scoreline.errors import NotFoundError
from tests.clients.sums import route_schema


def test_the_error_of_a_call_keeps_its_cause_in_every_row() -> None:
    flows = Flows(RetryingCalls(timeout_seconds=5.0, retry=RetryPolicy()))
    row = pack_row(Entity(), route_schema())
    flow = flows.score_rows(BatchKey("credit", "layout-1", ()), [row] * 3, flows.retrying.deadline(None))
    assert isinstance(next(flow), Send)
    error = NotFoundError("no such route")
    error.__cause__ = OSError("what gRPC raised")
    with pytest.raises(StopIteration) as done:
        flow.throw(error)
    outcomes = done.value.value
    assert [type(outcome) for outcome in outcomes] == [NotFoundError] * 3
    assert len({id(outcome) for outcome in outcomes}) == 3
    assert all(isinstance(outcome, ScorelineError) and outcome.__cause__ is error.__cause__ for outcome in outcomes)
