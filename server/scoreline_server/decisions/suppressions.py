"""Notes outcomes that forbid actions for some time, such as a "no" to an offer, in the store of limits."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from scoreline.outcomes import Outcome
from scoreline_registry.decisions.reservations import Mark
from scoreline_registry.routing.assignment import unit_of
from scoreline_server.journal.reading.decided_rows import DecidedFor, find_decisions
from scoreline_server.journal.reading.lookup import CallFinder
from scoreline_server.limit_stores.store import LimitStore
from scoreline_server.scoring.served_policy import ServedPolicy

_MICRO = 1000


class Suppressions:
    """Notes the outcomes of a host's decisions. Safe for threads."""

    def __init__(self, store: LimitStore, folder: Path) -> None:
        """``folder`` has the journal of the host, which says for whom was decided."""
        self._store, self._finder = store, CallFinder([folder])

    def note(self, policies: Iterable[ServedPolicy], outcomes: Sequence[Outcome]) -> None:
        """Notes the outcomes of one route that forbid actions by some of its policies; noting again changes nothing.

        An outcome counts where neither its value nor its weight is 0. One of a decision counts for the policy that
        decided, one of a unit's window for every policy that counts by the route's unit. Raises LimitStoreError where
        none of them was noted, and OSError where the journal cannot be read.
        """
        suppressing = [policy for policy in policies if policy.compiled.limits.suppressing]
        names = {name for policy in suppressing for name in policy.compiled.limits.suppressing}
        wanted = [outcome for outcome in outcomes if outcome.name in names and outcome.value and outcome.weight]
        if not wanted:
            return
        ids = list(dict.fromkeys(outcome.prediction_id for outcome in wanted if outcome.prediction_id))
        decided = find_decisions(self._finder, ids) if ids else {}
        now_us = time.time_ns() // _MICRO
        marks = [mark for outcome in wanted for mark in _marks(outcome, suppressing, decided, now_us)]
        if marks:
            self._store.note(marks, now_us)


def _marks(
    outcome: Outcome, policies: Sequence[ServedPolicy], decided: Mapping[str, DecidedFor], now_us: int
) -> Iterator[Mark]:
    """What one outcome forbids."""
    # An outcome that is observed later than now would forbid for longer than the policy says.
    time_us = now_us if outcome.observed_at is None else min(outcome.observed_at // _MICRO, now_us)
    for policy in policies:
        unit = _unit(policy, outcome, decided.get(outcome.prediction_id))
        yield from policy.compiled.limits.marks(unit, outcome.name, time_us)


def _unit(policy: ServedPolicy, outcome: Outcome, decided: DecidedFor | None) -> str:
    """The unit that an outcome is of, as a policy counts; empty for another policy's and for an unknown one."""
    unit = policy.compiled.policy.unit
    if decided is not None:
        return unit_of(unit, decided.entity_id, decided.context) if decided.policy == policy.name else ""
    return outcome.unit if outcome.unit and unit == policy.route.document.unit else ""
