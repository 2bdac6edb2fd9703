"""``scoreline health``, for a container's health check. Imports nothing that takes long."""

import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import click

_ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  what a server listens on, not what is opened here
_OFF = ("", "off")


@click.command()
@click.option("--ops", envvar="SCORELINE_OPS_LISTEN", default="127.0.0.1:9464", show_default=True, show_envvar=True,
              metavar="ADDRESS", help="The server's ops port.")  # fmt: skip
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), default=3.0, show_default=True,
              metavar="SECONDS", help="Longest wait for its answer.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print what the ops port answered.")
def health(ops: str, timeout: float, as_json: bool) -> None:
    """Say whether a server is ready for calls; exit with 1 where it is not.

    Asks the ops port, which is plain HTTP whatever TLS the callers use.
    """
    address = reachable(ops)
    readiness = _ask(address, timeout)
    if as_json:
        click.echo(json.dumps(readiness))
    elif readiness["ready"]:
        serving = sum(worker["state"] == "serving" for worker in readiness["workers"])
        click.echo(f"ready: {serving} of {len(readiness['workers'])} workers serve")
    if not readiness["ready"]:
        why = "it drains" if readiness["draining"] else "; ".join(readiness["problems"]) or "no worker serves yet"
        raise click.ClickException(f"the server with the ops port {address} is not ready: {why}")


def reachable(ops_listen: str) -> str:
    """The address of the ops port of a server on this host. Raises UsageError where ``ops_listen`` names none."""
    if ops_listen in _OFF:
        raise click.UsageError("the server's ops port is off: set ops_listen, or give --ops")
    parts = urlsplit(f"//{ops_listen}")
    host = _ANY_HOST.get(parts.hostname or "", parts.hostname or "127.0.0.1")
    if not parts.port:
        raise click.UsageError(f"{ops_listen} has no port number: give --ops HOST:PORT")
    return f"[{host}]:{parts.port}" if ":" in host else f"{host}:{parts.port}"


def _ask(address: str, timeout: float) -> Any:
    try:
        with urllib.request.urlopen(f"http://{address}/readyz", timeout=timeout) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return json.load(error)
    except (OSError, ValueError) as error:
        hint = "start a server, or give --ops HOST:PORT"
        raise click.ClickException(f"no ops port answers at {address}: {hint}") from error
