"""What the publishing commands can be told about a model, and what checking it may cost."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from scoreline_trainers.commands.training import existing_file

F = TypeVar("F", bound=Callable[..., Any])


class MappingType(click.ParamType[tuple[str, str]]):
    """NAME=TARGET."""

    name = "mapping"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Splits at the first "=". Both sides are needed."""
        if isinstance(value, tuple):
            return value
        name, _, target = value.partition("=")
        if not name or not target:
            self.fail(f"{value!r} is not NAME=TARGET", param, ctx)
        return name, target


score_output_option = click.option(
    "--score-output", metavar="NAME[:COLUMN]", help="The output that is the score; the graph is wrapped to give it."
)
inputs_option = click.option(
    "--input",
    "inputs",
    multiple=True,
    type=MappingType(),
    metavar="NAME=TARGET",
    help="What an input takes: 'features' for all of them, or names such as age,income; may be repeated.",
)
features_option = click.option("--features", metavar="A,B,C", help="The numbers that go in, in order; all required.")
manifest_option = click.option(
    "--manifest", "manifest_file", type=existing_file, help="YAML or JSON that says more: inputs, score, metrics, ..."
)
kind_option = click.option("--kind", type=click.Choice(["probability", "value"]), help="What the score is.")
max_bytes_option = click.option(
    "--max-bytes", type=click.IntRange(min=1), default=512 * 2**20, show_default=True, help="The largest file read."
)
max_memory_option = click.option(
    "--max-memory", type=click.IntRange(min=256), default=4096, show_default=True, help="MiB that checking may take."
)
max_seconds_option = click.option(
    "--max-seconds", type=click.FloatRange(min=1), default=60, show_default=True, help="Time that checking may take."
)


def wrapping_options(command: F) -> F:
    """How a graph's own inputs and outputs stand to the standard signature."""
    options = (score_output_option, inputs_option, features_option, manifest_option, kind_option)
    return _with(command, *options)


def limit_options(command: F) -> F:
    """What checking one model may cost."""
    return _with(command, max_bytes_option, max_memory_option, max_seconds_option)


def _with(command: F, *options: Callable[[F], F]) -> F:
    for option in reversed(options):
        command = option(command)
    return command
