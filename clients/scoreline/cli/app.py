"""The group of all commands, each loaded when it is used."""

import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from scoreline.cli.commands import COMMANDS, CommandSpec, plugins
from scoreline.cli.failures import failure
from scoreline.version import __version__

INTERRUPTED = 130


class LazyCommand(click.Command):
    """Stands for a command until someone uses it; lists with its line of help without loading anything."""

    def __init__(self, name: str, spec: CommandSpec) -> None:
        super().__init__(name, short_help=spec.help)
        self.spec = spec

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Loads the real command, whose context takes over."""
        return self.load().make_context(info_name, args, parent, **extra)

    def load(self) -> click.Command:
        """The real command, imported."""
        module, _, attribute = self.spec.target.partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.spec.target} is not a click command")
        return command


class Commands(click.Group):
    """All commands by name, ours in their order and then those of other packages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        del ctx
        return [*COMMANDS, *sorted(plugins())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The stand-in for a command, or None where there is none of that name."""
        del ctx
        spec = COMMANDS.get(cmd_name) or plugins().get(cmd_name)
        return LazyCommand(cmd_name, spec) if spec else None

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command; what it raises becomes one line, unless --debug asks for all of it."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if ctx.params["debug"] or (isinstance(error, OSError) and error.errno == errno.EPIPE):
                raise
            name = ctx.invoked_subcommand or ""
            raise failure(error, COMMANDS.get(name), name) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, envvar="SCORELINE_DEBUG", help="Show the traceback of a failure.")
@click.version_option(__version__, prog_name="scoreline")
def scoreline(debug: bool) -> None:
    """Trains models, keeps them in a registry, routes and serves them over gRPC.

    Start with `scoreline demo`, which shows all of it, or with `scoreline init` and `scoreline train --list`.
    """
    del debug


def run(arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    try:
        code = scoreline.main(list(arguments), prog_name="scoreline", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return INTERRUPTED
    except BrokenPipeError:
        return _after_broken_pipe()
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    return code if isinstance(code, int) else 0


def _after_broken_pipe() -> int:
    # The interpreter flushes once more as it ends and would complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
