"""``scoreline models label`` and ``scoreline models own``."""

from typing import Any

import click

from scoreline_registry.commands.options import (
    NameType,
    RegistryCommand,
    json_option,
    registry_option,
    writing_options,
)
from scoreline_registry.commands.output import print_commit
from scoreline_registry.documents.base import refuse_duplicates
from scoreline_registry.history.changes import SetLabels, SetOwner
from scoreline_registry.registry import Registry


@click.command(cls=RegistryCommand)
@click.argument("model", type=NameType("model"))
@click.argument("changes", nargs=-1, required=True, metavar="KEY=VALUE|KEY-...")
@registry_option
@json_option
@writing_options
def label(model: str, changes: tuple[str, ...], address: str, as_json: bool, **signed: Any) -> None:
    """Set labels of a model with KEY=VALUE, remove them with KEY-."""
    parsed = [*map(_change, changes)]
    try:
        refuse_duplicates("label", (name for name, _ in parsed))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    labels = dict(parsed)
    commit = Registry.open(address).commit(SetLabels(model, labels), **signed)
    print_commit(commit, as_json=as_json, model=model)


def _change(text: str) -> tuple[str, str | None]:
    name, separator, value = text.partition("=")
    if not separator and name.endswith("-"):
        name = name.removesuffix("-")
    elif not value:
        raise click.UsageError(f"{text!r}: write KEY=VALUE to set a label and KEY- to remove it")
    return NameType("label").convert(name, None, click.get_current_context()), value if separator else None


@click.command(cls=RegistryCommand)
@click.argument("model", type=NameType("model"))
@click.argument("owner")
@registry_option
@json_option
@writing_options
def own(model: str, owner: str, address: str, as_json: bool, **signed: Any) -> None:
    """Set the owner of a model; - removes it."""
    named = None if owner == "-" else owner
    commit = Registry.open(address).commit(SetOwner(model, named), **signed)
    print_commit(commit, as_json=as_json, model=model, owner=named)
