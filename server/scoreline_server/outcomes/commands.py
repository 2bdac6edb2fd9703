"""The commands of ``scoreline outcomes``."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from scoreline.cli.connection import connect, connection_options
from scoreline.cli.output import counting, print_json, print_table
from scoreline.outcomes import Outcome, OutcomesReport
from scoreline_server.journal.blocks import Fault
from scoreline_server.journal.opening import AUTO, journal_folder, writer_facts
from scoreline_server.outcomes.importing import BY_PREDICTION, BY_UNIT, FIELDS, ImportReport, Send, import_table

_POLL_SECONDS = 0.2
_SHOWN_ERRORS = 10
_SECOND = 10**9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@click.group()
def outcomes() -> None:
    """Report and read outcomes: what became of scored entities."""


class _Column(click.ParamType):
    """FIELD=COLUMN."""

    name = "FIELD=COLUMN"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """The pair."""
        field, sign, column = str(value).partition("=")
        if not sign or field not in FIELDS:
            self.fail(f"{value!r}: write FIELD=COLUMN; the fields are {', '.join(FIELDS)}", param, ctx)
        return field, column


class _Duration(click.ParamType):
    """A duration such as 30d, in seconds."""

    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The seconds."""
        from scoreline_registry.routing.durations import seconds_of

        try:
            return seconds_of(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
