"""``scoreline history``."""

import click

from scoreline_registry.commands.options import RegistryCommand, json_option, registry_option
from scoreline_registry.commands.output import print_history
from scoreline_registry.registry import Registry


@click.command(cls=RegistryCommand)
@registry_option
@json_option
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="The most revisions to show.")
def history(address: str, as_json: bool, limit: int) -> None:
    """Show the newest revisions and what each of them changed."""
    print_history(list(Registry.open(address).history(limit)), as_json=as_json)
