"""``scoreline experiment``: how many rows an effect needs, and the plan that a route has."""

from typing import TYPE_CHECKING, Any

import click
import yaml

from scoreline_registry.commands.options import (
    F,
    Failure,
    NameType,
    RefType,
    RegistryCommand,
    json_option,
    registry_option,
)
from scoreline_registry.commands.output import print_json, print_table
from scoreline_registry.history.differences import HistoryEntry
from scoreline_registry.names import ModelRef
from scoreline_registry.registry import Registry
from scoreline_registry.routing.experiment_plan import Question, question_of
from scoreline_registry.routing.route import RouteDocument
from scoreline_registry.routing.sections import written_sections

if TYPE_CHECKING:
    from scoreline_registry.routing.experiment_sizes import Sizes

_PERCENT = click.FloatRange(0, 100, min_open=True)
_POSITIVE = click.FloatRange(0, min_open=True)
_CHANCE = click.FloatRange(0, 1, min_open=True, max_open=True)
_ALPHA = click.FloatRange(0, 0.5, min_open=True, max_open=True)


def _plan_options(command: F) -> F:
    """Adds the options of ``plan``; those without a default come from the route."""
    options = (
        click.option("--kind", type=click.Choice(["rate", "mean"]), help="What is compared.  [default: ROUTE's]"),
        click.option("--baseline", type=_CHANCE, help="The rate of the control arm, 0 to 1; for rates."),
        click.option("--sd", "deviation", type=_POSITIVE, help="The standard deviation of a value; for means."),
        click.option("--effect", type=float, help="The difference to find.  [default: ROUTE's minimum_effect]"),
        click.option("--power", type=_CHANCE, default=0.8, show_default=True, help="The chance to find it."),
        click.option("--alpha", type=_ALPHA, help="The error rate.  [default: ROUTE's, or 0.05]"),
        click.option("--arm", type=RefType(), help="The treated arm.  [default: the ramp's, or the second of ROUTE]"),
        click.option("--share", type=_PERCENT, help="Percent of both arms' rows that are treated.  [default: ROUTE's]"),
        click.option("--exposed", type=_PERCENT, help="Percent of a day's rows in both arms.  [default: ROUTE's]"),
        click.option("--rows-per-day", type=_POSITIVE, help="Rows that are scored in a day, to say how many days."),
        click.option("--tuning-rows", type=click.IntRange(100), help="Rows where the always-valid interval is best."),
        click.option(
            "--looks", type=click.IntRange(1, 200), default=30, show_default=True, help="Looks, when watched."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def experiment() -> None:
    """Plan an experiment before its labels come; the route's section `experiment` has the plan."""


@experiment.command(cls=RegistryCommand, short_help="Say how many rows and days an effect needs.")
@click.argument("route", metavar="[ROUTE]", required=False, type=NameType("route"))
@_plan_options
@registry_option
@json_option
def plan(
    route: str | None,
    address: str,
    as_json: bool,
    arm: ModelRef | None,
    share: float | None,
    exposed: float | None,
    **given: Any,
) -> None:
    """Say how many rows and days an effect needs: with one look at the end, and while it is watched.

    With ROUTE, what is not given comes from its section `experiment` and the weights of its last rule.
    """
    from scoreline_registry.routing.experiment_sizes import sizes, sizes_json

    document = Registry.open(address).latest().state.routes.require(route) if route else None
    treated = str(arm) if arm else None
    try:
        question = question_of(document, arm=treated, share=_part(share), exposed=_part(exposed), **given)
        found = sizes(question)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        print_json(sizes_json(question, found))
    else:
        _print_sizes(question, found)


@experiment.command(cls=RegistryCommand, short_help="Show a route's plan, and who changed it.")
@click.argument("name", metavar="ROUTE", type=NameType("route"))
@registry_option
@json_option
@click.option(
    "--limit", type=click.IntRange(min=1), default=200, show_default=True, help="The revisions to look through."
)
def show(name: str, address: str, as_json: bool, limit: int) -> None:
    """Show the plan of ROUTE's experiment, and the revisions that changed it."""
    registry = Registry.open(address)
    document = registry.latest().state.routes.require(name)
    if document.experiment is None:
        raise Failure(f"route {name} has no experiment: write a section `experiment` and apply it")
    changes = [entry for entry in registry.history(limit) if _lines(entry, name)]
    if as_json:
        print_json(
            {
                "route": name,
                "digest": document.experiment_digest,
                "experiment": written_sections(document)["experiment"],
                "changes": [_change_json(entry, name) for entry in changes],
            }
        )
        return
    click.echo(_yaml(document), nl=False)
    click.echo(f"digest: {document.experiment_digest}")
    rows = [(entry.revision, entry.created_at, entry.author, "; ".join(_lines(entry, name))) for entry in changes]
    if rows:
        print_table(("revision", "when (UTC)", "author", "change"), rows)


def _yaml(document: RouteDocument) -> str:
    section = {"experiment": written_sections(document)["experiment"]}
    text: str = yaml.safe_dump(section, sort_keys=False, allow_unicode=True, width=120)
    return text


def _lines(entry: HistoryEntry, route: str) -> list[str]:
    """What a revision changed about the experiment of a route."""
    details = (event.detail for event in entry.about("route", route).events)
    return [detail for detail in details if detail.startswith("experiment ")]


def _change_json(entry: HistoryEntry, route: str) -> dict[str, object]:
    return {
        "revision": entry.revision,
        "created_at": entry.created_at,
        "author": entry.author,
        "changes": _lines(entry, route),
    }


def _print_sizes(question: Question, found: "Sizes") -> None:
    click.echo(question.text)
    designs = (
        ("one look, at the end", found.fixed_rows, found.fixed_days),
        (f"watched, {question.looks} looks", found.watched_rows, found.watched_days),
    )
    rows = [(name, total, round(total * question.share), days) for name, total, days in designs]
    print_table(("design", "rows of both arms", "of them treated", "days"), rows)
    if found.median_stop is not None:
        click.echo(f"half of the watched experiments stop by {found.median_stop} rows")
    if found.tuned_rows < 0.95 * found.watched_rows:
        click.echo(
            f"with tuning_rows {found.fixed_rows} instead of {question.tuning_rows}: {found.tuned_rows} rows, watched"
        )
    click.echo(f"watched, and ended after {found.fixed_rows} rows: {found.power_watched:.1%} power")
    warning = f"the test for one look, used at all {question.looks}: {found.false_alarms:.1%} false alarms"
    click.echo(f"{warning} instead of {question.alpha:.1%}")


def _part(percent: float | None) -> float | None:
    return None if percent is None else percent / 100
