"""Handler of ReportOutcomes: keeps what became of scored entities.

It runs on the ordinary server's threads, never on the hot lane, and leaves one of them free: a disk that hangs holds up
reports, not the other calls.
"""

import time
from collections.abc import Sequence
from typing import Protocol

from scoreline.errors import InvalidRequestError
from scoreline.outcomes import Outcome
from scoreline.v1 import scoring_pb2 as pb
from scoreline_server.decisions.suppressions import Suppressions
from scoreline_server.errors import CallError, ErrorReason, LimitStoreError
from scoreline_server.gil_switching import background_work
from scoreline_server.outcomes.keeper import OutcomeKeeper
from scoreline_server.outcomes.known import UnknownIds
from scoreline_server.outcomes.rules import MAX_OUTCOMES, check_observed
from scoreline_server.rpc.authority import Action, Caller
from scoreline_server.rpc.methods import Method
from scoreline_server.rpc.thread_slots import ThreadSlots
from scoreline_server.rpc.timestamps import nanoseconds_of
from scoreline_server.scoring.catalog import Catalog

_BUSY = "other reports of outcomes are being written: try again"


class Counting(Protocol):
    """The metrics of reported outcomes."""

    def outcomes_reported(self, route: str, *, kept: int, refused: int, unknown: int) -> None:
        """Outcomes of one call: kept, refused, and kept with a prediction id that is unknown."""

    def outcomes_failed(self) -> None:
        """A call whose outcomes could not be written."""


class OutcomeReports:
    """Answers ReportOutcomes. ``keeper`` is None where the journal is off."""

    def __init__(
        self,
        keeper: OutcomeKeeper | None,
        *,
        counting: Counting,
        slots: ThreadSlots,
        suppressions: Suppressions | None = None,
    ) -> None:
        """``slots`` are the threads that may wait for the disk.

        ``suppressions`` notes outcomes that forbid actions; None where limits are off.
        """
        self._keeper, self._counting = keeper, counting
        self._slots, self._suppressions = slots, suppressions

    def methods(self) -> list[Method]:
        """The rows of the method table."""
        path = "/scoreline.v1.ScoringService/ReportOutcomes"
        return [Method(path, pb.ReportOutcomesRequest, Action.OUTCOMES_REPORT, self.report)]

    def report(self, request: pb.ReportOutcomesRequest, catalog: Catalog, _caller: Caller) -> pb.ReportOutcomesResponse:
        """Keeps the outcomes of a call that are right, and says what is wrong with the others."""
        keeper = self._checked(request, catalog)
        with self._slots.taken(_BUSY):
            with background_work():
                outcomes, errors = decoded_outcomes(request.outcomes, time.time_ns())
            found = self._keep(keeper, request.route, outcomes) if outcomes else UnknownIds()
            self._suppress(catalog, request.route, outcomes)
        unknown = set(found.ids)
        self._counting.outcomes_reported(
            request.route,
            kept=len(outcomes),
            refused=len(errors),
            unknown=sum(outcome.prediction_id in unknown for outcome in outcomes) if unknown else 0,
        )
        return pb.ReportOutcomesResponse(
            accepted=len(outcomes), errors=errors, unknown=found.ids, unchecked=not found.is_complete
        )

    def _checked(self, request: pb.ReportOutcomesRequest, catalog: Catalog) -> OutcomeKeeper:
        """What keeps the outcomes of a call. Raises CallError where the call as a whole is refused."""
        if self._keeper is None:
            raise CallError(
                ErrorReason.JOURNAL_OFF, "this server keeps no outcomes, because it has no journal: set journal_dir"
            )
        if request.route not in catalog.problems:
            catalog.route(request.route)
        if len(request.outcomes) > MAX_OUTCOMES:
            raise CallError(
                ErrorReason.TOO_MANY_OUTCOMES,
                f"{len(request.outcomes):,} outcomes in one call; send at most {MAX_OUTCOMES:,}, in several calls",
            )
        return self._keeper

    def _suppress(self, catalog: Catalog, route: str, outcomes: Sequence[Outcome]) -> None:
        """Notes outcomes that forbid actions by policies of the route."""
        policies = [policy for policy in catalog.policies.values() if policy.route.name == route]
        if self._suppressions is None or not policies:
            return
        try:
            self._suppressions.note(policies, outcomes)
        except (LimitStoreError, OSError) as error:
            problem = f"the outcomes are kept, but what they forbid is not noted: {error}"
            raise CallError(ErrorReason.LIMIT_STORE_FAILED, problem) from error

    def _keep(self, keeper: OutcomeKeeper, route: str, outcomes: Sequence[Outcome]) -> UnknownIds:
        try:
            return keeper.keep(route, outcomes)
        except OSError as error:
            self._counting.outcomes_failed()
            problem = f"the outcomes could not be kept, none of them is: {error.strerror or error}"
            raise CallError(ErrorReason.STORAGE_FAILED, problem) from error


def decoded_outcomes(messages: Sequence[pb.Outcome], now: int) -> tuple[list[Outcome], list[pb.OutcomeError]]:
    """The outcomes of a call, and what is wrong with those that are refused. ``now`` is in ns since 1970."""
    outcomes, errors = [], []
    for index, message in enumerate(messages):
        try:
            outcome = _outcome(message, now)
            check_observed(outcome.observed_at, now)
        except (InvalidRequestError, CallError) as error:
            errors.append(
                pb.OutcomeError(
                    index=index, reason=error.reason, message=error.message, field=error.metadata.get("field", "")
                )
            )
        else:
            outcomes.append(outcome)
    return outcomes, errors


def _outcome(message: pb.Outcome, now: int) -> Outcome:
    if not message.HasField("value"):
        raise _wrong("value", "is required; 0 has to be said")
    window = message.window
    return Outcome(
        message.name,
        message.value,
        prediction_id=message.prediction_id,
        unit=window.unit,
        since=nanoseconds_of("since", window.since) if window.HasField("since") else None,
        until=nanoseconds_of("until", window.until) if window.HasField("until") else None,
        weight=message.weight if message.HasField("weight") else 1.0,
        observed_at=nanoseconds_of("observed_at", message.observed_at) if message.HasField("observed_at") else now,
    )


def _wrong(field: str, problem: str) -> InvalidRequestError:
    return InvalidRequestError(f"{field}: {problem}", reason=ErrorReason.INVALID, metadata={"field": field})
