"""The command ``scoreline replay``."""

import logging
import math
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click

from scoreline_registry.commands.options import Failure, RefType, RegistryCommand, json_option, registry_option
from scoreline_registry.names import ModelRef
from scoreline_registry.registry import Registry
from scoreline_server.analysis.replay.differences import Differences
from scoreline_server.analysis.replay.replay import ROW_TYPES, replay, row_table
from scoreline_server.analysis.replay.routes import AsDecided, AsOf, Plan, Versions, WithVersion
from scoreline_server.analysis.replay.scoring import ReplayedRows
from scoreline_server.errors import ReplayError
from scoreline_server.journal.commands import (
    fault_text,
    folders_argument,
    given_time,
    journal_folders,
    table_writer,
)
from scoreline_server.journal.format.blocks import Fault
from scoreline_server.journal.reading.reader import Selection


@click.command("replay", cls=RegistryCommand)
@folders_argument
@registry_option
@click.option("--since", type=click.DateTime(), help="Rows scored at or after this time, UTC.")
@click.option("--until", type=click.DateTime(), help="Rows scored before this time, UTC.")
@click.option("--route", help="Rows of this route only.")
@click.option("--as-of", type=click.IntRange(min=1), metavar="REVISION",
              help="Assign and score as this revision of the registry would.")  # fmt: skip
@click.option("--with", "ref", type=RefType(), metavar="MODEL@VERSION", help="Score every row by this version.")
@click.option("--allow", type=click.FloatRange(min=0), metavar="NUMBER",
              help="The largest difference that is no failure.  [default: 0; 1e-6 for rows of another build or host]",
              )  # fmt: skip
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write each row with both scores: a name that ends in .parquet, .csv or .jsonl.")  # fmt: skip
@json_option
def replay_command(
    folders: tuple[Path, ...], address: str, since: datetime | None, until: datetime | None, route: str | None,
    as_of: int | None, ref: ModelRef | None, allow: float | None, out: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Score the journaled rows of all FOLDERs again and print what differs.

    Without --as-of and --with, each row is scored as it was decided: by the version that served it, on the inputs
    that the journal holds. The exit code is 1 when a score, an error or an arm then differs by more than is allowed.
    Without a FOLDER, the journal beside the registry is read.
    """
    import structlog

    from scoreline.cli.output import counting, print_json
    from scoreline_server.analysis.replay.text import print_report

    # The report counts models that fail on rows; their log would be a line for each try.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    if allow is not None and not math.isfinite(allow):
        raise click.UsageError(f"--allow is the largest difference that is no failure, not {allow:g}")
    write = None if out is None else table_writer(out)
    plan = _plan(Registry.open(address), as_of, ref)
    places = journal_folders(folders, address)
    differences = Differences(_mode(as_of, ref), plan.versions, allow)
    selection = Selection(route, given_time(since), given_time(until))
    with counting("replaying", "rows") as count:

        def added() -> Iterator[ReplayedRows]:
            for block in replay(places, plan, selection, on_fault=_report_fault):
                differences.add(block)
                count(int(block.journaled.kept.sum()))
                yield block

        try:
            if write is None or out is None:
                for _ in added():
                    pass
            else:
                write(out, ROW_TYPES, (row_table(block) for block in added()))
        except ReplayError as error:
            raise Failure(str(error)) from error
    report = differences.report()
    if as_json:
        print_json(report.as_json())
    else:
        print_report(report, out)
    if report.has_failed or not report.replayed:
        raise SystemExit(1)


def _plan(registry: Registry, as_of: int | None, ref: ModelRef | None) -> Plan:
    versions = Versions(registry)
    if as_of is not None and ref is not None:
        raise click.UsageError("give --as-of or --with, not both")
    if as_of is not None:
        return AsOf(versions, as_of)
    return AsDecided(versions) if ref is None else WithVersion(versions, ref)


def _mode(as_of: int | None, ref: ModelRef | None) -> str:
    if as_of is not None:
        return f"as of revision {as_of}"
    return "as decided" if ref is None else f"with {ref}"


def _report_fault(path: Path, fault: Fault) -> None:
    click.echo(fault_text(path, fault), err=True)
