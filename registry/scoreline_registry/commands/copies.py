"""``scoreline promote`` and ``scoreline export``."""

import time
from pathlib import Path
from typing import Any

import click

from scoreline_registry.commands.options import (
    NameType,
    RefType,
    RegistryCommand,
    json_option,
    registry_option,
    signing_options,
)
from scoreline_registry.commands.output import print_json
from scoreline_registry.export.folder import Export, export_triton
from scoreline_registry.names import ModelRef
from scoreline_registry.registry import Registry
from scoreline_registry.versions.promotion import Promotion
from scoreline_registry.versions.promotion import promote as promote_version


@click.command(cls=RegistryCommand)
@click.argument("ref", type=RefType(), metavar="MODEL@VERSION|MODEL@ALIAS")
@click.option("--to", "target", required=True, metavar="REGISTRY", help="Folder or address of the other registry.")
@click.option("--alias", "aliases", type=NameType("alias"), multiple=True, help="Point this alias to it; repeatable.")
@registry_option
@json_option
@signing_options
def promote(ref: ModelRef, target: str, aliases: tuple[str, ...], address: str, as_json: bool, **signed: Any) -> None:
    """Copy a version with its digests and provenance to another registry, unless it is there already."""
    done = promote_version(Registry.open(address), ref, Registry.open(target), aliases=aliases, **signed)
    if as_json:
        print_json(_promotion_json(done))
        return
    source = f"{done.model}@{done.source.version}"
    if done.version is None:
        click.echo(f"would copy {source} to {target}")
    elif done.copied:
        click.echo(f"copied {source} to {target} as {done.model}@{done.version}, revision {done.revision}")
    else:
        click.echo(
            f"{target} has the files of {source} already, as {done.model}@{done.version}, revision {done.revision}"
        )


def _promotion_json(done: Promotion) -> dict[str, object]:
    return {
        "model": done.model,
        "version": done.version,
        "copied": done.copied,
        "source": done.source.model_dump(mode="json"),
        "revision": done.revision,
    }


@click.group()
def export() -> None:
    """Models of the registry for other servers."""


@export.command(cls=RegistryCommand, short_help="Write a model repository of Triton or OpenVINO.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--watch", is_flag=True, help="Go on and follow new revisions until interrupted.")
@click.option("--poll-seconds", type=click.FloatRange(min=0.1), default=2.0, show_default=True, help="With --watch.")
@click.option("--dry-run", is_flag=True, help="Say what would be written and removed; write nothing.")
@registry_option
@json_option
def triton(folder: Path, watch: bool, poll_seconds: float, dry_run: bool, address: str, as_json: bool) -> None:
    """Keep FOLDER a Triton or OpenVINO model repository of every committed version in use."""
    if watch and dry_run:
        raise click.UsageError("--watch writes; leave --dry-run out")
    registry = Registry.open(address)
    done = export_triton(registry, folder, dry_run=dry_run)
    _print_export(done, folder, as_json=as_json, dry_run=dry_run)
    while watch:
        time.sleep(poll_seconds)
        if registry.latest().revision != done.revision:
            done = export_triton(registry, folder)
            _print_export(done, folder, as_json=as_json, dry_run=False)


def _print_export(done: Export, folder: Path, *, as_json: bool, dry_run: bool) -> None:
    if as_json:
        facts = {"revision": done.revision, "written": done.written, "removed": done.removed}
        print_json({**facts, "left_out": done.left_out, "dry_run": dry_run})
        return
    for path in done.written:
        click.echo(f"{'would write' if dry_run else 'wrote'} {folder / path}")
    for path in done.removed:
        click.echo(f"{'would remove' if dry_run else 'removed'} {folder / path}")
    for reason in done.left_out:
        click.echo(f"left out {reason}")
    click.echo(f"{folder} {'would be' if dry_run else 'is'} at revision {done.revision}")
