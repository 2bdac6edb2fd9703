"""Logs say what happened, and nothing of what callers sent."""

import pytest
import structlog

from scoreline_server import logging_config
from scoreline_server.settings import Settings


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_failure_is_logged_with_its_traceback_and_without_the_values_of_variables(
    settings: Settings, capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    logging_config.configure(settings.model_copy(update={"log_format": log_format}))

    def fail(income: str) -> None:
        raise RuntimeError("planted")

    try:
        fail("1234" * 2)
    except RuntimeError:
        structlog.get_logger().exception("it failed")
    told = capsys.readouterr().err
    assert "it failed" in told
    assert "planted" in told
    assert "test_log.py" in told
    assert "12341234" not in told
