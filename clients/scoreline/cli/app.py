"""The group of all commands, each loaded when it is used."""

import difflib
import errno
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from scoreline.cli.commands import COMMANDS, GROUPS, plugins
from scoreline.cli.failures import failure
from scoreline.cli.lazy import LazyCommand
from scoreline.version import __version__

INTERRUPTED = 130


class Commands(click.Group):
    """All commands, first Scoreline's in the order of their groups, then those of other packages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        del ctx
        return [*COMMANDS, *sorted(plugins())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, not yet imported; None if there is none."""
        del ctx
        spec = COMMANDS.get(cmd_name) or plugins().get(cmd_name)
        return LazyCommand(cmd_name, spec) if spec else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of the arguments. Raises UsageError that names the nearest command."""
        name, names = args[0], self.list_commands(ctx)
        near = difflib.get_close_matches(name, names, n=1)
        if near and name not in names:
            ctx.fail(f"No such command {name!r}. Did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the commands by group."""
        del ctx
        added = {"Of other packages": plugins()} if plugins() else {}
        width = max(map(len, COMMANDS))
        for title, commands in {**GROUPS, **added}.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), spec.help) for name, spec in commands.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command. An exception becomes one line, unless --debug asks for the traceback."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if isinstance(error.__cause__, KeyboardInterrupt):  # a native module that was being imported
                raise click.Abort from error
            if ctx.params["debug"] or (isinstance(error, OSError) and error.errno == errno.EPIPE):
                raise
            name = ctx.invoked_subcommand or ""
            raise failure(error, COMMANDS.get(name), name) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, envvar="SCORELINE_DEBUG", help="Show the traceback of a failure.")
@click.version_option(__version__, prog_name="scoreline")
def scoreline(debug: bool) -> None:
    """Trains models, keeps them in a registry, routes and serves them over gRPC.

    Start with `scoreline demo`, which shows all of it, or with models and a route of your own:

    \b
    scoreline init
    scoreline data synth propensity --rows 20000 --out customers.parquet
    scoreline train propensity-lightgbm --data customers.parquet
    scoreline route apply ROUTE.yaml
    scoreline serve
    scoreline score ROUTE --input customers.parquet --id-column customer_id --known-only
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
