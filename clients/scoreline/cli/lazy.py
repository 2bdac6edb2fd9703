"""Commands that are imported when they are used, alone and in groups that several packages share."""

import os
from importlib import import_module
from typing import Any

import click

from scoreline.cli.commands import SHARED, CommandSpec
from scoreline.cli.failures import failure


class LazyCommand(click.Command):
    """A command that is imported when it is used; its line of help needs no import."""

    def __init__(self, name: str, spec: CommandSpec) -> None:
        super().__init__(name, short_help=spec.help)
        self.spec = spec

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Imports the command and makes its context."""
        return self.load().make_context(info_name, args, parent, **extra)

    def load(self) -> click.Command:
        """The command, imported."""
        module, _, attribute = self.spec.target.partition(":")
        if module.startswith("scoreline.cli"):
            # gRPC's core writes lines of its own about a failed handshake to standard error.
            os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.spec.target} is not a click command")
        return command


class SharedGroup(click.Group):
    """A group with commands of its own, and after them those of other packages that ``SHARED`` has for its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of its commands."""
        return [*super().list_commands(ctx), *self._shared]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name; that of another package is not yet imported."""
        spec = self._shared.get(cmd_name)
        return LazyCommand(cmd_name, spec) if spec else super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command. A package that it lacks is named with the extra that the command needs."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            name = ctx.invoked_subcommand or ""
            if name not in self._shared:
                raise
            raise failure(error, self._shared[name], f"{self.name} {name}") from error

    @property
    def _shared(self) -> dict[str, CommandSpec]:
        return dict(SHARED.get(self.name or "", {}))
