"""``scoreline profile``: the definitions of profiles; the server's package adds what is stored of entities."""

from typing import Any, BinaryIO

import click

from scoreline.cli.lazy import SharedGroup
from scoreline_registry.commands.files import read_text
from scoreline_registry.commands.history import limit_option, print_history_of
from scoreline_registry.commands.options import (
    NameType,
    RegistryCommand,
    json_option,
    registry_option,
    writing_options,
)
from scoreline_registry.commands.output import print_commit, print_json, print_table
from scoreline_registry.commands.packaged import print_packaged
from scoreline_registry.history.profile_changes import RemoveProfile
from scoreline_registry.profiles.digests import feature_digests
from scoreline_registry.profiles.packaged import packaged_profiles
from scoreline_registry.profiles.profile import Profile
from scoreline_registry.profiles.profile_file import read_profile, write_profile
from scoreline_registry.profiles.profile_plan import ProfilePlan
from scoreline_registry.registry import Registry

profile_argument = click.argument("name", metavar="PROFILE", type=NameType("profile"))
file_argument = click.argument("file", type=click.File("rb"))


@click.group(cls=SharedGroup)
def profile() -> None:
    """What is known of each entity from its past events, and the features that are read from it."""


@profile.command("list", cls=RegistryCommand)
@registry_option
@json_option
def list_profiles(address: str, as_json: bool) -> None:
    """List every profile."""
    snapshot = Registry.open(address).latest()
    documents = list(snapshot.profiles.values())
    if as_json:
        print_json([_summary_json(document, snapshot.profile_digests[document.profile]) for document in documents])
        return
    rows = [(d.profile, ", ".join(d.events), len(d.features), d.description) for d in documents]
    print_table(("profile", "events", "features", "description"), rows)


@profile.command(cls=RegistryCommand, short_help="Print a packaged profile as YAML.")
@click.argument("name", required=False, metavar="[NAME]")
@json_option
def example(name: str | None, as_json: bool) -> None:
    """Print the packaged profile NAME as YAML, to be changed and applied; without NAME, list the packaged profiles."""
    print_packaged(
        "profile",
        packaged_profiles(),
        lambda text, source: read_profile(text, source=source),
        name=name,
        as_json=as_json,
    )


@profile.command(cls=RegistryCommand, short_help="Print a profile as YAML that can be applied.")
@profile_argument
@registry_option
@json_option
def get(name: str, address: str, as_json: bool) -> None:
    """Print a profile as YAML that can be applied; with --json as it is stored, with the digest of each feature."""
    snapshot = Registry.open(address).latest()
    document = snapshot.state.profiles.require(name)
    if as_json:
        stored = {"digest": snapshot.profile_digests[name], "document": document.model_dump(mode="json")}
        print_json({**stored, "features": feature_digests(document)})
    else:
        click.echo(write_profile(document), nl=False)


@profile.command(cls=RegistryCommand, short_help="Show what applying FILE would change.")
@file_argument
@registry_option
@json_option
def plan(file: BinaryIO, address: str, as_json: bool) -> None:
    """Show what applying FILE (- for standard input) would change, and which features would get other values."""
    _print_plan(Registry.open(address).plan_profile(_read(file)), as_json=as_json)


@profile.command(cls=RegistryCommand, short_help="Create or change a profile as FILE says.")
@file_argument
@registry_option
@json_option
@writing_options
def apply(
    file: BinaryIO, address: str, as_json: bool, author: str, message: str, if_match: str | None, dry_run: bool
) -> None:
    """Create or change a profile as FILE (- for standard input) says."""
    registry, definition = Registry.open(address), _read(file)
    if dry_run:
        done = registry.plan_profile(definition, if_match=if_match)
    else:
        done = registry.apply_profile(definition, author=author, message=message, if_match=if_match)
    _print_plan(done, as_json=as_json)


@profile.command(cls=RegistryCommand, short_help="Show who changed a profile, and why.")
@profile_argument
@registry_option
@json_option
@limit_option
def history(name: str, address: str, as_json: bool, limit: int) -> None:
    """Show the newest revisions that changed PROFILE."""
    print_history_of(Registry.open(address), "profile", name, limit=limit, as_json=as_json)


@profile.command(cls=RegistryCommand, short_help="Remove a profile from the registry.")
@profile_argument
@registry_option
@json_option
@writing_options
def remove(name: str, address: str, as_json: bool, **signed: Any) -> None:
    """Remove the definition of PROFILE; refused while a route uses it."""
    commit = Registry.open(address).commit(RemoveProfile(name), **signed)
    print_commit(commit, as_json=as_json, profile=name)
    if commit.written and not as_json:
        click.echo(f"its entities stay in the store; `scoreline profile clear --profile {name} --yes` removes them")


def _read(file: BinaryIO) -> Profile:
    source, text = read_text(file)
    return read_profile(text, source=source)


def _summary_json(document: Profile, digest: str) -> dict[str, object]:
    return {
        "profile": document.profile,
        "digest": digest,
        "events": list(document.events),
        "features": [feature.name for feature in document.features],
        "description": document.description,
    }


def _print_plan(plan: ProfilePlan, *, as_json: bool) -> None:
    if as_json:
        print_json(_plan_json(plan))
        return
    for difference in plan.differences or ("nothing differs",):
        click.echo(f"{plan.profile}: {difference}")
    if plan.other_values:
        click.echo(f"features with other values: {', '.join(plan.other_values)}")
    if plan.routes:
        click.echo(f"routes that use it: {', '.join(plan.routes)}")
    click.echo("nothing is written" if plan.revision is None else f"revision {plan.revision}")


def _plan_json(plan: ProfilePlan) -> dict[str, object]:
    return {
        "profile": plan.profile,
        "revision": plan.revision,
        "etag": plan.etag,
        "changes_anything": plan.changes_anything,
        "differences": list(plan.differences),
        "other_values": list(plan.other_values),
        "routes": list(plan.routes),
        "document": plan.after.model_dump(mode="json"),
    }
