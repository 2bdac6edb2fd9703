"""``scoreline route``."""

import json
from collections.abc import Mapping
from typing import Any, BinaryIO

import click

from scoreline_registry.commands.files import read_text
from scoreline_registry.commands.history import limit_option, print_history_of
from scoreline_registry.commands.options import (
    NameType,
    RefType,
    RegistryCommand,
    json_option,
    registry_option,
    writing_options,
)
from scoreline_registry.commands.output import print_commit, print_json, print_table
from scoreline_registry.history.changes import StopArm
from scoreline_registry.names import ModelRef
from scoreline_registry.registry import Registry
from scoreline_registry.routing.assignment import Assigner, unit_of
from scoreline_registry.routing.conditions import Context, ContextValue
from scoreline_registry.routing.route import UNIT_CONTEXT, RouteDocument
from scoreline_registry.routing.route_file import read_route, write_route
from scoreline_registry.routing.route_plan import RoutePlan
from scoreline_registry.routing.route_spec import RouteSpec


@click.group()
def route() -> None:
    """The names that callers score by, and which models are behind them."""


@route.command("list", cls=RegistryCommand)
@registry_option
@json_option
def list_routes(address: str, as_json: bool) -> None:
    """List every route."""
    snapshot = Registry.open(address).latest()
    documents = list(snapshot.routes.values())
    if as_json:
        digests = snapshot.route_digests
        print_json([{"route": d.route, "digest": digests[d.route], "models": list(d.refs)} for d in documents])
        return
    rows = [(d.route, len(d.input_schema.features), len(d.rules), ", ".join(d.refs)) for d in documents]
    print_table(("route", "features", "rules", "models"), rows)


@route.command(cls=RegistryCommand, short_help="Print a route as YAML that can be applied.")
@click.argument("name", metavar="ROUTE", type=NameType("route"))
@registry_option
@json_option
def show(name: str, address: str, as_json: bool) -> None:
    """Print a route as YAML that can be applied; with --json as it is stored, with its bucket ranges."""
    snapshot = Registry.open(address).latest()
    document = snapshot.state.routes.require(name)
    if as_json:
        print_json({"digest": snapshot.route_digests[name], "document": _document_json(document)})
    else:
        click.echo(write_route(document), nl=False)


@route.command(cls=RegistryCommand, short_help="Show what applying FILE would change.")
@click.argument("file", type=click.File("rb"))
@registry_option
@json_option
def plan(file: BinaryIO, address: str, as_json: bool) -> None:
    """Show what applying FILE (- for standard input) would change, and how many units would move."""
    _print_plan(Registry.open(address).plan_route(_read(file)), as_json=as_json)


@route.command(cls=RegistryCommand, short_help="Create or change a route as FILE says.")
@click.argument("file", type=click.File("rb"))
@registry_option
@json_option
@writing_options
def apply(
    file: BinaryIO, address: str, as_json: bool, author: str, message: str, if_match: str | None, dry_run: bool
) -> None:
    """Create or change a route as FILE (- for standard input) says, moving as few units as possible."""
    registry, spec = Registry.open(address), _read(file)
    if dry_run:
        done = registry.plan_route(spec, if_match=if_match)
    else:
        done = registry.apply_route(spec, author=author, message=message, if_match=if_match)
    _print_plan(done, as_json=as_json)


@route.command(cls=RegistryCommand, short_help="Show who changed a route, and why.")
@click.argument("name", metavar="ROUTE", type=NameType("route"))
@registry_option
@json_option
@limit_option
def history(name: str, address: str, as_json: bool, limit: int) -> None:
    """Show the newest revisions that changed ROUTE: its definition, its experiment, its ramp and its weights."""
    print_history_of(Registry.open(address), "route", name, limit=limit, as_json=as_json)


@route.command(cls=RegistryCommand, short_help="Take ARM out of a route now.")
@click.argument("name", metavar="ROUTE", type=NameType("route"))
@click.argument("arm", type=RefType(), metavar="ARM")
@registry_option
@json_option
@writing_options
def stop(name: str, arm: ModelRef, address: str, as_json: bool, **signed: Any) -> None:
    """Take ARM out of a route at once; its units go to the first other arm of the same rule."""
    commit = Registry.open(address).commit(StopArm(name, str(arm)), **signed)
    print_commit(commit, as_json=as_json, route=name, arm=str(arm))


