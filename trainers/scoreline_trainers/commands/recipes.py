"""The commands ``scoreline recipe``: a first recipe for a table, and those that come with this package."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from scoreline_registry.commands.options import Failure, NameType, json_option
from scoreline_registry.commands.output import print_json, print_table
from scoreline_trainers.commands.options import TrainersCommand, existing_file

if TYPE_CHECKING:
    from scoreline_trainers.profiling.document import ColumnProfile
    from scoreline_trainers.training.first_recipe.first_recipe import FirstRecipe


class RecipeGroup(click.Group):
    """A group whose first argument may be a table: ``recipe FILE`` is ``recipe new FILE``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts ``new`` before arguments that begin with no subcommand."""
        if args and args[0] not in (*self.commands, *self.get_help_option_names(ctx)):
            args = ["new", *args]
        return super().parse_args(ctx, args)


@click.group(cls=RecipeGroup)
def recipe() -> None:
    """Write a first recipe for a table, by looking at it.

    `scoreline recipe FILE --label y --out y.yaml` is short for `scoreline recipe new ...`; then train with
    `scoreline train y.yaml`. The other commands show the recipes that come with Scoreline.
    """


@recipe.command(cls=TrainersCommand, short_help="Write a first recipe for a table.")
@click.argument("file", type=existing_file)
@click.option("--label", help="The column to predict.")
@click.option("--positive", help="The value of the label that counts as 1.  [default: found]")
@click.option("--time", help="The column that says when a row was observed.  [default: found]")
@click.option("--unit", help="The column that says whom a row is about.  [default: found]")
@click.option(
    "--within",
    type=click.FloatRange(min=0, min_open=True),
    metavar="DAYS",
    help="Of an event log: predict an event in the days after a cut.",
)
@click.option("--name", type=NameType("model"), help="Of the model.  [default: that of the file]")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the recipe to this file.")
@click.option("--force", is_flag=True, help="Replace a file that exists.")
@json_option
def new(
    file: Path,
    label: str | None,
    positive: str | None,
    time: str | None,
    unit: str | None,
    within: float | None,
    name: str | None,
    out: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Look at the table in FILE and write a recipe that trains a first model of its LABEL.

    An event log has many rows for each customer: with --within, or without a label where one is recognised, the recipe
    makes a row of each customer at each of several cuts, and the label is whether an event follows; --label and
    --positive say which event.

    Prints what is in each column, what a person should know of it, and why each key of the recipe is as it is. Without
    --out the recipe itself goes to standard output.
    """
    if out is not None and out.exists() and not force:
        raise Failure(f"{out} exists already: name another file, or replace it with --force")
    from scoreline_trainers.training.first_recipe.files import first_recipe

    folder = Path.cwd() if out is None else out.parent
    found = first_recipe(
        file, label, positive=positive, time=time, unit=unit, within_days=within, name=name, folder=folder
    )
    if out is not None:
        out.write_text(found.text, encoding="utf-8")
    if as_json:
        _print_as_json(found, out)
    elif out is None:
        click.echo(found.text, nl=False)
    else:
        _show(found, out)


@recipe.command("list", short_help="List the packaged recipes.")
@json_option
def list_recipes(as_json: bool) -> None:
    """List the recipes that come with Scoreline."""
    from scoreline_trainers.training.recipe import packaged_summaries

    found = packaged_summaries()
    if as_json:
        print_json([{"recipe": name, "summary": summary} for name, summary in found])
    else:
        print_table(("recipe", "summary"), found)


@recipe.command(short_help="Print a packaged recipe.")
@click.argument("name")
def show(name: str) -> None:
    """Print the packaged recipe NAME as YAML, to be copied and changed."""
    from scoreline_trainers.problems import nearest_or_all
    from scoreline_trainers.training.recipe import packaged_recipes

    packaged = packaged_recipes()
    if name not in packaged:
        raise Failure(f"there is no packaged recipe {name!r}; {nearest_or_all(name, packaged)}")
    click.echo(packaged[name].read_text("utf-8"), nl=False)


def _print_as_json(found: "FirstRecipe", out: Path | None) -> None:
    print_json(
        {
            "file": None if out is None else str(out),
            "recipe": found.document,
            "yaml": found.text,
            "reasons": list(found.reasons),
            "profile": found.profile.model_dump(mode="json"),
        }
    )


def _show(found: "FirstRecipe", out: Path) -> None:
    table = found.profile
    print_table(
        ("column", "kind", "missing", "values", "auc alone", "flags"),
        (_row(column) for column in table.columns),
    )
    click.echo()
    for finding in table.findings:
        column, advice = (
            f"{finding.column!r} " if finding.column else "",
            f": {finding.advice}" if finding.advice else "",
        )
        click.echo(f"{finding.severity}: {column}{finding.text}{advice}")
    click.echo()
    for reason in found.reasons:
        click.echo(reason)
    click.echo(f"\nwrote {out}; train it with: scoreline train {out}")


def _row(column: "ColumnProfile") -> tuple[object, ...]:
    auc = "" if column.label_auc is None else f"{column.label_auc:.3f}"
    return column.name, column.kind, f"{column.missing:.1%}", _values(column), auc, ", ".join(column.flags)


def _values(column: "ColumnProfile") -> str:
    if column.quantiles is not None:
        return f"{column.quantiles.min:g} to {column.quantiles.max:g}{' ' * bool(column.unit)}{column.unit}"
    if column.earliest:
        return f"{column.earliest.removesuffix('T00:00:00')} to {column.latest.removesuffix('T00:00:00')}"
    names = ", ".join(each.value for each in column.top[:3])
    return f"{column.unique:,}: {names}" if names else f"{column.unique:,}"
