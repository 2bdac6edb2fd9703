"""The commands of ``scoreline events``, and those of ``scoreline profile`` that read or remove what is stored."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

import click

from scoreline.cli.lazy import SharedGroup
from scoreline.cli.output import counting, print_json, print_table
from scoreline_registry.profiles.events import EventError
from scoreline_server.events.inspection import newest_event, profile_digest
from scoreline_server.events.live import EntityReading
from scoreline_server.events.options import (
    EventFile,
    json_option,
    microseconds,
    opened,
    place_options,
    profile_option,
    table_options,
)
from scoreline_server.forgetting.commands import LIMITS_REMOVED, as_document, forget_counts, forget_in, summary
from scoreline_server.journal.format.times import time_text
from scoreline_server.profile_stores.store import Receipt

SHOWN = 10
"""The most refused rows that are printed."""

file_argument = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group(cls=SharedGroup)
def events() -> None:
    """Record the events that profiles are made of."""


@events.command("import")
@file_argument
@profile_option
@table_options
@place_options
@json_option
def import_(
    file: Path, name: str, event_type: str, columns: dict[str, str], fields: dict[str, str],
    registry: str, store: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Record the events of FILE, Parquet, CSV or JSON Lines, in the order of its rows.

    Its columns are entity_id, id, time, type, and one for each field. Rows without an id get one that is made of their
    content, so equal rows are one event. Importing a file again changes nothing. Wrong rows fail alone, and the exit
    code is then 1. Rows that are older than the profile's lateness allows are counted and left out: `profile
    backfill` takes a log in any order.
    """
    results: Counter[str] = Counter()
    refused: list[tuple[int, str]] = []
    source = EventFile(file, event_type, columns, fields)
    with opened(registry=registry, store=store) as place, counting("Recording", "events") as count:
        profile = place.profiles.definitions.require(name)
        seen = 0
        for part in source.rows(profile):
            for row, result in enumerate(place.profiles.record(profile, part), seen + 1):
                if isinstance(result, EventError):
                    results["refused"] += 1
                    refused += [(row, str(result))] if len(refused) < SHOWN else []
                else:
                    results[Receipt(result).name.lower()] += 1
            seen += len(part)
            count(len(part))
    counts = {each: results[each] for each in ("kept", "repeated", "late", "refused")}
    if as_json:
        print_json({**counts, "errors": [{"row": row, "message": text} for row, text in refused]})
    else:
        show_refused(refused, results["refused"])
        click.echo(", ".join(f"{count:,} {result}" for result, count in counts.items()))
    if results["refused"]:
        raise SystemExit(1)


@click.command()
@click.argument("entity")
@profile_option
@click.option("--at", callback=microseconds, metavar="TIME", help="Features as of this time.  [default: now]")
@place_options
@json_option
def show(entity: str, name: str, at: int | None, registry: str, store: str | None, as_json: bool) -> None:
    """Print the features of ENTITY, as of now or a time."""
    with opened(registry=registry, store=store) as place:
        profiles = place.profiles
        found = profiles.read(profiles.definitions.require(name), entity, at=profiles.now() if at is None else at)
    if as_json:
        print_json(_as_json(entity, found))
    else:
        _show(entity, found)


@click.command()
@click.argument("entity")
@click.option("--profile", "name", help="Forget it in this profile only, and not in the journal or limits.")
@click.option("--journal", "folders", multiple=True, metavar="FOLDER",
              type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="Journal to forget it in; may be repeated.  [default: the registry's]")  # fmt: skip
@place_options
@json_option
def forget(
    entity: str, name: str | None, folders: tuple[Path, ...], registry: str, store: str | None, as_json: bool
) -> None:
    """Remove all that profiles, the journal and limits have of ENTITY, and say what else keeps data of it.

    A file of the journal that a server is writing follows once it is closed, which the server does within seconds.
    """
    if name and folders:
        raise click.UsageError("--profile leaves the journal as it is: give it without --journal")
    with opened(registry=registry, store=store) as place:
        definitions = place.profiles.definitions
        names = [definitions.require(name).name] if name else definitions.names()
        removed = place.profiles.forget(names, entity)
    journaled, left = (None, place.remaining) if name else forget_in(folders or place.folders, entity)
    is_limited = not name and forget_counts(folders or place.folders, entity)
    if as_json:
        journal = None if journaled is None else as_document(journaled)
        answer = {"profiles": removed, "journal": journal, "limits": is_limited, "remaining": left}
        print_json({"entity_id": entity, **answer})
        return
    click.echo(f"{entity}: removed from {', '.join(removed)}" if removed else f"{entity}: no profile has it")
    if journaled is not None:
        click.echo(summary(entity, journaled))
    if is_limited:
        click.echo(LIMITS_REMOVED.format(entity))
    for sentence in left:
        click.echo(sentence)


