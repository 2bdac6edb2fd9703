"""Opens a client of a server, or of a registry in this process."""

from typing import Any

import click

from scoreline.calls.retry import RetryPolicy
from scoreline.cli.connection import connect
from scoreline.cli.failures import missing
from scoreline.client import Client


def opened(registry: str | None, connection: dict[str, Any], *, command: str) -> Client:
    """A client of the server of some options, or one that computes from a registry in this process.

    ``command`` is what needs the extra ``server`` for that, as an error names it.
    """
    if registry is None:
        return connect(**connection)
    try:
        from scoreline.cli.local import LocalTransport, log_warnings

        log_warnings()
        return Client(transport=LocalTransport(registry), retry=RetryPolicy(max_attempts=1))
    except ModuleNotFoundError as error:
        raise click.ClickException(missing(error.name or "", command, "server")) from error
