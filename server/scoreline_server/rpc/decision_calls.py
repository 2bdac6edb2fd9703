"""Handler of Decide: scores entities through a policy's route and decides for each.

It runs on the ordinary server's threads. A Decide is admitted, scored, counted and observed as a Score is, and once:
the decision stands in the journal's block beside its score.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from scoreline.v1 import decisions_pb2 as pb
from scoreline_registry.decisions.reservations import Reservation
from scoreline_server.decisions.cases import refuse_without_unit
from scoreline_server.decisions.deciding import Asked, Decided, Reserve, decide
from scoreline_server.errors import ErrorReason, ScoringError
from scoreline_server.failure_log import log_failure
from scoreline_server.rpc.admission import Admission
from scoreline_server.rpc.authority import Action, Policy, read_policy
from scoreline_server.rpc.decision_messages import decide_response
from scoreline_server.rpc.methods import DECIDE, Arrival, ScoringMethod
from scoreline_server.rpc.pipeline import STOPPED
from scoreline_server.rpc.timestamps import nanoseconds_of
from scoreline_server.scoring.catalog import Catalog
from scoreline_server.scoring.compiled_route import CompiledRoute
from scoreline_server.scoring.decided import DecidedRows
from scoreline_server.scoring.decoding import DecodedRequest, decode_rows, estimated_seconds
from scoreline_server.scoring.engine import score_rows
from scoreline_server.scoring.facts import Scored
from scoreline_server.scoring.results import Observe, RowResults, ScoredBatch
from scoreline_server.scoring.served_policy import ServedPolicy
from scoreline_server.stopping import InFlight

MAX_REQUEST_ID = 128

# An estimate for admission, which learns how far off it is: rules, limits and the message of a row.
_DECIDING_SECONDS = 300e-6


class Counting(Protocol):
    """The metrics of decisions."""

    def begun(self, calls: int) -> None:
        """Calls that begin to be scored."""

    def ended(self, calls: int) -> None:
        """Calls that no longer are."""

    def scored(self, route: CompiledRoute, results: RowResults) -> None:
        """Rows that were scored together."""

    def decided(self, policy: str, decisions: DecidedRows, flags: Sequence[str], seconds: float) -> None:
        """The decisions of one call, and how long deciding took."""

    def limits_taken(self, policy: str, limits: Sequence[str]) -> None:
        """Granted actions, each under the names of the limits that counted it."""

    def limits_failed(self, policy: str) -> None:
        """A call whose limits could not be taken."""


class DecisionCalls:
    """Answers Decide."""

    def __init__(
        self,
        *,
        reserve: Reserve | None,
        admission: Admission,
        counting: Counting,
        observers: Sequence[Observe],
        answering: InFlight,
        authority: Policy | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """``reserve`` takes limits, None where there is no store; ``observers`` get all that is scored and decided.

        ``admission`` and ``answering`` are those of Score. ``authority`` says who may read profiles. ``clock`` gives
        the time in nanoseconds since 1970.
        """
        self._authority = authority or read_policy(None)
        self._reserve, self._admission, self._counting = reserve, admission, counting
        self._observers, self._answering, self._clock = observers, answering, clock

    def methods(self) -> list[ScoringMethod]:
        """The rows of the method table."""
        return [ScoringMethod(DECIDE, pb.DecideRequest, Action.DECIDE, self.decide)]

    def decide(self, request: pb.DecideRequest, catalog: Catalog, arrival: Arrival) -> pb.DecideResponse:
        """Scores the entities of a call and decides for each."""
        policy = catalog.policy(request.policy)
        _check(request)
        if request.trace and policy.route.profiles is not None:
            # A trace shows what profiles say of any entity that a caller names.
            self._authority.authorize(arrival.caller(), Action.PROFILES_READ)
        if self._reserve is None and policy.compiled.limits.needs_store:
            raise ScoringError(
                ErrorReason.LIMITS_OFF, f"policy {policy.name} has limits, and this server keeps none: set limit_store"
            )
        seconds = _estimated(request, policy)
        self._admission.take(seconds, arrival.deadline, waits=True)
        self._note(self._counting.begun, 1)
        try:
            decoded = decode_rows(request, policy.route, policy.facts.extras, seconds=seconds, arrived=arrival.arrived)
            return self._decided(request, policy, decoded)
        finally:
            self._admission.done(seconds, waits=True)
            self._note(self._counting.ended, 1)

    def _decided(self, request: pb.DecideRequest, policy: ServedPolicy, decoded: DecodedRequest) -> pb.DecideResponse:
        refuse_without_unit(policy, decoded.rows)
        scored = Scored(*score_rows([decoded]))
        with self._answering as is_open:
            if not is_open:
                raise STOPPED
            errors = scored.batch.results.errors
            if len(scored.batch.rows) == 1 and errors:
                self._observe(scored.batch)
                raise errors[0]
            start = time.perf_counter()
            asked = Asked(channel=request.channel, language=request.language, trace=request.trace)
            decided = decide(policy, scored, asked, self._reserve or _nothing, time_ns=_time_of(request, self._clock()))
            rows = decided.journaled(len(scored.batch.rows))
            self._note(self._counting.decided, policy.name, rows, _flags(decided), time.perf_counter() - start)
            if policy.compiled.limits.needs_store:
                counted = [limit for each in decided.by_row.values() for limit in each.counted]
                self._note(self._counting.limits_taken, policy.name, counted)
            if any(each.is_uncounted for each in decided.by_row.values()):
                self._note(self._counting.limits_failed, policy.name)
            response = decide_response(decided, scored, trace=request.trace)
            _add_reasons(decided, scored.batch.results)
            self._observe(replace(scored.batch, decisions=rows))
            return response

    def _observe(self, batch: ScoredBatch) -> None:
        self._note(self._counting.scored, batch.route, batch.results)
        for observe in self._observers:
            self._note(observe, batch)

    @staticmethod
    def _note(note: Callable[..., object], *args: object) -> None:
        """Counts or observes; a failure is logged and costs no answer."""
        try:
            note(*args)
        except Exception as error:  # noqa: BLE001
            log_failure("recording of decided calls failed", error)


def _add_reasons(decided: Decided, results: RowResults) -> None:
    """Adds the reasons that messages could name to those that were asked for, once the response is made."""
    if decided.reasons:
        asked = results.explanations or [None] * len(results.scores)
        results.explanations = [decided.reasons.get(row, own) for row, own in enumerate(asked)]


def _check(request: pb.DecideRequest) -> None:
    """Raises ScoringError for options that no call may have."""
    if len(request.request_id) > MAX_REQUEST_ID:
        raise ScoringError(
            ErrorReason.INVALID, f"request_id has at most {MAX_REQUEST_ID} characters", field="request_id"
        )


def _time_of(request: pb.DecideRequest, now: int) -> int:
    """The time at which is decided, in ns since 1970. Raises ScoringError for one after ``now``."""
    if not request.HasField("time"):
        return now
    time_ns = nanoseconds_of("time", request.time)
    if not 0 <= time_ns <= now:
        raise ScoringError(ErrorReason.INVALID, "time is from 1970 to now: leave it out to decide now", field="time")
    return time_ns


def _estimated(request: pb.DecideRequest, policy: ServedPolicy) -> float:
    """The estimated time of a call, known before its entities are read."""
    rows = len(request.packed.entity_ids) or len(request.entities)
    effects = sum(arm.model.row_microseconds for arm in policy.uplifts.values()) / 1e6
    return estimated_seconds(request, policy.route) + rows * (_DECIDING_SECONDS + effects)


def _flags(decided: Decided) -> list[str]:
    return [flag for decision in decided.by_row.values() for flag in decision.proposal.flags]


def _nothing(_reservations: Sequence[Reservation], _now_us: int) -> None:
    """Grants nothing: no policy that gets here reserves."""