@click.command()
@profile_option
@click.option("--yes", "is_meant", is_flag=True, help="Remove them; without it the command only counts them.")
@place_options
@json_option
def clear(name: str, is_meant: bool, registry: str, store: str | None, as_json: bool) -> None:
    """Remove all entities of a profile, also of one that is no longer in the registry."""
    with opened(registry=registry, store=store) as place:
        entities = place.profiles.store.stats(name).entities
        if is_meant:
            place.profiles.store.clear(name)
    if as_json:
        print_json({"profile": name, "entities": entities, "removed": is_meant})
    elif is_meant:
        click.echo(f"{name}: {entities:,} entities removed")
    else:
        click.echo(f"{name}: {entities:,} entities would be removed; add --yes")


@click.command()
@click.option("--profile", "name", help="This profile only.")
@click.option("--digest", "with_digest", is_flag=True, help="Add a digest of the features of all entities.")
@place_options
@json_option
def stats(name: str | None, with_digest: bool, registry: str, store: str | None, as_json: bool) -> None:
    """Count the entities and events that are stored.

    The digest is that of all features as of just after the newest event. It is equal for any two stores that have the
    same events, in whatever order they came.
    """
    with opened(registry=registry, store=store) as place, counting("Reading", "entities") as count:
        definitions = place.profiles.definitions
        rows = []
        for each in [name] if name else definitions.names():
            profile = definitions.require(each)
            found = place.profiles.store.stats(each)
            row: dict[str, Any] = {"profile": each, "entities": found.entities, "pending": found.pending,
                                   "bytes": found.bytes, "late": found.late, "repeated": found.repeated}  # fmt: skip
            if with_digest:
                newest = newest_event(place.profiles.store, each)
                at = 0 if newest is None else newest + 1
                row["newest_event"] = None if newest is None else time_text(newest * 1000)
                row["digest"] = profile_digest(place.profiles.store, profile, at=at, on_entities=count)
            rows.append(row)
    if as_json:
        print_json({"profiles": rows})
    elif rows:
        print_table([key.replace("_", " ") for key in rows[0]], [list(row.values()) for row in rows])


def show_refused(refused: list[tuple[int, str]], count: int) -> None:
    """Prints the first refused rows, and how many more there are."""
    for row, text in refused:
        click.echo(f"row {row}: {text}", err=True)
    if count > len(refused):
        click.echo(f"... and {count - len(refused):,} more", err=True)


def _as_json(entity: str, found: EntityReading) -> dict[str, Any]:
    reading, stored = found.reading, found.stored
    return {
        "entity_id": entity,
        "time": time_text(found.at * 1000),
        "is_new": reading.is_new,
        "features": {**reading.numbers, **reading.categories},
        "sequences": {name: list(steps) for name, steps in reading.sequences.items()},
        "neighbors": {name: list(entities) for name, entities in reading.neighbors.items()},
        "newest_event": time_text(stored.newest * 1000) if stored.newest else None,
        "pending": len(stored.pending),
    }


def _show(entity: str, found: EntityReading) -> None:
    reading, stored = found.reading, found.stored
    newest = f", newest {time_text(stored.newest * 1000)}" if stored.newest else ""
    count = len(stored.pending)
    what = "no events" if reading.is_new else f"{count:,} event{'' if count == 1 else 's'} pending"
    click.echo(f"{entity} as of {time_text(found.at * 1000)}: {what}{newest}")
    numbers = {name: None if math.isnan(number) else number for name, number in reading.numbers.items()}
    rows: list[tuple[str, object]] = [*numbers.items(), *reading.categories.items()]
    rows += [(name, f"{len(steps)} steps") for name, steps in reading.sequences.items()]
    rows += [(name, ", ".join(entities)) for name, entities in reading.neighbors.items()]
    print_table(("feature", "value"), rows)
