"""What commands print of documents that come with this package."""

from collections.abc import Callable, Mapping
from importlib.resources.abc import Traversable
from typing import Any, Protocol

import click

from scoreline_registry.commands.options import Failure
from scoreline_registry.commands.output import print_json, print_table
from scoreline_registry.names import hint


class Described(Protocol):
    """A document with a description."""

    @property
    def description(self) -> str:
        """What it is for."""

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """The document for JSON."""


def print_packaged(
    kind: str,
    packaged: Mapping[str, Traversable],
    read: Callable[[str, str], Described],
    *,
    name: str | None,
    as_json: bool,
) -> None:
    """Prints the packaged document ``name`` as YAML, or as stored with ``as_json``; without a name, lists all of them.

    ``read`` makes a document of a text and its source. Raises Failure for an unknown name.
    """
    if name is not None and name not in packaged:
        raise Failure(f"there is no packaged {kind} {name!r}; {hint(name, packaged, f'packaged {kind}')}")
    if name is not None:
        text = packaged[name].read_text("utf-8")
        if as_json:
            print_json(read(text, name).model_dump(mode="json"))
        else:
            click.echo(text, nl=False)
        return
    found = {each: read(entry.read_text("utf-8"), each).description for each, entry in packaged.items()}
    if as_json:
        print_json([{kind: each, "description": description} for each, description in found.items()])
    else:
        print_table((kind, "description"), found.items())
