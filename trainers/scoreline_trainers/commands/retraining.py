"""The command ``scoreline retrain``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from scoreline_registry.commands.options import RefType
from scoreline_registry.commands.output import print_json, print_table
from scoreline_registry.names import ModelRef
from scoreline_trainers.commands.interruption import progress_until_published, without_interruption
from scoreline_trainers.commands.options import TrainersCommand, version_options

if TYPE_CHECKING:
    from polars import DataFrame

    from scoreline_registry.registry import Registry
    from scoreline_trainers.evaluation.drift import Shift
    from scoreline_trainers.reporting.document import ChampionComparison
    from scoreline_trainers.training.retraining.challenger import Challenger
    from scoreline_trainers.training.retraining.champion import Champion
    from scoreline_trainers.training.retraining.decision import Decision

DUE, WORSE = 10, 11
"""Exit codes; 0 says that nothing is due, or that a challenger was published."""

_DEFAULT_ALIAS = "challenger"
_SHIFTS = 10


@click.command(cls=TrainersCommand)
@click.argument("ref", type=RefType(bare=True), metavar="MODEL[@VERSION|@ALIAS]")
@click.option(
    "--data",
    "data",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    help="The new table; or a folder with the recipe's files by their names.",
)
@click.option("--check", is_flag=True, help="Only decide whether it is due: exit code 10 says that it is, 0 that not.")
@click.option("--now", "at_once", is_flag=True, help="Train although nothing is due.")
@click.option("--force", is_flag=True, help="Publish a challenger that is worse than the champion too.")
@version_options(alias_help=f"What the challenger is called; may be repeated.  [default: {_DEFAULT_ALIAS}]")
def retrain(
    ref: ModelRef,
    data: Path,
    check: bool,
    at_once: bool,
    force: bool,
    address: str,
    aliases: tuple[str, ...],
    author: str,
    message: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Retrain MODEL on new data when its recipe's rule says so, and publish the result as challenger.

    The rule looks at the champion's age, at the drift of the new rows and at how the champion does on them. Champion
    and challenger are compared on the newest rows, which neither has learned from. MODEL alone means its champion.

    Exit codes: 0 nothing was due, or a challenger was published; 10 due (--check); 11 the challenger is worse and was
    not published; 1 a failure.
    """
    from scoreline_registry.registry import Registry
    from scoreline_trainers.training.retraining.champion import read_champion

    registry = Registry.open(address)
    named = ref if ref != ModelRef(ref.model) else ModelRef(ref.model, alias="champion")
    champion = read_champion(registry, *registry.latest().resolve(named))
    decision, challenger = _trained(registry, champion, data, check=check, at_once=at_once)
    refused = challenger is not None and challenger.comparison.worse and not force
    number = None
    if challenger is not None and not (dry_run or refused):
        message = message or f"retrained {champion}: {challenger.comparison.reason}"
        names = aliases or (_DEFAULT_ALIAS,)
        with without_interruption():
            number = _publish(registry, challenger, author=author, message=message, aliases=names)
    _show(champion, decision, challenger, number, as_json=as_json)
    if not as_json:
        click.echo(_outcome(champion, decision, challenger, number, refused=refused))
    if (check and decision.due) or refused:
        raise click.exceptions.Exit(DUE if check else WORSE)


def _trained(
    registry: "Registry", champion: "Champion", data: Path, *, check: bool, at_once: bool
) -> "tuple[Decision, Challenger | None]":
    """The decision, and the challenger where one was to be trained."""
    from scoreline_trainers.training.retraining.challenger import train_challenger
    from scoreline_trainers.training.retraining.decision import decide
    from scoreline_trainers.training.retraining.new_rows import new_rows
    from scoreline_trainers.training.warm_start import published_start

    with progress_until_published() as progress:
        progress.begin("read the table")
        frame, digest = _table(champion, data)
        is_known = digest == champion.data_sha256
        decision = decide(champion, new_rows(champion, frame), now=registry.now(), is_known=is_known)
        if check or not (decision.due or at_once):
            return decision, None
        reason = decision.reasons or "asked for"
        start = published_start(champion.recipe, registry)
        made = train_challenger(
            champion, frame, data_sha256=digest, data=str(data), reason=reason, start=start, progress=progress
        )
        return decision, made


def _table(champion: "Champion", data: Path) -> "tuple[DataFrame, str]":
    """The new table with its digest: a file, or the recipe's files by their names in a folder."""
    from scoreline_trainers.training.sources import recipe_table

    recipe = champion.recipe
    if not data.is_dir():
        return recipe_table(recipe, folder=Path(), data=data)
    if isinstance(recipe.data, str):
        recipe = recipe.model_copy(update={"data": Path(recipe.data).name})
    return recipe_table(recipe, folder=data)


def _publish(
    registry: "Registry", challenger: "Challenger", *, author: str, message: str, aliases: tuple[str, ...]
) -> int:
    candidate = challenger.candidate
    return registry.publish(
        challenger.recipe.name,
        files=candidate.files,
        manifest=candidate.manifest,
        author=author,
        message=message,
        aliases=aliases,
    )


def _show(
    champion: "Champion", decision: "Decision", challenger: "Challenger | None", number: int | None, *, as_json: bool
) -> None:
    if as_json:
        print_json(
            {
                "champion": str(champion),
                "due": decision.due,
                **decision.model_dump(mode="json"),
                "comparison": None if challenger is None else challenger.comparison.model_dump(mode="json"),
                "version": number,
            }
        )
        return
    print_table(
        ("check", "due", "found"), ((each.name, "yes" if each.due else "no", each.text) for each in decision.checks)
    )
    if decision.shifts:
        click.echo()
        rows = decision.shifts[:_SHIFTS]
        print_table(("drift of", "psi", "by chance up to", "missing before", "missing now"), map(_shift, rows))
    if challenger is not None:
        click.echo()
        _show_comparison(challenger.comparison)


def _shift(shift: "Shift") -> tuple[str, str, str, str, str]:
    figures = ("too few rows", "-") if shift.psi is None else (f"{shift.psi:.4f}", f"{shift.threshold:.4f}")
    return (shift.name, *figures, f"{shift.missing_before:.1%}", f"{shift.missing:.1%}")


def _show_comparison(comparison: "ChampionComparison") -> None:
    rows = (
        (
            each.metric,
            f"{each.champion:.4f}",
            f"{each.challenger:.4f}",
            f"{each.difference.value:+.4f} ({each.difference.low:+.4f} to {each.difference.high:+.4f})",
        )
        for each in comparison.figures
    )
    head = (f"on {comparison.rows:,} newest rows", comparison.champion, "challenger", "difference (95 % interval)")
    print_table(head, rows)


def _outcome(
    champion: "Champion", decision: "Decision", challenger: "Challenger | None", number: int | None, *, refused: bool
) -> str:
    if challenger is None and decision.due:
        return f"{champion} is due: {decision.reasons}"
    if challenger is None:
        return f"nothing is due for {champion}"
    if refused:
        return "the challenger is worse than the champion and was not published; --force publishes it all the same"
    model = challenger.recipe.name
    return f"{model} was not published (--dry-run)" if number is None else f"published {model}@{number}"
