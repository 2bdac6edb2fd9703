"""The commands ``scoreline data`` and ``scoreline train``, and what all commands of this package share."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scoreline_registry.commands.options import (
    Failure,
    NameType,
    RegistryCommand,
    current_user,
    json_option,
    registry_option,
)
from scoreline_registry.commands.output import print_json, print_table
from scoreline_trainers.errors import TrainersError

if TYPE_CHECKING:
    from scoreline_registry.registry import Registry
    from scoreline_trainers.training.run import TrainingReport

existing_file = click.Path(exists=True, dir_okay=False, path_type=Path)
author_option = click.option("--author", default=current_user, help="Who publishes.  [default: the current user]")
message_option = click.option("--message", "-m", default="", help="Why, for the history.")
alias_option = click.option(
    "--alias",
    "aliases",
    multiple=True,
    type=NameType("alias"),
    help="What the new version is called; may be repeated.  [default: champion, while the model has none]",
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Do and check everything; publish nothing.")


class TrainersCommand(RegistryCommand):
    """A command whose training errors, too, become failures in one line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except TrainersError as error:
            raise Failure(str(error)) from error


@click.group()
def data() -> None:
    """Make data."""


@data.command(cls=TrainersCommand)
@click.argument("kind", type=click.Choice(["propensity", "delinquency"]))
@click.option("--rows", type=click.IntRange(min=1), default=20_000, show_default=True, help="How many people.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Equal seeds, equal tables.")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="A .parquet or .csv file.")
@click.option("--force", is_flag=True, help="Replace a file that exists.")
@click.option("--dry-run", is_flag=True, help="Make the table and write nothing.")
@json_option
def synth(kind: str, rows: int, seed: int, out: Path, force: bool, dry_run: bool, as_json: bool) -> None:
    """Write a made-up table: customers who may buy, or accounts that may default."""
    if out.exists() and not force:
        raise Failure(f"{out} exists already: name another file, or replace it with --force")
    from scoreline_trainers.data.tables import write_table
    from scoreline_trainers.synthetic import GENERATORS

    frame = GENERATORS[kind](rows, seed=seed)
    if not dry_run:
        write_table(frame, out)
    if as_json:
        print_json({"file": str(out), "rows": len(frame), "columns": frame.columns})
    else:
        click.echo(f"{'would write' if dry_run else 'wrote'} {out}: {len(frame):,} rows of {', '.join(frame.columns)}")


@click.command(cls=TrainersCommand)
@click.argument("recipe", required=False)
@registry_option
@click.option("--data", "table", type=existing_file, help="A table in place of the recipe's data.")
@alias_option
@author_option
@message_option
@dry_run_option
@json_option
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
    """Train, prove and publish a model by RECIPE: a YAML file, or a packaged recipe's name."""
    if listing:
        _list(as_json=as_json)
        return
    if recipe is None:
        raise click.UsageError("name a recipe; --list shows the packaged ones")
    from scoreline_registry.registry import Registry
    from scoreline_trainers.progress import progress_on_stderr
    from scoreline_trainers.training.recipe import find_recipe
    from scoreline_trainers.training.run import publish_candidate, recipe_table
    from scoreline_trainers.training.run import train as run

    written, folder = find_recipe(recipe)
    registry = None if dry_run else Registry.open(address)
    with progress_on_stderr() as progress:
        progress.begin("read the table")
        frame, digest = recipe_table(written, folder=folder, data=table)
        candidate = run(written, frame, data_sha256=digest, progress=progress)
    report = candidate.report
    if registry is not None:
        names = aliases_of(aliases, registry, written.name)
        report = publish_candidate(candidate, written, registry, author=author, message=message, aliases=names)
    _show(report, as_json=as_json)


def aliases_of(given: tuple[str, ...], registry: "Registry", model: str) -> tuple[str, ...]:
    """The aliases to move: those given, or "champion" for a model that has no champion to take it from."""
    models = registry.latest().models
    has_champion = model in models and "champion" in models[model].aliases
    return given or (() if has_champion else ("champion",))


def _show(report: "TrainingReport", *, as_json: bool) -> None:
    if as_json:
        print_json(report.as_dict())
        return
    facts: list[tuple[str, object]] = [
        ("family", report.family),
        ("rows", f"{report.training_rows:,} to train, {report.validation_rows:,} to validate"),
        *((name, f"{value:.4f}") for name, value in report.metrics.items()),
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


def _list(*, as_json: bool) -> None:
    from scoreline_trainers.families import FAMILIES
    from scoreline_trainers.training.recipe import packaged_summaries

    recipes = packaged_summaries()
    columns = ("family", "summary", "extra", "state")
    families = [
        (name, source.summary, source.extra, FAMILIES.problem(name) or "ready")
        for name, source in FAMILIES.sources.items()
    ]
    if as_json:
        named = [dict(zip(columns, family, strict=True)) for family in families]
        print_json({"recipes": [{"recipe": name, "summary": text} for name, text in recipes], "families": named})
        return
    print_table(("recipe", "summary"), recipes)
    click.echo()
    print_table(columns, families)
