"""``scoreline alias``."""

from typing import Any

import click

from scoreline_registry.commands.options import (
    NameType,
    RefType,
    RegistryCommand,
    json_option,
    registry_option,
    writing_options,
)
from scoreline_registry.commands.output import print_commit, print_json, print_table
from scoreline_registry.history.changes import RemoveAlias, SetAlias
from scoreline_registry.names import ModelRef
from scoreline_registry.registry import Registry


@click.group()
def alias() -> None:
    """Names that point to versions, such as credit@champion."""


@alias.command("list", cls=RegistryCommand)
@click.argument("model", required=False, type=NameType("model"))
@registry_option
@json_option
def list_aliases(model: str | None, address: str, as_json: bool) -> None:
    """List the aliases of MODEL, or of every model."""
    state = Registry.open(address).latest().state
    documents = [state.models.require(model)] if model else list(state.models.values())
    rows = [
        (document.name, name, number) for document in documents for name, number in sorted(document.aliases.items())
    ]
    if as_json:
        print_json([{"model": name, "alias": word, "version": number} for name, word, number in rows])
    else:
        print_table(("model", "alias", "version"), rows)


@alias.command("set", cls=RegistryCommand, short_help="Point MODEL@ALIAS to a version.")
@click.argument("alias", type=RefType(), metavar="MODEL@ALIAS")
@click.argument("target", metavar="VERSION")
@registry_option
@json_option
@writing_options
def set_(alias: ModelRef, target: str, address: str, as_json: bool, **signed: Any) -> None:
    """Point MODEL@ALIAS to VERSION, a number or another alias of the model. Every route that uses it is checked."""
    name = _alias_name(alias)
    wanted = RefType().convert(f"{alias.model}@{target}", None, click.get_current_context())
    registry = Registry.open(address)
    before = registry.latest()
    previous = before.state.models.require(alias.model).aliases.get(name)
    version = before.resolve(wanted)[1]
    commit = registry.commit(SetAlias(alias.model, name, version), **signed)
    if as_json:
        facts = {"alias": str(alias), "version": version, "previous": previous}
        print_json({**facts, "revision": commit.revision, "written": commit.written})
    else:
        state = f"revision {commit.revision}" if commit.written else "nothing is written"
        verb = "would point" if signed["dry_run"] else "points"
        click.echo(f"{alias} {verb} to version {version} (before: {previous or 'nothing'}); {state}")


@alias.command(cls=RegistryCommand)
@click.argument("alias", type=RefType(), metavar="MODEL@ALIAS")
@registry_option
@json_option
@writing_options
def remove(alias: ModelRef, address: str, as_json: bool, **signed: Any) -> None:
    """Remove MODEL@ALIAS; refused while a route uses it."""
    commit = Registry.open(address).commit(RemoveAlias(alias.model, _alias_name(alias)), **signed)
    print_commit(commit, as_json=as_json, alias=str(alias))


def _alias_name(ref: ModelRef) -> str:
    if ref.alias is None:
        raise click.UsageError(f"{ref} is a version; write MODEL@ALIAS, such as {ref.model}@champion")
    return ref.alias
