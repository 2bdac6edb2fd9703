"""The commands of ``scoreline outcomes``."""

import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click

from scoreline.cli.connection import connect, connection_options
from scoreline.cli.output import counting, print_json, print_table
from scoreline_registry.routing.durations import seconds_of
from scoreline_server.journal.commands import fault_text, folders_argument, journal_folders, registry_option
from scoreline_server.journal.format.blocks import Fault
from scoreline_server.journal.format.times import time_text
from scoreline_server.journal.writing.opening import AUTO, journal_folder, writer_facts
from scoreline_server.outcomes.follower import OutcomeFollower, Row
from scoreline_server.outcomes.importing import (
    BY_PREDICTION,
    BY_UNIT,
    FIELDS,
    ImportReport,
    Send,
    import_table,
    plan_of,
)
from scoreline_server.outcomes.keeper import FolderImport
from scoreline_server.outcomes.summary import RouteSummary, summaries
from scoreline_server.table_files import column_names

_POLL_SECONDS = 0.2
_SHOWN = 10
_LINE = ("reported_at", "route", "name", "value", "weight", "observed_at", "prediction_id", "unit", "since", "until")
_TIMES = ("reported_at", "observed_at", "since", "until")
_SECOND = 10**9


@click.group()
def outcomes() -> None:
    """Report and read outcomes: what became of scored entities."""