@route.command(cls=RegistryCommand)
@click.argument("name", metavar="ROUTE", type=NameType("route"))
@click.argument("unit")
@click.option("--context", "pairs", metavar="KEY=VALUE", multiple=True, help="A fact that rules read; repeatable.")
@registry_option
@json_option
def assign(name: str, unit: str, pairs: tuple[str, ...], address: str, as_json: bool) -> None:
    """Show which arm UNIT gets, and why.

    A context value that reads as a JSON number or true or false is one; all else is text. Where the route splits by
    context.KEY, UNIT is the value of KEY unless --context gives it.
    """
    snapshot = Registry.open(address).latest()
    document = snapshot.state.routes.require(name)
    unit, context = _asked(document, _utf8(unit), dict(map(_fact, pairs)))
    assigner = Assigner(document)
    if not unit and assigner.needs_unit:
        raise click.UsageError(f"route {name} splits by {document.unit}: give a UNIT that is not empty")
    given = assigner.assign(unit, context)
    model, version = snapshot.resolve(given.arm)
    facts = {
        "route": name,
        "unit": unit,
        "arm": given.arm,
        "model": model,
        "version": version,
        "reason": given.reason,
        "rule": None if given.rule is None else given.rule + 1,
        "bucket": given.bucket,
        "holdout_bucket": assigner.holdout_bucket(unit),
        "revision": snapshot.revision,
    }
    if as_json:
        print_json(facts)
    else:
        print_table(tuple(facts), [tuple(facts.values())])


def _asked(document: RouteDocument, unit: str, facts: Context) -> tuple[str, Context]:
    """The unit that a server would hash, and the context that rules would read."""
    if not document.unit.startswith(UNIT_CONTEXT):
        return unit, facts
    context = {document.unit.removeprefix(UNIT_CONTEXT): unit, **facts}
    return unit_of(document.unit, unit, context), context


def _read(file: BinaryIO) -> RouteSpec:
    source, text = read_text(file)
    return read_route(text, source=source)


def _utf8(unit: str) -> str:
    try:
        unit.encode()
    except UnicodeEncodeError as error:
        raise click.UsageError("UNIT is not UTF-8 text") from error
    return unit


def _fact(pair: str) -> tuple[str, ContextValue]:
    key, separator, text = pair.partition("=")
    if not key or not separator:
        raise click.UsageError(f"{pair!r} is no KEY=VALUE")
    try:
        value = json.loads(text)
    except ValueError:
        return key, text
    return key, value if isinstance(value, str | float | int | bool) else text


def _print_plan(plan: RoutePlan, *, as_json: bool) -> None:
    if as_json:
        print_json(_plan_json(plan))
        return
    for difference in plan.differences or ("nothing differs",):
        click.echo(f"{plan.route}: {difference}")
    for warning in plan.warnings:
        click.echo(f"{plan.route}: warning: {warning}")
    rows = [
        (position, rule.when and json.dumps(rule.when), share.arm, f"{share.before:g}", f"{share.after:g}")
        for position, rule in enumerate(plan.rules, start=1)
        for share in rule.shares
    ]
    print_table(("rule", "when", "arm", "percent before", "percent after"), rows)
    done = "nothing is written" if plan.revision is None else f"revision {plan.revision}"
    click.echo(f"units that change arm: {plan.moved:.4%}; {done}")


def _plan_json(plan: RoutePlan) -> dict[str, object]:
    rules = [
        {
            "when": rule.when,
            "shares": [{"arm": s.arm, "before": s.before, "after": s.after} for s in rule.shares],
            "moved": rule.moved,
        }
        for rule in plan.rules
    ]
    return {
        "route": plan.route,
        "revision": plan.revision,
        "etag": plan.etag,
        "expect": plan.etag,
        "changes_anything": plan.changes_anything,
        "differences": list(plan.differences),
        "warnings": list(plan.warnings),
        "rules": rules,
        "moved": plan.moved,
        "document": _document_json(plan.after),
    }


def _document_json(document: RouteDocument) -> Mapping[str, object]:
    stored: Mapping[str, object] = document.model_dump(mode="json", by_alias=True)
    return stored
