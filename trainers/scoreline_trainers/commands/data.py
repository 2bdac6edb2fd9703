"""The commands ``scoreline data``."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scoreline_registry.commands.options import Failure, json_option, registry_option
from scoreline_registry.commands.output import print_json
from scoreline_trainers.commands.options import TrainersCommand

if TYPE_CHECKING:
    import polars as pl

_ONE_TABLE = ("propensity", "delinquency")
_TABLE_SETS = ("behaviour", "spending", "churn", "guardian")


@click.group()
def data() -> None:
    """Make synthetic tables, and the tables that recipes train on."""


@data.command(cls=TrainersCommand, short_help="Write synthetic tables.")
@click.argument("kind", type=click.Choice([*_ONE_TABLE, *_TABLE_SETS]))
@click.option(
    "--rows",
    "--customers",
    type=click.IntRange(min=1),
    default=20_000,
    show_default=True,
    help="How many people; their transactions are about 50 times as many.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Equal seeds, equal tables.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="A .parquet or .csv file; a folder for the kinds of several tables.",
)
@click.option("--force", is_flag=True, help="Replace what exists.")
@click.option("--dry-run", is_flag=True, help="Make the tables and write nothing.")
@json_option
def synth(kind: str, rows: int, seed: int, out: Path, force: bool, dry_run: bool, as_json: bool) -> None:
    """Write synthetic tables of a KIND.

    One table: customers who may buy (propensity), accounts that may default (delinquency). Several tables: bank
    customers with transactions (behaviour), cardholders with purchases and planted impulse buys (spending),
    subscribers with clicks, referrals and offers (churn), cardholders and what interventions do to their purchases
    (guardian).
    """
    if out.exists() and not force:
        raise Failure(f"{out} exists already: name another, or replace it with --force")
    from scoreline_trainers.data.tables import write_table
    from scoreline_trainers.synthetic import GENERATORS, TABLE_SETS

    if kind in _ONE_TABLE:
        frames: Mapping[Path, pl.DataFrame] = {out: GENERATORS[kind](rows, seed=seed)}
    else:
        frames = {out / f"{name}.parquet": frame for name, frame in TABLE_SETS[kind](rows, seed=seed).items()}
    for path, frame in frames.items():
        if not dry_run:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_table(frame, path)
    written = [{"file": str(path), "rows": len(frame), "columns": frame.columns} for path, frame in frames.items()]
    if as_json:
        print_json(written[0] if kind in _ONE_TABLE else {"folder": str(out), "tables": written})
        return
    for path, frame in frames.items():
        click.echo(f"{'would write' if dry_run else 'wrote'} {path}: {len(frame):,} rows of {', '.join(frame.columns)}")


@data.command(cls=TrainersCommand, short_help="Write the training table of a recipe.")
@click.argument("recipe")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A .parquet or .csv file.")
@click.option("--force", is_flag=True, help="Replace a file that exists.")
@click.option("--dry-run", is_flag=True, help="Make the table and write nothing.")
@registry_option
@json_option
def table(recipe: str, out: Path, force: bool, dry_run: bool, address: str, as_json: bool) -> None:
    """Write the table that RECIPE trains on: files joined, event logs as rows of cuts, labels beside them.

    The registry is read only where the recipe names a profile of it.
    """
    if out.exists() and not force:
        raise Failure(f"{out} exists already: name another, or replace it with --force")
    from scoreline_registry.registry import Registry
    from scoreline_trainers.data.tables import write_table
    from scoreline_trainers.training.profiles import needs_registry, with_profiles
    from scoreline_trainers.training.recipe import find_recipe
    from scoreline_trainers.training.sources import recipe_table

    written, folder = find_recipe(recipe)
    registry = Registry.open(address) if needs_registry(written) else None
    written = with_profiles(written, folder=folder, registry=registry)
    notes: list[str] = []
    frame, digest = recipe_table(written, folder=folder, note=notes.append)
    if not dry_run:
        write_table(frame, out)
    if as_json:
        facts = {"file": str(out), "rows": len(frame), "columns": frame.columns, "sha256": digest, "notes": notes}
        print_json(facts)
        return
    for line in notes:
        click.echo(line, err=True)
    click.echo(f"{'would write' if dry_run else 'wrote'} {out}: {len(frame):,} rows of {', '.join(frame.columns)}")
