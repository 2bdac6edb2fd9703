"""The command ``scoreline train``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from scoreline_registry.commands.output import print_json, print_table
from scoreline_trainers.commands.interruption import progress_until_published, without_interruption
from scoreline_trainers.commands.options import (
    CHAMPION_BY_DEFAULT,
    TrainersCommand,
    aliases_of,
    existing_file,
    version_options,
)

if TYPE_CHECKING:
    from scoreline_trainers.families import Listing
    from scoreline_trainers.training.reports.training_report import TrainingReport

_SHOWN_COLUMNS = 60


@click.command(cls=TrainersCommand)
@click.argument("recipe", required=False)
@click.option("--data", "table", type=existing_file, help="A table in place of the recipe's data.")
@version_options(alias_help=CHAMPION_BY_DEFAULT)
@click.option("--list", "listing", is_flag=True, help="List the packaged recipes and the families, and stop.")
def train(
    recipe: str | None,
    address: str,
    table: Path | None,
    aliases: tuple[str, ...],
    author: str,
    message: str,
    dry_run: bool,
    as_json: bool,
    listing: bool,
) -> None:
    """Train, check and publish a model by RECIPE: a YAML file, or a packaged recipe's name.

    The exit code is 3 when the version falls short of what the recipe requires; it is then not published.
    """
    if listing:
        _list(as_json=as_json)
        return
    if recipe is None:
        raise click.UsageError("name a recipe; --list shows the packaged ones")
    from scoreline_registry.registry import Registry
    from scoreline_trainers.training.candidate import publish_candidate
    from scoreline_trainers.training.profiles import needs_registry, with_profiles
    from scoreline_trainers.training.recipe import find_recipe
    from scoreline_trainers.training.run import train as run
    from scoreline_trainers.training.sources import data_source, recipe_table
    from scoreline_trainers.training.warm_start import published_start

    written, folder = find_recipe(recipe)
    reads = written.warm_start is not None or needs_registry(written)
    registry = None if dry_run and not reads else Registry.open(address)
    written = with_profiles(written, folder=folder, registry=registry)
    start = None if registry is None else published_start(written, registry)
    with progress_until_published() as progress:
        progress.begin("read the table")
        notes: list[str] = []
        frame, digest = recipe_table(written, folder=folder, data=table, note=notes.append)
        source = "; ".join([data_source(written, table), *notes])
        candidate = run(written, frame, data_sha256=digest, data=source, start=start, progress=progress)
    for line in notes:
        click.echo(f"data: {line}", err=True)
    report = candidate.report
    if registry is not None and not dry_run:
        names = aliases_of(aliases, registry, written.name)
        with without_interruption():
            report = publish_candidate(candidate, written, registry, author=author, message=message, aliases=names)
    _show(report, as_json=as_json)


def _show(report: "TrainingReport", *, as_json: bool) -> None:
    for warning in report.warnings:
        click.echo(f"warning: {warning}", err=True)
    if as_json:
        print_json(report.as_dict())
        return
    _show_columns(report)
    _show_bands(report)
    facts: list[tuple[str, object]] = [
        ("family", report.family),
        ("rows", f"{report.training_rows:,} to train, {report.validation_rows:,} to validate"),
        *((name, f"{value:.4f}") for name, value in report.metrics.items()),
        *report.chosen.items(),
        *report.described.items(),
        ("fitted in", f"{report.seconds:.1f} s"),
        ("graph", f"{report.model_bytes:,} bytes"),
        ("largest difference", f"{report.max_difference:.1e} on {report.parity_rows:,} rows"),
    ]
    print_table(("fact", "value"), facts)
    if report.version is None:
        click.echo(f"{report.model} was not published (--dry-run)")
        return
    route = f", route {report.route} applied" if report.route else ""
    names = f" ({', '.join(report.aliases)})" if report.aliases else ""
    click.echo(f"published {report.model}@{report.version}{names}{route}")


def _show_columns(report: "TrainingReport") -> None:
    if not report.columns:
        return
    shown = report.columns[:_SHOWN_COLUMNS]
    rows = ((c.name, c.kind, "yes" if c.required else "no", f"{c.missing:.1%}", c.values) for c in shown)
    print_table(("column", "kind", "required", "missing", "values"), rows)
    if len(report.columns) > len(shown):
        click.echo(f"... and {len(report.columns) - len(shown):,} more columns; --json shows all")
    click.echo()


def _show_bands(report: "TrainingReport") -> None:
    if not report.bands:
        return
    rows = (
        (b.name, f"{b.from_score:g}", f"{b.rows:,}", "-" if b.rate is None else f"{b.rate:.1%}") for b in report.bands
    )
    print_table(("band", "from", "validation rows", "with label 1"), rows)
    click.echo()


def _learned(family: "Listing") -> str:
    """Labels of 0 and 1, amounts, or both, as a recipe's ``task`` calls them."""
    return ", ".join(sorted(family.tasks))


def _list(*, as_json: bool) -> None:
    from scoreline_trainers.families import FAMILIES
    from scoreline_trainers.training.recipe import packaged_summaries

    recipes = packaged_summaries()
    columns = ("family", "summary", "learns", "extra", "state")
    listed = ((name, FAMILIES.listing(name)) for name in FAMILIES)
    families = [(name, each.summary, _learned(each), each.origin, each.problem or "ready") for name, each in listed]
    if as_json:
        named = [dict(zip(columns, family, strict=True)) for family in families]
        print_json({"recipes": [{"recipe": name, "summary": text} for name, text in recipes], "families": named})
        return
    print_table(("recipe", "summary"), recipes)
    click.echo()
    print_table(columns, families)
