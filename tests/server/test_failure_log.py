"""Unexpected exceptions are logged, and the thread on which they happen does not wait for that."""

import threading

import pytest

from scoreline_server import logging_config
from scoreline_server.failure_log import FailureLog, log_failure
from scoreline_server.settings import Settings


class Lines:
    """Takes lines; while it is shut, whoever writes waits."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, object]]] = []
        self.writing = threading.Event()
        self.is_open = threading.Event()
        self.is_open.set()

    def __call__(self, event: str, **facts: object) -> None:
        self.writing.set()
        assert self.is_open.wait(20)
        self.lines.append((event, facts))


def failure(income: str = "0") -> Exception:
    try:
        raise RuntimeError(f"planted {len(income)}")
    except RuntimeError as error:
        return error


def test_a_failure_is_written_with_its_traceback() -> None:
    lines = Lines()
    log = FailureLog(lines)
    log("it failed", failure(), route="credit")
    assert log.flush(20)
    ((event, facts),) = lines.lines
    assert (event, facts["route"]) == ("it failed", "credit")
    traceback = str(facts["traceback"])
    assert "test_failure_log.py" in traceback
    assert traceback.endswith("RuntimeError: planted 1\n")


def test_a_log_that_blocks_holds_up_nobody_and_what_was_left_out_is_counted() -> None:
    lines = Lines()
    lines.is_open.clear()
    log = FailureLog(lines, capacity=2)
    log("first", failure())
    assert lines.writing.wait(20)
    for at in range(5):
        log(f"later {at}", failure())
    assert not log.flush(0.01)
    lines.is_open.set()
    assert log.flush(20)
    assert [(event, facts.get("failures_left_out")) for event, facts in lines.lines] == [
        ("first", None),
        ("later 0", 3),
        ("later 1", None),
    ]


def test_a_traceback_is_bounded() -> None:
    lines = Lines()
    log = FailureLog(lines)

    def deep(levels: int) -> None:
        if levels:
            deep(levels - 1)
        raise ValueError("x" * 100_000)

    with pytest.raises(ValueError, match="x") as caught:
        deep(500)
    log("it failed", caught.value)
    assert log.flush(20)
    assert len(str(lines.lines[0][1]["traceback"])) <= 16_000


def test_a_log_that_cannot_be_written_goes_on() -> None:
    lines: list[str] = []

    def write(event: str, **_: object) -> None:
        if event == "lost":
            raise OSError("no space left")
        lines.append(event)

    log = FailureLog(write)
    log("lost", failure())
    log("kept", failure())
    assert log.flush(20)
    assert lines == ["kept"]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_failure_is_logged_without_the_values_of_variables(
    settings: Settings, capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    logging_config.configure(settings.model_copy(update={"log_format": log_format}))
    log_failure("it failed", failure("1234" * 2))
    assert log_failure.flush(20)
    told = capsys.readouterr().err
    assert "it failed" in told
    assert "planted 8" in told
    assert "test_failure_log.py" in told
    assert "12341234" not in told
