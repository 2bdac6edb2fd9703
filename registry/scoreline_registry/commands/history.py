"""``scoreline history``."""

from itertools import islice

import click

from scoreline_registry.commands.options import RegistryCommand, json_option, registry_option
from scoreline_registry.commands.output import print_history
from scoreline_registry.history.state import Kind
from scoreline_registry.registry import Registry

limit_option = click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="The most revisions to show."
)


@click.command(cls=RegistryCommand)
@registry_option
@json_option
@limit_option
def history(address: str, as_json: bool, limit: int) -> None:
    """Show the newest revisions and what each of them changed."""
    print_history(list(Registry.open(address).history(limit)), as_json=as_json)


def print_history_of(registry: Registry, kind: Kind, name: str, *, limit: int, as_json: bool) -> None:
    """Prints the newest revisions that changed one document. Raises NotFoundError where there is none of that name."""
    registry.latest().state.by_kind[kind].require(name)
    mine = (entry.about(kind, name) for entry in registry.history())
    print_history(list(islice((entry for entry in mine if entry.events), limit)), as_json=as_json)
