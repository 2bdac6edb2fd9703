"""Logs unexpected exceptions without holding up the thread on which they happen.

That thread may serve callers, and a log line can take long: rendering a traceback with the values of variables takes
seconds, and a standard error that nobody reads blocks. So the serving thread only notes file, function and line of each
frame; a thread of its own writes the text.
"""

import queue
import threading
from collections.abc import Callable
from traceback import TracebackException

import structlog

_LINES = 100
_MOST_FRAMES = 40
_MOST_CHARACTERS = 16_000

Write = Callable[..., object]


class FailureLog:
    """A bounded queue of failures and the thread that writes them; what does not fit is counted and left out."""

    def __init__(self, write: Write, *, capacity: int = _LINES) -> None:
        """``write(event, traceback=..., **facts)`` writes one line."""
        self._write = write
        self._queue: queue.Queue[tuple[str, TracebackException, dict[str, object]]] = queue.Queue(capacity)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._left_out = 0

    def __call__(self, event: str, error: BaseException, **facts: object) -> None:
        """Has a failure logged. Safe for threads; never waits."""
        # Without the frames themselves, which would keep a call and its rows alive.
        summary = TracebackException.from_exception(error, limit=-_MOST_FRAMES, lookup_lines=False, compact=True)
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="failure-log", daemon=True)
                self._thread.start()
            try:
                self._queue.put_nowait((event, summary, facts))
            except queue.Full:
                self._left_out += 1

    def flush(self, timeout_seconds: float) -> bool:
        """Waits until everything so far is written; False when that takes longer."""
        with self._queue.all_tasks_done:
            return self._queue.all_tasks_done.wait_for(lambda: not self._queue.unfinished_tasks, timeout_seconds)

    def _run(self) -> None:
        while True:
            event, summary, facts = self._queue.get()
            try:
                with self._lock:
                    left_out, self._left_out = self._left_out, 0
                if left_out:
                    facts = {**facts, "failures_left_out": left_out}
                self._write(event, traceback="".join(summary.format())[-_MOST_CHARACTERS:], **facts)
            except Exception:  # noqa: BLE001, S110  a log that cannot be written has no other place to say so
                pass
            finally:
                self._queue.task_done()


def _write(event: str, **facts: object) -> None:
    # Asked for each time, because logging may be configured after this module was imported.
    structlog.get_logger().error(event, **facts)


log_failure = FailureLog(_write)
"""Logs an unexpected exception: ``log_failure("what failed", error, route=...)``."""
