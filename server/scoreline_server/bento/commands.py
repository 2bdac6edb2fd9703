"""The command ``scoreline bento``."""

from dataclasses import asdict

import click


@click.group()
def bento() -> None:
    """Bentos: a route with its models and both servers, in one artefact of BentoML."""


@bento.command(short_help="Build a Bento of a route and its models.")
@click.option("--route", required=True, help="The route to serve.")
@click.option("--revision", type=click.IntRange(min=1), help="Of the registry.  [default: the newest]")
@click.option(
    "--registry", envvar="SCORELINE_REGISTRY", default="./registry", show_default=True, help="Folder or URI of it."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def build(route: str, revision: int | None, registry: str, as_json: bool) -> None:
    """Build a Bento of a route as it is now, or as it was at a revision, into BentoML's store."""
    from scoreline.cli.output import print_json
    from scoreline_registry.registry import Registry
    from scoreline_server.bento import building

    built = building.build(Registry.open(registry), route, revision=revision)
    if as_json:
        print_json({**asdict(built), "path": str(built.path)})
        return
    for version in built.versions:
        click.echo(f"{version.model}@{version.version}  {version.sha256}  {version.bytes:,} bytes")
    click.echo(f"built {built.tag} of route {route} at revision {built.revision}, {built.bytes / 2**20:.1f} MiB")
    click.echo(f"{built.path}")
