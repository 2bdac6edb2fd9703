"""Controllers go on after what fails, and a clock that jumps shortens no hold."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from scoreline_registry.errors import StorageError
from scoreline_server.controllers.counting import Uncounted
from scoreline_server.controllers.runner import Runner
from scoreline_server.controllers.step_watch import StepClock

START = datetime(2026, 11, 21, tzinfo=UTC)


class Failing:
    """A controller whose looks fail in turn as given; None does not."""

    def __init__(self, *failures: Exception | None) -> None:
        self._failures = list(failures)

    def look(self) -> Sequence[object]:
        """Fails."""
        failure = self._failures.pop(0)
        if failure is not None:
            raise failure
        return []


class Counted(Uncounted):
    """Counts failures."""

    failures = 0

    def controller_failed(self) -> None:
        """Counts one."""
        self.failures += 1


def test_a_registry_that_cannot_be_reached_is_logged_once_until_it_can() -> None:
    gone, counted = StorageError("registry.json", "unreachable"), Counted()
    runner = Runner([Failing(gone, gone, None, None), Failing(None, None, None, None)], counting=counted)
    with capture_logs() as logs:
        for _ in range(4):
            runner.look()
    assert [line["event"] for line in logs] == [
        "controllers cannot look, no ramp, allocation or policy moves meanwhile",
        "controllers look again",
    ]
    assert counted.failures == 2


def test_one_controller_that_fails_keeps_no_other_from_looking() -> None:
    other, counted = Failing(None, None), Counted()
    runner = Runner([Failing(RuntimeError("a defect"), OSError("disk")), other], counting=counted)
    runner.look()
    runner.look()
    assert other._failures == []
    assert counted.failures == 2


def test_a_runner_ends_when_it_is_told_to() -> None:
    stop = threading.Event()

    class Last:
        def look(self) -> Sequence[object]:
            stop.set()
            return []

    Runner([Last()], counting=Uncounted()).run(stop, 3600)


@pytest.mark.parametrize(
    ("wall", "monotonic", "elapsed", "jump"),
    [
        pytest.param(600, 600, 600, 0, id="steady"),
        pytest.param(601, 600, 601, 0, id="adjusted a little"),
        pytest.param(4200, 600, 600, 3600, id="an hour ahead"),
        pytest.param(-3000, 600, -3000, -3600, id="an hour back"),
    ],
)
def test_a_clock_that_jumps_ahead_ends_no_hold(wall: float, monotonic: float, elapsed: float, jump: float) -> None:
    clock = StepClock(START, START, 0.0)
    assert clock.elapsed(START + timedelta(seconds=wall), monotonic) == (elapsed, jump)
    later = START + timedelta(seconds=wall + 60)
    assert clock.elapsed(later, monotonic + 60) == (elapsed + 60, 0)
