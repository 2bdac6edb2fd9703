"""Options and error handling that the trainers' commands share."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from scoreline_registry.commands.options import (
    Failure,
    NameType,
    RegistryCommand,
    current_user,
    json_option,
    registry_option,
)
from scoreline_registry.names import ModelRef
from scoreline_trainers.errors import RequirementError, TrainersError

if TYPE_CHECKING:
    from scoreline_registry.registry import Registry

F = TypeVar("F", bound=Callable[..., Any])

existing_file = click.Path(exists=True, dir_okay=False, path_type=Path)

CHAMPION_BY_DEFAULT = "What the new version is called; may be repeated.  [default: champion, while the model has none]"


class FallsShort(Failure):
    """A version that falls short of what its recipe requires; exit code 3."""

    exit_code = 3


class TrainersCommand(RegistryCommand):
    """A command that reports registry and training errors in one line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RequirementError as error:
            raise FallsShort(str(error)) from error
        except TrainersError as error:
            raise Failure(str(error)) from error


def version_options(*, alias_help: str) -> Callable[[F], F]:
    """The options of every command that publishes a version: where, under which aliases, by whom, why, and whether."""
    options = (
        registry_option,
        click.option("--alias", "aliases", multiple=True, type=NameType("alias"), help=alias_help),
        click.option("--author", default=current_user, help="Who publishes.  [default: the current user]"),
        click.option("--message", "-m", default="", help="Why, for the history."),
        click.option("--dry-run", is_flag=True, help="Do and check everything; publish nothing."),
        json_option,
    )
    return lambda command: _with(command, *options)


def aliases_of(given: tuple[str, ...], registry: "Registry", model: str) -> tuple[str, ...]:
    """The aliases to move: those given, or "champion" for a model that has no champion to take it from."""
    models = registry.latest().models
    has_champion = model in models and "champion" in models[model].aliases
    return given or (() if has_champion else ("champion",))


def resolved(registry: "Registry", ref: ModelRef) -> tuple[str, int]:
    """Model and number of a version; a model alone means its newest one in use. Raises NotFoundError."""
    if ref != ModelRef(ref.model):
        return registry.latest().resolve(ref)
    document = registry.latest().state.models.require(ref.model)
    return ref.model, max(document.in_use, default=0)


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
    """The options that map a graph's own inputs and outputs to the standard signature."""
    options = (score_output_option, inputs_option, features_option, manifest_option, kind_option)
    return _with(command, *options)


def limit_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that limit what checking one model may cost; the command gets them as ``limits``."""

    @wraps(command)
    def limited(*, max_bytes: int, max_memory: int, max_seconds: float, **others: Any) -> None:
        from scoreline_trainers.publishing.confinement import Limits

        limits = Limits(file_bytes=max_bytes, memory_bytes=max_memory * 2**20, seconds=max_seconds)
        command(limits=limits, **others)

    return _with(limited, max_bytes_option, max_memory_option, max_seconds_option)


def _with(command: F, *options: Callable[[F], F]) -> F:
    for option in reversed(options):
        command = option(command)
    return command
