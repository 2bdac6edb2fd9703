"""The one line that a failed command prints."""

import click

from scoreline.cli.commands import EXTRA_OF_MODULE, CommandSpec

_ERROR_MODULES = frozenset(
    {"scoreline.errors", "scoreline_registry.errors", "scoreline_server.errors", "scoreline_trainers.errors"}
)
"""The modules of errors whose text says what to do. Matched by name, since importing them takes long."""


def failure(error: Exception, spec: CommandSpec | None, name: str) -> click.ClickException:
    """The error of a failed command, with exit code 1."""
    return click.ClickException(" ".join(_text(error, spec, name).split()))


def _text(error: Exception, spec: CommandSpec | None, name: str) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        return missing(error.name, name, spec.extra if spec else "")
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, OSError) or _speaks_for_itself(error):
        return str(error) or type(error).__name__
    return f"unexpected {type(error).__name__}: {error} (`scoreline --debug {name}` shows where)"


def missing(module: str, name: str, extra: str) -> str:
    """Says what a command needs, and the extra that brings it; ``extra`` is empty for another package's command."""
    extra = EXTRA_OF_MODULE.get(module.partition(".")[0], extra)
    remedy = f"pip install 'scoreline[{extra}]'" if extra else "it is not installed"
    return f"`scoreline {name}` needs {module}: {remedy}"


def _speaks_for_itself(error: Exception) -> bool:
    return any(kind.__module__ in _ERROR_MODULES for kind in type(error).__mro__)
