"""Reports of events that were not recorded: to the caller's function, to the log, or as an error."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeAlias

from scoreline.batching.event_queue import EventQueue
from scoreline.decoding.profiles import EventsReport, RefusedEvent
from scoreline.errors import ClosedError, DeadlineError, OverloadedError, ScorelineError, ServerError, own_copy

OnRefused: TypeAlias = Callable[[Sequence[RefusedEvent]], object]
"""Is given the events of a call that were not kept."""

_log = logging.getLogger("scoreline")


def as_error(error: Exception) -> ScorelineError:
    """The error of a call of events, also where it is none of this package."""
    return error if isinstance(error, ScorelineError) else ServerError(f"the events could not be recorded: {error!r}")


def deliver(refused: Sequence[RefusedEvent], on_refused: OnRefused | None) -> None:
    """Gives refused events to the caller's function, whose failure is logged."""
    if refused and on_refused is not None:
        try:
            on_refused(refused)
        except Exception:  # noqa: BLE001  the caller's function may raise anything
            _log.exception("on_refused_events failed")


def log_refused(report: EventsReport, on_refused: OnRefused | None) -> None:
    """Logs how many events were refused where nothing else tells the caller."""
    if report.refused and on_refused is None:
        first = report.refused[-1]
        _log.warning(
            "%d events were not added, the last with %s: %s", report.refused_count, first.reason, first.message
        )


def log_unsent(queue: EventQueue) -> None:
    """Logs how many events are lost where the program ends without a flush."""
    why = "" if queue.error is None else queue.error.message
    _log.warning("%d events were not recorded before the program ended: %s", queue.count, why)


def full(queue: EventQueue) -> OverloadedError:
    """The error of an event that finds no room in the queue."""
    why = f": {queue.error.message}" if queue.error else ""
    return OverloadedError(
        f"{queue.count:,} events wait to be recorded{why}",
        reason="EVENT_QUEUE_FULL",
        metadata={"unsent": str(queue.count)},
    )


def unsent(queue: EventQueue, seconds: float) -> ScorelineError:
    """The error of a flush whose time is over."""
    error = (
        DeadlineError(f"the events were not recorded within {seconds:g} s")
        if queue.error is None
        else own_copy(queue.error)
    )
    error.metadata = {**error.metadata, "unsent": str(queue.count)}
    return error


def closed() -> ClosedError:
    """The error of a client that is closed."""
    return ClosedError("the client is closed: make a new one")
