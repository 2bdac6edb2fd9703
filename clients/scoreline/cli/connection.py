"""The options for the connection to a server, and the client that they make."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import click

from scoreline.channel.tls import TlsOptions
from scoreline.client import Client
from scoreline.errors import AccessError, ServerError

_F = TypeVar("_F", bound=Callable[..., Any])
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def connection_options(command: _F) -> _F:
    """Adds --server, --timeout and the TLS options, which arrive as keywords for ``connect``."""
    options = (
        click.option(
            "--server",
            envvar="SCORELINE_SERVER",
            default="127.0.0.1:50051",
            show_default=True,
            show_envvar=True,
            help="Address of the server.",
        ),
        click.option("--timeout", type=click.FloatRange(min=0, min_open=True), default=5.0, show_default=True,
                     metavar="SECONDS", help="Longest wait for an answer, retries included."),
        click.option("--tls", is_flag=True, help="Use TLS and trust gRPC's own roots."),
        click.option("--tls-ca", type=_FILE, help="PEM roots to trust; turns TLS on."),
        click.option("--tls-cert", type=_FILE, help="PEM certificate of this client, for mutual TLS."),
        click.option("--tls-key", type=_FILE, help="PEM key of the certificate."),
        click.option("--tls-server-name", help="Name to expect in the server's certificate."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def connect(
    *,
    server: str,
    timeout: float,
    tls: bool,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_server_name: str | None,
) -> Client:
    """A client for the options, whose server answers. Raises UnavailableError at once where none does."""
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together")
    wanted = tls or any((tls_ca, tls_cert, tls_server_name))
    options = TlsOptions(ca=tls_ca, cert=tls_cert, key=tls_key, server_name=tls_server_name) if wanted else None
    try:
        client = Client(server, timeout_seconds=timeout, tls=options)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with suppress(ServerError, AccessError):  # a server without the health service is a server
        client.health()
    return client
