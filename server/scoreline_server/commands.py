"""The commands ``scoreline serve`` and ``scoreline doctor``."""

from pathlib import Path
from typing import Any

import click


@click.command()
@click.option("--registry", envvar="SCORELINE_REGISTRY", help="Folder or URI of the registry.  [default: registry]")
@click.option("--listen", help="Address and port for gRPC.  [default: 127.0.0.1:50051]")
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="TOML file of settings.")
@click.option("--workers", metavar="N|auto", help="Processes that serve.  [default: 1]")
@click.option("--ops-listen", help="Address and port for metrics and probes, or off.  [default: 127.0.0.1:9464]")
@click.option("--threads", type=int, help="Threads of each worker.")
@click.option("--controllers/--no-controllers", default=None, help="Run ramps, allocations and policies that learn.")
@click.option("--poll-seconds", type=float, help="How often to look for a new revision of the registry.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]))
@click.option("--log-format", type=click.Choice(["auto", "console", "json"]))
def serve(config: Path | None, **flags: Any) -> None:
    """Serves a registry over gRPC until SIGTERM. Prints the address once it is open.

    Every setting can be given as SCORELINE_NAME in the environment or as name in the TOML file.
    """
    from scoreline_server import logging_config
    from scoreline_server.errors import ServingError
    from scoreline_server.processes import serve
    from scoreline_server.settings import read_settings

    try:
        settings = read_settings(config=config, **flags)
        logging_config.configure(settings)
        serve.run(settings)
    except ServingError as error:
        raise click.ClickException(str(error)) from error


@click.command()
@click.option("--registry", envvar="SCORELINE_REGISTRY", help="Folder or URI of the registry.  [default: registry]")
@click.option("--server", help="Address of a running server to check too.")
@click.option("--ops", help="Address of that server's ops port, or off.  [default: 127.0.0.1:9464]")
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="TOML file of settings.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(registry: str | None, server: str | None, ops: str | None, config: Path | None, as_json: bool) -> None:
    """Checks this machine, the registry and, with --server, a running server, and says what to do.

    The exit code is 1 when something fails.
    """
    from dataclasses import asdict

    from scoreline.cli.output import print_json, print_table
    from scoreline_server.doctor.checks import all_findings
    from scoreline_server.doctor.findings import Verdict
    from scoreline_server.settings import OFF, read_settings

    settings = read_settings(config=config, registry=registry, ops_listen=ops)
    address = None if settings.ops_listen in OFF else settings.ops_listen
    findings = list(all_findings(registry=settings.registry, server=server, ops=address))
    failed = [finding for finding in findings if finding.verdict is Verdict.FAIL]
    if as_json:
        print_json({"healthy": not failed, "findings": [asdict(finding) for finding in findings]}, indent=2)
    else:
        print_table(("check", "verdict", "detail"), [(f.check, f.verdict, f.detail) for f in findings])
    if failed:
        raise SystemExit(1)
