"""What the demos have in common: their options, a folder for the registry, and the output."""

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click
from rich.console import Console

from scoreline_trainers.demo.serving import FREE_PORT, Served, Staying
from scoreline_trainers.progress import Bars, Lines, Progress

keep_option = click.option(
    "--keep", type=click.Path(file_okay=False, path_type=Path), help="Keep the registry in this new folder."
)
listen_option = click.option(
    "--listen", default=FREE_PORT, show_default=True, help="Where the server of --keep listens; port 0 is a free one."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")


class Report(Protocol):
    """The result of a demo."""

    @property
    def problems(self) -> Sequence[str]:
        """What went wrong; empty where all is as the demo promises."""

    def as_dict(self) -> dict[str, Any]:
        """The result for JSON."""


ReportT = TypeVar("ReportT", bound=Report)


def run_in_folder(
    run: Callable[[Path, Progress], ReportT],
    *,
    show: Callable[[ReportT, float, Path | None], None],
    keep: Path | None,
    as_json: bool,
) -> None:
    """Runs a demo in the folder to keep, or in a temporary one, and prints its report.

    Raises UsageError for a folder that exists, and ClickException where the report has problems.
    """
    if keep is not None and keep.exists():
        raise click.UsageError(f"--keep {keep}: the folder exists already; name a new one")
    started = time.monotonic()
    with ExitStack() as stack:
        # A folder within: the server keeps its journal beside a registry.
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scoreline-demo-"))) / "demo"
        report = run(folder, _progress(stack, quiet=as_json))
    seconds = round(time.monotonic() - started, 1)
    if as_json:
        click.echo(json.dumps({**report.as_dict(), "seconds": seconds}, indent=2))
    else:
        show(report, seconds, keep)
    if report.problems:
        raise click.ClickException("; ".join(report.problems))


def staying_in(keep: Path | None, listen: str) -> Staying | None:
    """A server that goes on in the folder to keep; None where there is none to keep."""
    return None if keep is None else Staying(keep, listen)


def print_server(console: Console, server: Served | None, keep: Path | None) -> None:
    """Says where the server that goes on is, or how to keep one."""
    if server is None or keep is None:
        console.print("--keep FOLDER keeps the registry and the journal, and leaves the server running")
        return
    console.print(
        f"the server goes on at {server.address} (process {server.pid}); its log is {keep}/server.log", soft_wrap=True
    )
    console.print(
        f"the registry is in {keep}/registry, the journal beside it; `kill {server.pid}` ends the server",
        soft_wrap=True,
    )


def _progress(stack: ExitStack, *, quiet: bool) -> Progress:
    console = Console(stderr=True)
    if console.is_terminal and not quiet:
        return stack.enter_context(Bars(console))
    return Lines(lambda line: click.echo(line, err=True))
