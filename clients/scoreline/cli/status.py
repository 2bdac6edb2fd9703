"""``scoreline status``."""

from dataclasses import asdict
from typing import Any

import click

from scoreline.cli.connection import connect, connection_options
from scoreline.cli.output import print_json, print_table
from scoreline.status import ServerStatus


@click.command()
@connection_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(as_json: bool, **connection: Any) -> None:
    """Show what a running server has loaded, and why something is not."""
    with connect(**connection) as client:
        found, health = client.status(), client.health()
    if as_json:
        print_json({"health": health.name, **asdict(found)})
        return
    revision = f"registry revision {found.revision} (as of the last poll)"
    click.echo(f"scoreline {found.server_version}, {health.name}, {revision}")
    if found.problem:
        click.echo(f"problem: {found.problem}")
    _print(found)


def _print(found: ServerStatus) -> None:
    routes = [(route.route, route.adopted_revision or "none", route.problem) for route in found.routes]
    print_table(("route", "revision", "problem"), routes)
    if found.policies:
        policies = [(policy.policy, policy.adopted_revision or "none", policy.problem) for policy in found.policies]
        print_table(("policy", "revision", "problem"), policies)
    models = [
        (f"{model.model}@{model.version}", "ready" if model.ready else "failed", _microseconds(model), model.problem)
        for model in found.models
    ]
    print_table(("model", "state", "µs/row", "problem"), models)


def _microseconds(model: Any) -> str:
    return f"{model.row_microseconds:.0f}" if model.row_microseconds else ""
