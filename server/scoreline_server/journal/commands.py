"""The commands of ``scoreline journal``."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from scoreline.cli.lazy import SharedGroup
from scoreline_server.journal.format.blocks import Fault
from scoreline_server.journal.format.times import nanoseconds_of, time_text
from scoreline_server.journal.reading.follower import Follower
from scoreline_server.journal.reading.reader import FileReader, Selection, journal_files, read_records, read_shadows
from scoreline_server.journal.reading.records import SHADOW_FIXED, Records, Values, shadow_columns
from scoreline_server.journal.reading.tables import united, write_csv, write_jsonl
from scoreline_server.journal.writing.opening import AUTO, journal_folder

_POLL_SECONDS = 0.2
_SHOWN = ("time", "prediction_id", "route", "arm", "model", "version", "reason", "score", "band", "error", "latency_ms")


@click.group(cls=SharedGroup)
def journal() -> None:
    """Read the journal, every scored row with its inputs and its result, and forget entities in it."""


folders_argument = click.argument(
    "folders", nargs=-1, metavar="[FOLDER]...", type=click.Path(exists=True, path_type=Path)
)
registry_option = click.option(
    "--registry", envvar="SCORELINE_REGISTRY", default="./registry", show_default=True, show_envvar=True,
    help="Registry whose journal is read where no FOLDER is given.",
)  # fmt: skip
route_option = click.option("--route", help="Rows of this route only.")


def journal_folders(given: tuple[Path, ...], registry: str) -> tuple[Path, ...]:
    """The folders to read: those given, or the default one of a registry."""
    if given:
        return given
    folder = journal_folder(AUTO, registry)
    if folder is None or not folder.is_dir():
        raise click.UsageError(f"there is no {folder or 'folder for ' + registry}: name the folder of the journal")
    return (folder,)


@journal.command()
@folders_argument
@registry_option
@route_option
@click.option("-n", "count", type=click.IntRange(min=0), default=10, show_default=True, help="How many rows.")
@click.option("-f", "--follow", is_flag=True, help="Go on with rows as they are written.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per row, inputs and all.")
def tail(folders: tuple[Path, ...], registry: str, route: str | None, count: int, follow: bool, as_json: bool) -> None:
    """Print the newest rows of all FOLDERs together."""
    follower = Follower(journal_folders(folders, registry), route)
    show = _as_json if as_json else _as_line
    if not as_json:
        click.echo("  ".join(_SHOWN))
    for row in follower.newest(count):
        click.echo(show(row))
    while follow:
        sys.stdout.flush()
        time.sleep(_POLL_SECONDS)
        for row in follower.news():
            click.echo(show(row))


@journal.command()
@folders_argument
@registry_option
@route_option
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Where to: a name that ends in .parquet, .csv or .jsonl.")  # fmt: skip
@click.option("--since", type=click.DateTime(), help="Rows scored at or after this time, UTC.")
@click.option("--until", type=click.DateTime(), help="Rows scored before this time, UTC.")
@click.option("--drop-retries", is_flag=True, help="Of calls with one request id, only the first.")
@click.option("--shadows", is_flag=True, help="The scores of shadows instead, to be joined by prediction_id.")
def export(
    folders: tuple[Path, ...], registry: str, route: str | None, out: Path, since: datetime | None,
    until: datetime | None, drop_retries: bool, shadows: bool,
) -> None:  # fmt: skip
    """Write the rows of all FOLDERs as one table."""
    write = table_writer(out)
    places = journal_folders(folders, registry)
    selection = Selection(route, given_time(since), given_time(until), drop_retries)
    faults: list[str] = []

    def note(path: Path, fault: Fault) -> None:
        faults.append(fault_text(path, fault))

    if shadows:
        scores = read_shadows(places, selection, on_fault=note)
        rows = write(out, SHADOW_FIXED, (shadow_columns(some) for some in scores))
    else:
        types = united(records.types for records in read_records(places, selection))
        blocks = (records.columns for records in read_records(places, selection, on_fault=note))
        rows = write(out, types, blocks)
    for fault in faults:
        click.echo(fault, err=True)
    click.echo(f"{rows} rows in {out}")


@journal.command()
@folders_argument
@registry_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(folders: tuple[Path, ...], registry: str, as_json: bool) -> None:
    """Check every block of all FOLDERs. The exit code is 1 when something is damaged.

    A torn tail is no damage: a writer was killed, or is still at it.
    """
    files, rows, slim, faults = 0, 0, set[Path](), list[tuple[Path, Fault]]()
    for path in journal_files(journal_folders(folders, registry)):
        files += 1
        for found in FileReader(path).read():
            if isinstance(found, Fault):
                faults.append((path, found))
            elif isinstance(found, Records):
                rows += len(found)
                slim |= {path} if found.file.slim_until else set()
    damaged = [fault for _, fault in faults if not fault.is_torn]
    if as_json:
        reports = [{"file": str(path), "start": f.start, "end": f.end, "problem": f.problem, "torn": f.is_torn}
                for path, f in faults]  # fmt: skip
        click.echo(
            json.dumps(
                {"sound": not damaged, "files": files, "slim": len(slim), "rows": rows, "faults": reports}, indent=2
            )
        )
    else:
        for path, fault in faults:
            click.echo(fault_text(path, fault))
        slim_text = f" ({len(slim)} without inputs)" if slim else ""
        click.echo(
            f"{files} files{slim_text}, {rows} rows, {len(faults) - len(damaged)} torn tails, {len(damaged)} damages"
        )
    if damaged:
        raise SystemExit(1)


def table_writer(out: Path) -> Callable[[Path, Mapping[str, str], Iterable[Mapping[str, Values]]], int]:
    """The function that writes a table of that name. Raises UsageError for a suffix that is none of a table's."""
    if out.suffix == ".parquet":
        from scoreline_server.journal.reading.arrow import write_parquet

        return write_parquet
    if out.suffix == ".csv":
        return write_csv
    if out.suffix == ".jsonl":
        return write_jsonl
    raise click.UsageError(f"--out {out} ends in none of .parquet, .csv and .jsonl")


def given_time(time: datetime | None) -> int | None:
    """A time of a command line, UTC, in ns since 1970."""
    return None if time is None else nanoseconds_of(time.replace(tzinfo=UTC))


def fault_text(path: Path, fault: Fault) -> str:
    """One line about a part of a file that cannot be read."""
    kind = "torn tail" if fault.is_torn else "damaged"
    return f"{path}: {kind}, bytes {fault.start} to {fault.end}: {fault.problem}"


def _as_json(row: dict[str, Any]) -> str:
    known = {name: value for name, value in row.items() if value is not None}
    return json.dumps({**known, "time": time_text(row["time"])}, ensure_ascii=False)


def _as_line(row: dict[str, Any]) -> str:
    row = {**row, "time": time_text(row["time"])}
    line = "  ".join(f"{row[name]:.6g}" if isinstance(row[name], float) else str(row[name] or "-") for name in _SHOWN)
    return f"{line}  {_decision(row)}" if row.get("decision.policy") else line


def _decision(row: dict[str, Any]) -> str:
    """What a policy decided for a row, such as "guardian: block"; in the control share what it would have been."""
    withheld = f" (control, would be {row['decision.withheld']})" if row["decision.control"] else ""
    return f"{row['decision.policy']}: {row['decision.action']}{withheld}"
