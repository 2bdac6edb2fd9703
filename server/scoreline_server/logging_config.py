"""Structured logs on standard error: JSON for machines, colours for people."""

import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict

from scoreline_server.settings import Settings

# Without the values of variables: callers' data is not for the log.
_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def configure(settings: Settings, **facts: object) -> None:
    """Sets up structlog for this process; ``facts`` are part of each line."""

    def add_facts(_: Any, __: str, event: EventDict) -> EventDict:
        return {**event, **facts}

    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            add_facts,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _TRACEBACKS if as_json else _shown_below,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.log_level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def _shown_below(_: Any, __: str, event: EventDict) -> EventDict:
    """Has the traceback of ``log_failure`` written below its line on a console."""
    if "traceback" in event:
        event["exception"] = event.pop("traceback")
    return event
