"""``scoreline rollback``, ``retire``, ``unretire``, ``gc`` and ``verify``."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import click

from scoreline_registry.commands.options import (
    NameType,
    RefType,
    RegistryCommand,
    json_option,
    registry_option,
    signing_options,
    writing_options,
)
from scoreline_registry.commands.output import print_commit, print_json
from scoreline_registry.errors import NoRegistryError
from scoreline_registry.history.changes import Change
from scoreline_registry.history.retirement import Retire, Unretire
from scoreline_registry.history.rollback import (
    RollbackAll,
    RollbackModel,
    RollbackPolicy,
    RollbackProfile,
    RollbackRoute,
)
from scoreline_registry.history.snapshot import Snapshot
from scoreline_registry.history.state import Kind
from scoreline_registry.names import ModelRef
from scoreline_registry.registry import Registry
from scoreline_registry.storage import open_storage
from scoreline_registry.upkeep.garbage_collection import DEFAULT_RETENTION, CollectedGarbage, collect
from scoreline_registry.upkeep.verification import Verification
from scoreline_registry.upkeep.verification import verify as verify_storage

_FOLDERS: Mapping[str, Kind] = {"models": "model", "routes": "route", "profiles": "profile", "policies": "policy"}
_ROLLBACKS: Mapping[Kind, Callable[[str, Snapshot], Change]] = {
    "model": RollbackModel,
    "route": RollbackRoute,
    "profile": RollbackProfile,
    "policy": RollbackPolicy,
}


@click.command(cls=RegistryCommand)
@click.argument("target", required=False, metavar="[models/NAME|routes/NAME|profiles/NAME|policies/NAME|NAME]")
@click.option("--all", "everything", is_flag=True, help="Every alias, route, profile and policy; no TARGET.")
@click.option("--to", type=click.IntRange(min=0), required=True, metavar="REVISION", help="Where they were then.")
@registry_option
@json_option
@writing_options
def rollback(
    target: str | None, everything: bool, to: int, address: str, as_json: bool, if_match: str | None, **signed: Any
) -> None:
    """Move the aliases of a model, a route, a profile or a policy back to where an earlier revision had them.

    That is a new revision.

    \b
    scoreline rollback routes/credit --to 41
    scoreline rollback --all --to 41 --dry-run
    """
    if everything == (target is not None):
        raise click.UsageError("name one model, route, profile or policy, or give --all")
    if everything and if_match is not None:
        raise click.UsageError("--if-match is the digest of one document; with --all there are many")
    registry = Registry.open(address)
    past = registry.at(to)
    change = RollbackAll(past) if target is None else _rollback_of(registry, target, past)
    commit = registry.commit(change, if_match=if_match, **signed)
    print_commit(commit, as_json=as_json, target=target or "all", to=to)


def _rollback_of(registry: Registry, text: str, past: Snapshot) -> Change:
    """The rollback of a target such as routes/NAME; a bare NAME must be of one kind only."""
    folder, separator, name = text.rpartition("/")
    if separator and folder not in _FOLDERS:
        raise click.UsageError(f"{text!r}: write {', '.join(f'{known}/NAME' for known in _FOLDERS)} or NAME")
    name = NameType(_FOLDERS.get(folder, "target")).convert(name, None, click.get_current_context())
    found = [folder] if separator else _folders_with(registry.latest(), name)
    if len(found) > 1:
        kinds, places = (f"a {_FOLDERS[known]}" for known in found), (f"{known}/{name}" for known in found)
        raise click.UsageError(f"{name} is {' and '.join(kinds)}: write {' or '.join(places)}")
    return _ROLLBACKS[_FOLDERS[found[0] if found else "models"]](name, past)


def _folders_with(snapshot: Snapshot, name: str) -> list[str]:
    return [folder for folder, kind in _FOLDERS.items() if name in snapshot.state.by_kind[kind]]


@click.command(cls=RegistryCommand)
@click.argument("ref", type=RefType(), metavar="MODEL@VERSION")
@registry_option
@json_option
@writing_options
def retire(ref: ModelRef, address: str, as_json: bool, **signed: Any) -> None:
    """Take a version out of use; refused while an alias, a route or a policy references it."""
    commit = Registry.open(address).commit(Retire(ref.model, _version(ref)), **signed)
    print_commit(commit, as_json=as_json, version=str(ref))


@click.command(cls=RegistryCommand)
@click.argument("ref", type=RefType(), metavar="MODEL@VERSION")
@registry_option
@json_option
@writing_options
def unretire(ref: ModelRef, address: str, as_json: bool, **signed: Any) -> None:
    """Bring a retired version back, as long as gc has not removed its files."""
    commit = Registry.open(address).commit(Unretire(ref.model, _version(ref)), **signed)
    print_commit(commit, as_json=as_json, version=str(ref))


def _version(ref: ModelRef) -> int:
    if ref.version is None:
        raise click.UsageError(f"{ref} is an alias; write the version's number, such as {ref.model}@7")
    return ref.version


@click.command(cls=RegistryCommand)
@click.option(
    "--retention-days",
    type=click.FloatRange(min=0, max=36_500),
    default=DEFAULT_RETENTION.days,
    show_default=True,
    help="How long a version stays after it was retired.",
)
@registry_option
@json_option
@signing_options
def gc(retention_days: float, address: str, as_json: bool, **signed: Any) -> None:
    """Remove the files of versions retired long ago and of interrupted publications."""
    found = collect(Registry.open(address), retention=timedelta(days=retention_days), **signed)
    if as_json:
        print_json(_collection_json(found))
        return
    verb = "would remove" if signed["dry_run"] else "removed"
    for name in found.retired:
        click.echo(f"{verb} {name}: retired")
    for name in found.abandoned:
        click.echo(f"{verb} {name}: claimed and never committed")
    for name in found.leftovers:
        click.echo(f"{verb} {name}: left by a writer that died")
    click.echo(f"{verb} {len(found.files)} files, {found.bytes:,} bytes; revision {found.commit.revision}")


def _collection_json(found: CollectedGarbage) -> dict[str, object]:
    return {
        "retired": found.retired,
        "abandoned": found.abandoned,
        "files": found.files,
        "bytes": found.bytes,
        "leftovers": found.leftovers,
        "revision": found.commit.revision,
        "written": found.commit.written,
    }


@click.command(cls=RegistryCommand)
@registry_option
@json_option
@click.pass_context
def verify(ctx: click.Context, address: str, as_json: bool) -> None:
    """Read every file again and compare it with its digest; exit code 1 when one differs."""
    storage = open_storage(address)
    if next(storage.list(""), None) is None:
        raise NoRegistryError(address)
    report = verify_storage(storage)
    if as_json:
        print_json(_verification_json(report))
    else:
        _print_verification(report)
    ctx.exit(1 if report.findings else 0)


def _print_verification(report: Verification) -> None:
    for finding in report.findings:
        click.echo(finding)
    for note in report.notes:
        click.echo(f"note: {note}")
    count = len(report.findings)
    state = f"{count} PROBLEM{'S' if count > 1 else ''}" if count else "all as committed"
    click.echo(
        f"{report.revisions} revisions, {report.documents} documents, {report.versions} versions, "
        f"{report.files} files, {report.bytes:,} bytes: {state}"
    )


def _verification_json(report: Verification) -> dict[str, object]:
    return {
        "revisions": report.revisions,
        "documents": report.documents,
        "versions": report.versions,
        "files": report.files,
        "bytes": report.bytes,
        "findings": [{"key": finding.key, "problem": finding.detail} for finding in report.findings],
        "notes": report.notes,
    }
