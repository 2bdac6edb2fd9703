"""Reports outcomes in calls of limited size, as a flow."""

from collections.abc import Iterable, Iterator
from typing import Any

from scoreline.calls.call_options import CallOptions
from scoreline.calls.retrying import RetryingCalls
from scoreline.calls.transport import Flow, Method
from scoreline.encoding.timestamps import timestamp
from scoreline.errors import InvalidRequestError, ScorelineError
from scoreline.outcomes import Outcome, OutcomesReport, RefusedOutcome
from scoreline.v1 import scoring_pb2 as pb

MAX_OUTCOMES = 10_000
"""The most outcomes of one call, which is the server's limit."""
MAX_BYTES = 4 * 1024 * 1024 - 64 * 1024
"""The most bytes of one call: gRPC's default message limit, which proxies have too, less room for the route."""


def report_flow(
    retrying: RetryingCalls, route: str, outcomes: Iterable[Outcome], *, timeout_seconds: float | None
) -> Flow[OutcomesReport]:
    """Reports any number of outcomes, call after call and in their order; each call has the timeout.

    Raises the ScorelineError of the first call that fails after its retries; its metadata has as ``accepted`` how many
    outcomes were kept by the calls before.
    """
    options = CallOptions(route=route, timeout_seconds=timeout_seconds)
    accepted, sent = 0, 0
    unknown: dict[str, None] = {}
    refused: list[RefusedOutcome] = []
    unchecked = False
    try:
        for part in _parts(outcomes):
            request = pb.ReportOutcomesRequest(route=options.route, outcomes=part)
            deadline = retrying.deadline(options.timeout_seconds)
            answer = yield from retrying.call(Method.OUTCOMES, request, deadline)
            accepted += answer.accepted
            unknown |= dict.fromkeys(answer.unknown)
            refused += [RefusedOutcome(sent + each.index, each.reason, each.message) for each in answer.errors]
            unchecked = unchecked or answer.unchecked
            sent += len(part)
    except ScorelineError as error:
        error.metadata["accepted"] = str(accepted)
        raise
    return OutcomesReport(accepted, tuple(unknown), tuple(refused), unchecked)


def _parts(outcomes: Iterable[Outcome]) -> Iterator[list[pb.Outcome]]:
    """Outcomes as messages, in parts of at most MAX_OUTCOMES and MAX_BYTES."""
    if isinstance(outcomes, Outcome):
        raise InvalidRequestError("outcomes: takes a list of outcomes, not one", reason="WRONG_TYPE")
    part: list[pb.Outcome] = []
    size = 0
    for index, outcome in enumerate(outcomes):
        message = _message(outcome, index)
        # Its tag and length take up to four bytes more.
        length = message.ByteSize() + 4
        if part and (len(part) == MAX_OUTCOMES or size + length > MAX_BYTES):
            yield part
            part, size = [], 0
        part.append(message)
        size += length
    if part:
        yield part


def _message(outcome: Any, index: int) -> pb.Outcome:
    if not isinstance(outcome, Outcome):
        raise InvalidRequestError(
            f"outcome {index}: takes an Outcome, not {type(outcome).__name__}", reason="WRONG_TYPE"
        )
    message = pb.Outcome(name=outcome.name, value=outcome.value, observed_at=timestamp(outcome.observed_at))
    if outcome.weight != 1.0:
        message.weight = outcome.weight
    if outcome.prediction_id:
        message.prediction_id = outcome.prediction_id
    elif outcome.since is not None and outcome.until is not None:
        window = pb.UnitWindow(unit=outcome.unit, since=timestamp(outcome.since), until=timestamp(outcome.until))
        message.window.CopyFrom(window)
    return message
