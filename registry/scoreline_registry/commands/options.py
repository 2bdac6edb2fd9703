"""Options, argument types and error handling that the registry's commands share."""

import getpass
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from scoreline_registry.errors import CorruptError, InvalidNameError, RegistryError
from scoreline_registry.history.state import State
from scoreline_registry.names import ModelRef, check_name
from scoreline_registry.registry import Registry

F = TypeVar("F", bound=Callable[..., Any])


class Failure(click.ClickException):
    """A failure in one line; exit code 1."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class RegistryCommand(click.Command):
    """A command whose registry errors become failures in one line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CorruptError as error:
            raise Failure(f"{error}; `scoreline verify` lists everything that is") from error
        except RegistryError as error:
            raise Failure(str(error)) from error


class NameType(click.ParamType[str]):
    """The name of a model, route, profile, policy, alias or label; shells complete those of documents."""

    name = "name"

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click gives it
        state = _state(ctx)
        names: Mapping[str, Iterable[str]] = {str(kind): each for kind, each in state.by_kind.items()} if state else {}
        return _beginning(names.get(self._kind, ()), incomplete)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return check_name(self._kind, value)
        except InvalidNameError as error:
            self.fail(str(error), param, ctx)


class RefType(click.ParamType[ModelRef]):
    """A reference such as credit@champion or credit@7; with ``bare``, credit alone too."""

    name = "reference"

    def __init__(self, *, bare: bool = False) -> None:
        self._bare = bare

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click gives it
        state = _state(ctx)
        if state is None:
            return []
        model, at, _ = incomplete.partition("@")
        if not at or model not in state.models:
            return _beginning(state.models if self._bare else [f"{name}@" for name in state.models], incomplete)
        document = state.models[model]
        targets = [*sorted(document.aliases), *map(str, document.numbers)]
        return _beginning([f"{model}@{target}" for target in targets], incomplete)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ModelRef:
        if isinstance(value, ModelRef):
            return value
        try:
            if self._bare and "@" not in value:
                return ModelRef(check_name("model", value))
            return ModelRef.parse(value)
        except InvalidNameError as error:
            self.fail(str(error), param, ctx)


def _state(ctx: click.Context) -> State | None:
    """The state of the registry that a command line names, for completion; None where it cannot be read."""
    try:
        return Registry.open(str(ctx.params.get("address") or "")).latest().state
    except RegistryError:
        return None


def _beginning(words: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def current_user() -> str:
    """The operating system's user name, or the user's number where it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that no password file knows
        return f"uid {os.getuid()}"


registry_option = click.option(
    "--registry",
    "address",
    envvar="SCORELINE_REGISTRY",
    default="./registry",
    show_default=True,
    show_envvar=True,
    help="Folder or address of the registry.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def signing_options(command: F) -> F:
    """Adds the options of every command that commits: --author, --message and --dry-run."""
    options = (
        click.option("--author", default=current_user, help="Who changes it.  [default: the current user]"),
        click.option("--message", "-m", default="", help="Why, for the history."),
        click.option("--dry-run", is_flag=True, help="Check everything and show what would change; write nothing."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def writing_options(command: F) -> F:
    """Adds the options of every command that changes one document: ``signing_options`` and --if-match."""
    text = "Refuse when the document has another digest by now."
    match = click.option("--if-match", "--expect", "if_match", metavar="DIGEST", help=text)
    return match(signing_options(command))
