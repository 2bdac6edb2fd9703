"""The command ``scoreline compare``."""

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from scoreline.cli.output import print_json, print_table
from scoreline_registry.errors import NotFoundError, RegistryError
from scoreline_registry.registry import Registry
from scoreline_registry.routing.experiment import Experiment
from scoreline_server.analysis.comparison.plans import Options, check_facts, metric_of
from scoreline_server.analysis.report.comparison import Comparison
from scoreline_server.analysis.report.parts import RampMove
from scoreline_server.journal.commands import folders_argument, given_time, journal_folders, registry_option


@click.command()
@click.argument("route")
@folders_argument
@registry_option
@click.option("--since", type=click.DateTime(), help="Rows scored at or after this time, UTC.")
@click.option("--until", type=click.DateTime(), help="Rows scored before this time, UTC.")
@click.option("--baseline", default="", metavar="ARM", help="Arm that others are compared with.  [default: the first]")
@click.option("--metric", "metrics", multiple=True, metavar="METRIC",
              help="OUTCOME[/DENOMINATOR][:mean|rate|ratio[:increase|decrease]]; the first is primary.")  # fmt: skip
@click.option(
    "--alpha", type=click.FloatRange(0, 0.5, min_open=True, max_open=True), help="Significance level.  [default: 0.05]"
)
@click.option("--tuning-rows", type=click.IntRange(100), help="Rows at which always-valid intervals are narrowest.")
@click.option("--maturity-days", type=click.FloatRange(0), help="Days within which an outcome is observed.")
@click.option("--covariate", metavar="FACT", help="feature.NAME or context.KEY that takes variance away (CUPED).")
@click.option("--segment", "segments", multiple=True, metavar="FACT", help="A FACT to break down by.")
@click.option("--cut-off", "cut_offs", multiple=True, type=float, help="Score at which shadows would decide otherwise.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, see docs/reference/comparison.md.")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write a page with charts."
)
def compare(
    route: str, folders: tuple[Path, ...], registry: str, since: datetime | None, until: datetime | None,
    as_json: bool, html: Path | None, **options: Any,
) -> None:  # fmt: skip
    """Compare the arms and shadows of ROUTE, from the journal and outcomes of all FOLDERs.

    Metrics, level, start and segments come from the route's `experiment` section; options replace them.
    """
    from scoreline_server.analysis.comparison.comparison import BaselineError, Request
    from scoreline_server.analysis.comparison.comparison import compare as compared
    from scoreline_server.analysis.report.document import document

    if html is not None and html.suffix != ".html":
        raise click.UsageError(f"--html {html} does not end in .html")
    places = journal_folders(folders, registry)
    experiment, moves = _from_registry(registry, route, given=bool(folders))
    request = Request(places, route, given_time(since), given_time(until), _options(options))
    try:
        comparison = compared(request, experiment, moves)
    except BaselineError as error:
        raise click.ClickException(str(error)) from error
    if html is not None:
        _write_page(comparison, html)
    if as_json:
        print_json(document(comparison))
    else:
        show(comparison)
        if html is not None:
            click.echo(f"\nwritten to {html}")


def show(comparison: Comparison) -> None:
    """Prints a report as text: problems first, then tables, then the other notes."""
    from scoreline_server.analysis.report.text import head, tables

    click.echo(head(comparison))
    for note in comparison.notes:
        if note.severity == "problem":
            click.echo(f"PROBLEM: {note.text}")
    for table in tables(comparison):
        click.echo(f"\n{table.title}")
        print_table(table.columns, table.rows)
    others = [note for note in comparison.notes if note.severity != "problem"]
    if others:
        click.echo()
    for note in others:
        click.echo(f"{note.severity}: {note.text}")


def _write_page(comparison: Comparison, path: Path) -> None:
    from scoreline_server.analysis.pictures.page import comparison_page

    path.write_text(comparison_page(comparison), encoding="utf-8")


def _from_registry(registry: str, route: str, *, given: bool) -> tuple[Experiment | None, tuple[RampMove, ...]]:
    """The experiment section and the changes of the route. Where folders are given no registry need be there."""
    from scoreline_server.analysis.comparison.route_history import experiment_of, moves_of

    try:
        opened = Registry.open(registry)
    except RegistryError as error:
        if given and isinstance(error, NotFoundError):
            return None, ()
        raise click.ClickException(str(error)) from error
    return experiment_of(opened, route), moves_of(opened, route)


def _options(values: dict[str, Any]) -> Options:
    try:
        metrics = tuple(metric_of(text) for text in values.pop("metrics"))
        check_facts([*values["segments"], *filter(None, [values["covariate"]])])
        return Options(metrics=metrics, **values)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