def _columns(_ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """The columns of FIELD=COLUMN texts by their fields."""
    found = {}
    for pair in given:
        field, sign, column = pair.partition("=")
        if not sign or field not in FIELDS:
            raise click.BadParameter(f"{pair!r}: write FIELD=COLUMN; the fields are {', '.join(FIELDS)}")
        found[field] = column
    return found


def _nanoseconds(_ctx: click.Context, _param: click.Parameter, text: str | None) -> int:
    """A duration such as 30d in ns; 0 for none."""
    try:
        return 0 if text is None else seconds_of(text) * _SECOND
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@outcomes.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--route", required=True, help="Route whose scores the outcomes are about.")
@click.option("--name", default="", help="Name of all outcomes, in place of a column.")
@click.option("--column", "columns", callback=_columns, multiple=True, metavar="FIELD=COLUMN",
              help="Column of a field that is called otherwise; may be repeated.")  # fmt: skip
@click.option("--by", type=click.Choice([BY_PREDICTION, BY_UNIT]),
              help="What rows are about.  [default: prediction_id where there is such a column]")  # fmt: skip
@click.option("--within", callback=_nanoseconds, metavar="DURATION",
              help="Window of a unit: so long before observed_at, in place of since and until.")  # fmt: skip
@click.option("--journal", "folder", type=click.Path(file_okay=False, path_type=Path),
              help="Write to the journal of this folder instead of to a server.")  # fmt: skip
@click.option("--registry", help="The same, to the journal beside this registry.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@connection_options
def import_(
    file: Path, route: str, name: str, columns: dict[str, str], by: str | None, within: int,
    folder: Path | None, registry: str | None, as_json: bool, **connection: Any,
) -> None:  # fmt: skip
    """Report the outcomes of FILE to a server.

    FILE is Parquet, CSV or JSON Lines. Its columns are value; prediction_id, or unit with since and until; name, and
    where they are there weight and observed_at. Times in texts are ISO 8601, in UTC unless they say otherwise. Rows
    without a value are left out. Wrong rows fail alone, and the exit code is then 1. Importing a file again is
    harmless.
    """
    plan = plan_of(column_names(file), columns=columns, name=name, by=by or "", within=within)
    with ExitStack() as opened:
        if folder is None and registry is None:
            client = opened.enter_context(connect(**connection))
            send: Send = partial(client.report_outcomes, route)
        else:
            place = _folder_to_write(folder, registry)
            send = opened.enter_context(FolderImport(route, place, writer_facts(worker=0)))
        with counting("Reporting", "rows") as count:
            report = import_table(file, plan, send, on_rows=count)
    _show(report, as_json=as_json)
    if report.refused:
        raise SystemExit(1)


@outcomes.command(short_help="Count outcomes by name, matched and unmatched.")
@folders_argument
@registry_option
@click.option("--route", help="Outcomes of this route only.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(folders: tuple[Path, ...], registry: str, route: str | None, as_json: bool) -> None:
    """Count the outcomes of all FOLDERs by name, and those that have a row in the journal.

    The exit code is 1 when a file is damaged. A torn tail is no damage: a writer was killed, or is still at it.
    """
    faults: list[tuple[Path, Fault]] = []
    found = list(
        summaries(journal_folders(folders, registry), route, on_fault=lambda path, fault: faults.append((path, fault)))
    )
    if as_json:
        texts = [fault_text(path, fault) for path, fault in faults]
        print_json({"routes": [asdict(each) for each in found], "faults": texts})
    else:
        _show_summaries(found, faults)
    if any(not fault.is_torn for _, fault in faults):
        raise SystemExit(1)


def _show_summaries(found: Sequence[RouteSummary], faults: Sequence[tuple[Path, Fault]]) -> None:
    for path, fault in faults:
        click.echo(fault_text(path, fault), err=True)
    columns = ("route", "name", "by", "outcomes", "matched", "mean", "first observed", "last observed", "last reported")
    print_table(
        columns,
        [
            (one.route, one.name, one.by, one.outcomes, one.matched, one.mean, time_text(one.first_observed),
             time_text(one.last_observed), time_text(one.last_reported))
            for each in found for one in each.names
        ],
    )  # fmt: skip
    for each in found:
        if each.replaced:
            click.echo(f"{each.route}: {each.replaced:,} of {each.reported:,} were repeated or corrected later")


@outcomes.command(short_help="Print the outcomes that were reported last.")
@folders_argument
@registry_option
@click.option("--route", help="Outcomes of this route only.")
@click.option("-n", "count", type=click.IntRange(min=0), default=10, show_default=True, help="How many outcomes.")
@click.option("-f", "--follow", is_flag=True, help="Go on with outcomes as they are reported.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per outcome.")
def tail(folders: tuple[Path, ...], registry: str, route: str | None, count: int, follow: bool, as_json: bool) -> None:
    """Print the outcomes of all FOLDERs that were reported last, repeats and corrections among them."""
    follower = OutcomeFollower(journal_folders(folders, registry), route)
    show = _print_json if as_json else _print_line
    if not as_json:
        click.echo("  ".join(_LINE))
    for row in follower.newest(count):
        show(row)
    while follow:
        sys.stdout.flush()
        time.sleep(_POLL_SECONDS)
        for row in follower.news():
            show(row)


def _folder_to_write(folder: Path | None, registry: str | None) -> Path:
    """The folder of a journal, given or beside a registry. Raises UsageError where there cannot be one."""
    if folder is not None and registry is not None:
        raise click.UsageError("give --journal or --registry, not both")
    found = folder or journal_folder(AUTO, registry or "")
    if found is None or not found.parent.is_dir() or (registry is not None and not Path(registry).is_dir()):
        raise click.UsageError(f"there is no folder for a journal beside {registry or folder}")
    return found


def _show(report: ImportReport, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(report))
        return
    for refused in report.refused[:_SHOWN]:
        click.echo(f"row {refused.row}: {refused.message}", err=True)
    if len(report.refused) > _SHOWN:
        click.echo(f"... and {len(report.refused) - _SHOWN:,} more; --json lists them all", err=True)
    click.echo(f"{report.accepted:,} outcomes kept, {len(report.refused):,} rows refused, "
               f"{report.without_value:,} rows without a value left out")  # fmt: skip
    if report.unknown:
        some = ", ".join(report.unknown[:3])
        click.echo(f"{len(report.unknown):,} prediction ids are not in this host's journal (kept all the same): {some}"
                   + (", ..." if len(report.unknown) > 3 else ""))  # fmt: skip
    if report.unchecked:
        click.echo("the journal could not be searched for all prediction ids; unknown ones may be missing here")


def _print_json(row: Row) -> None:
    print_json({name: time_text(value) if name in _TIMES else value for name, value in row.items()}, indent=None)


def _print_line(row: Row) -> None:
    cells = [time_text(row[name]) if name in _TIMES and name in row else row.get(name, "-") for name in _LINE]
    # The unit is the caller's text: what is not printable would reach the terminal.
    texts = [f"{cell:.6g}" if isinstance(cell, float) else str(cell) for cell in cells]
    click.echo("  ".join(text if text.isprintable() else repr(text) for text in texts))
