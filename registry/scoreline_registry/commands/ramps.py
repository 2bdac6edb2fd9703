"""``scoreline ramp``: what a person does with a guarded ramp; the server's package adds ``run``."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import click

from scoreline.cli.lazy import SharedGroup
from scoreline_registry.commands.options import (
    NameType,
    RegistryCommand,
    json_option,
    registry_option,
    writing_options,
)
from scoreline_registry.commands.output import print_commit, print_json, print_table
from scoreline_registry.history.weight_moves import MoveRamp
from scoreline_registry.registry import Registry
from scoreline_registry.routing.durations import duration_text
from scoreline_registry.routing.ramp import Ramp, RampMoveName, RampState
from scoreline_registry.routing.ramping import grows_in, ramp_of, status_text
from scoreline_registry.routing.route import RouteDocument
from scoreline_registry.routing.section_texts import arm_shares, guard_text, limit_text, step_text

route_argument = click.argument("name", metavar="ROUTE", type=NameType("route"))


@click.group(cls=SharedGroup)
def ramp() -> None:
    """Grow one arm of a route by steps, as long as its guards hold; the route's section `ramp` has the plan."""


@ramp.command(cls=RegistryCommand, short_help="Start a ramp at its first step.")
@route_argument
@registry_option
@json_option
@writing_options
def start(name: str, **given: Any) -> None:
    """Start the ramp of ROUTE at its first step; one that was aborted or rolled back starts anew."""
    _move(name, "start", **given)


@ramp.command(cls=RegistryCommand, short_help="Hold a ramp at its present step.")
@route_argument
@registry_option
@json_option
@writing_options
def pause(name: str, **given: Any) -> None:
    """Hold the ramp of ROUTE at its present step; nothing moves it until it is resumed."""
    _move(name, "pause", **given)


@ramp.command(cls=RegistryCommand, short_help="Let a paused ramp go on.")
@route_argument
@registry_option
@json_option
@writing_options
def resume(name: str, **given: Any) -> None:
    """Let the ramp of ROUTE go on; its step is held for its whole time again, and guards look from now on."""
    _move(name, "resume", **given)


@ramp.command(cls=RegistryCommand, short_help="End a ramp and restore the weights before it.")
@route_argument
@registry_option
@json_option
@writing_options
def abort(name: str, **given: Any) -> None:
    """End the ramp of ROUTE and give every unit back the arm that it had before the ramp."""
    _move(name, "abort", **given)


@ramp.command(cls=RegistryCommand, short_help="Show where a ramp stands, and why.")
@route_argument
@registry_option
@json_option
def status(name: str, address: str, as_json: bool) -> None:
    """Show where the ramp of ROUTE stands, its guards, and its moves with their evidence."""
    snapshot = Registry.open(address).latest()
    document = snapshot.state.routes.require(name)
    plan, state = ramp_of(document), document.ramp_state
    if as_json:
        print_json({"revision": snapshot.revision, **_status_json(document, plan, state)})
        return
    for label, text in _status_lines(document, plan, state):
        click.echo(f"{label + ':':<8} {text}")
    if state is not None:
        rows = [
            (move.at, move.move.replace("_", " "), move.step + 1, "; ".join(map(guard_text, move.evidence)))
            for move in state.moves
        ]
        print_table(("when (UTC)", "move", "step", "evidence"), rows)


def _move(name: str, move: RampMoveName, address: str, as_json: bool, **signed: Any) -> None:
    commit = Registry.open(address).commit(MoveRamp(name, move), **signed)
    print_commit(commit, as_json=as_json, route=name, move=move)


def _status_lines(document: RouteDocument, plan: Ramp, state: RampState | None) -> Iterator[tuple[str, str]]:
    yield "ramp", f"{plan.arm} in route {document.route}"
    if state is None:
        yield "status", f"not started; `scoreline ramp start {document.route}` starts it"
    else:
        yield "status", f"{status_text(state.status)}, {step_text(plan, state)}"
    yield "share", arm_shares(document, plan.arm)
    if state is not None and state.active:
        yield "since", f"{state.since:%Y-%m-%d %H:%M:%S} UTC, held for {duration_text(plan.hold_seconds)}"
    for name, guard in plan.guards.limits.items():
        yield "guard", f"{name} {limit_text(name, guard)}"
    for metric, guard in plan.guards.outcome.items():
        yield "guard", f"outcome {metric} {limit_text('outcome', guard)}"


def _status_json(document: RouteDocument, plan: Ramp, state: RampState | None) -> dict[str, object]:
    shares = [
        {"rule": position, "percent": arm.millionths / 10_000}
        for position, rule in enumerate(document.rules, start=1)
        for arm in rule.arms
        if arm.ref == plan.arm and grows_in(rule, plan.arm)
    ]
    facts: dict[str, object] = {
        "route": document.route,
        "arm": plan.arm,
        "status": "not_started" if state is None else state.status,
        "steps": [step / 10_000 for step in plan.steps_millionths],
        "shares": shares,
        "guards": plan.guards.written,
    }
    if state is not None:
        ready = state.since + timedelta(seconds=plan.hold_seconds)
        held_until = ready if state.status == "running" else None
        moves = [{**move.model_dump(mode="json"), "step": move.step + 1} for move in state.moves]
        facts |= {"step": state.step + 1, "since": state.since, "held_until": held_until, "moves": moves}
    return facts
