"""Threads that share calls. The caller who may go makes the call itself; there is no thread beside the callers'."""

import threading
import time
from collections import defaultdict
from typing import TypeAlias, cast

from google.protobuf.message import Message

from scoreline.batching.policy import MOST_ROWS, PATIENCE_SECONDS, Group, Line, Traveller
from scoreline.calls.call_options import Ask
from scoreline.calls.flows import Flows, Key, Question, result
from scoreline.calls.transport import Send, Transport, run
from scoreline.decoding.results import Score
from scoreline.decoding.row_responses import Outcome
from scoreline.encoding.entities import Entity
from scoreline.errors import ScorelineError, StaleSchemaError

# A bare lock wakes a thread at a fraction of an Event's cost.
_Caller: TypeAlias = Traveller[threading.Lock]
_Line: TypeAlias = Line[threading.Lock]
_Group: TypeAlias = Group[threading.Lock]


class Coalescer:
    """Scores single entities over a transport, several callers' in one call where they come at the same time.

    ``most_open`` calls of a key are open at once, with at most ``most_rows`` entities each. The member of a group that
    waits longest leads: it makes the call, so that the call's deadline is the group's and the others may leave before.
    """

    def __init__(self, flows: Flows, transport: Transport, *, most_open: int, most_rows: int = MOST_ROWS) -> None:
        self._flows, self._transport = flows, transport
        self._most_open, self._most_rows = most_open, most_rows
        self._lines: defaultdict[Key, _Line] = defaultdict(Line)
        self._lock = threading.Lock()

    def score(self, ask: Ask, entity: Entity) -> Score:
        """Scores one entity. Raises what ``Flows.score`` raises."""
        question = self._flows.ready(ask, entity) or run(self._flows.question(ask, entity), self._transport)
        try:
            return result(self._travel(question))
        except StaleSchemaError:
            question = run(self._flows.repacked(question), self._transport)
        return result(self._travel(question))

    def _travel(self, question: Question) -> Outcome:
        caller = None
        with self._lock:
            line = self._lines[question.key]
            if line.waiting or line.open >= self._most_open:
                caller = _caller(question)
                line.waiting.append(caller)
            else:
                line.open += 1
        if caller is not None:
            return self._wait(question.key, line, caller)
        try:
            return run(self._flows.alone(question), self._transport)
        finally:
            self._returned(line)

    def _wait(self, key: Key, line: _Line, caller: _Caller) -> Outcome:
        until: float | None = min(caller.deadline.ends, caller.queued + PATIENCE_SECONDS)
        try:
            while until is not None:
                if caller.wake.acquire(timeout=max(until - time.monotonic(), 0.0)):
                    break
                with self._lock:
                    until = self._look(line, caller)
            return caller.outcome or self._lead(key, line, caller, cast("_Group", caller.leads))
        except BaseException:
            self._abandon(line, caller)
            raise

    def _look(self, line: _Line, caller: _Caller) -> float | None:
        """When to look again; None when the caller has its outcome, its time is over, or it must lead."""
        if caller.outcome is not None or caller.leads is not None:
            return None
        now = time.monotonic()
        if now >= caller.deadline.ends:
            caller.outcome = caller.out_of_time()
            self._leave(line, caller)
            return None
        if caller.group is not None:
            return caller.deadline.ends
        if now >= line.impatient_at:
            self._send_one(line)
            return now
        return min(caller.deadline.ends, line.impatient_at)

    def _lead(self, key: Key, line: _Line, caller: _Caller, group: _Group) -> Outcome:
        flow = self._flows.together(key, group.rows, caller.deadline)
        outcomes = run(flow, _Watched(self._transport, group))
        caller.leads = None
        self._returned(line)
        own = outcomes[group.members.index(caller)]
        for member, outcome in zip(group.members, outcomes, strict=True):
            if member is not caller:
                member.outcome = outcome
                member.wake.release()
        return own

    def _abandon(self, line: _Line, caller: _Caller) -> None:
        """Lets go of a caller that was interrupted; where it led, the others queue again."""
        with self._lock:
            self._leave(line, caller)
            if caller.leads is not None:
                line.queue_again(caller.leads.members)
        if caller.leads is not None:
            self._returned(line)

    def _leave(self, line: _Line, caller: _Caller) -> None:
        if caller.group is None and not caller.left:
            line.waiting.remove(caller)
        caller.left = True

    def _returned(self, line: _Line) -> None:
        """A call of the line is over: who has queued up goes."""
        with self._lock:
            line.open -= 1
            while line.waiting and line.open < self._most_open:
                self._send_one(line)

    def _send_one(self, line: _Line) -> None:
        group = line.board(self._most_rows, time.monotonic())
        if group is not None:
            leader = group.last
            leader.leads = group
            leader.wake.release()


def _caller(question: Question) -> _Caller:
    wake = threading.Lock()
    wake.acquire()
    return Traveller(question.row, question.deadline, queued=time.monotonic(), wake=wake)


class _Watched:
    """A transport that tells a group what its last attempt failed with."""

    def __init__(self, transport: Transport, group: _Group) -> None:
        self._transport, self._group = transport, group

    def send(self, call: Send) -> Message:
        """Makes the call."""
        try:
            answer = self._transport.send(call)
        except ScorelineError as error:
            self._group.error = error
            raise
        self._group.error = None
        return answer

    def pause(self, seconds: float) -> None:
        """Waits."""
        self._transport.pause(seconds)

    def close(self) -> None:
        """Is for the other's owner to do."""
