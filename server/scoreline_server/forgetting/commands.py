"""The command ``scoreline journal forget``, and what commands print of what is forgotten."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from scoreline.cli.output import print_json
from scoreline_server.errors import LimitStoreError, StartError
from scoreline_server.forgetting.folder import Forgotten, forget
from scoreline_server.forgetting.limits import forget_limits
from scoreline_server.forgetting.opening import left_by
from scoreline_server.journal.commands import folders_argument, journal_folders, registry_option
from scoreline_server.settings import read_settings

LIMITS_REMOVED = "{}: removed from the limits of policies"


@click.command("forget")
@click.argument("entity")
@folders_argument
@registry_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def forget_command(entity: str, folders: tuple[Path, ...], registry: str, as_json: bool) -> None:
    """Remove the rows and outcomes of ENTITY, an entity id or the unit of a split, from all FOLDERs.

    What limits of policies count of it is removed too, from the store of the setting limit_store.

    Files are written anew without them, each in the place of the old one. A file that a server is writing follows once
    it is closed, which the server does within seconds.
    """
    places = journal_folders(folders, registry)
    done, left = forget_in(places, entity)
    is_limited = forget_counts(places, entity)
    if as_json:
        print_json({"entity_id": entity, "journal": as_document(done), "limits": is_limited, "remaining": left})
        return
    click.echo(summary(entity, done))
    if is_limited:
        click.echo(LIMITS_REMOVED.format(entity))
    for sentence in left:
        click.echo(sentence)


def forget_in(folders: Sequence[Path], entity: str) -> tuple[Forgotten, list[str]]:
    """Forgets an entity in the journals of some folders; what still holds data of it, one sentence each.

    What goes wrong becomes a failure in one line.
    """
    if not entity:
        raise click.UsageError("ENTITY is empty: name the entity to forget")
    done, left = Forgotten(), dict[str, None]()
    for folder in folders:
        try:
            found = forget(folder, entity)
        except OSError as error:
            raise click.ClickException(f"{folder}: {error}; run the command again, it goes on where it was") from error
        done += found
        left |= dict.fromkeys(left_by(folder, found))
    return done, list(left)


def forget_counts(folders: Sequence[Path], entity: str) -> bool:
    """Forgets what limits count of an entity, in the store that the environment names; whether there was anything.

    What goes wrong becomes a failure in one line.
    """
    try:
        return forget_limits(read_settings().limit_store, folders, entity)
    except (LimitStoreError, StartError) as error:
        raise click.ClickException(f"the limits of policies were not forgotten: {error}") from error


def as_document(done: Forgotten) -> dict[str, Any]:
    """What was forgotten, as JSON."""
    return {
        "rows": done.rows,
        "shadows": done.shadows,
        "outcomes": done.outcomes,
        "damaged_blocks": done.damaged,
        "files": [str(path) for path in done.files],
        "waiting_files": [str(path) for path in done.waiting],
    }


def summary(entity: str, done: Forgotten) -> str:
    """One line about what was forgotten."""
    if not done.files and not done.waiting:
        return f"{entity}: the journal has nothing of it"
    damaged = f", {done.damaged:,} damaged blocks that name it" if done.damaged else ""
    return (
        f"{entity}: removed {done.rows:,} rows, {done.shadows:,} scores of shadows and {done.outcomes:,} outcomes"
        f"{damaged} from {len(done.files):,} files of the journal"
    )
