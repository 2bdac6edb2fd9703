"""``scoreline init``."""

import click

from scoreline_registry.commands.options import RegistryCommand, json_option, registry_option
from scoreline_registry.commands.output import print_json
from scoreline_registry.errors import NoRegistryError
from scoreline_registry.registry import Registry


@click.command(cls=RegistryCommand)
@registry_option
@json_option
@click.option("--dry-run", is_flag=True, help="Say what would happen; write nothing.")
def init(address: str, as_json: bool, dry_run: bool) -> None:
    """Make an empty registry; an existing one stays as it is."""
    existing = _existing(address)
    registry = existing or (None if dry_run else Registry.create(address))
    if as_json:
        registry_id = registry.registry_id if registry else None
        print_json({"registry": address, "registry_id": registry_id, "created": not existing and not dry_run})
    elif existing:
        click.echo(f"{address} is a registry already ({existing.registry_id}, revision {existing.latest().revision})")
    elif registry is None:
        click.echo(f"would make a registry at {address}")
    else:
        click.echo(f"made registry {registry.registry_id} at {address}")


def _existing(address: str) -> Registry | None:
    try:
        return Registry.open(address)
    except NoRegistryError:
        return None
