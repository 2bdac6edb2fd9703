"""Options of the commands that work on profiles without a server, and the profiles that they open."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from scoreline.errors import InvalidRequestError
from scoreline_registry.errors import RegistryError
from scoreline_registry.registry import Registry
from scoreline_server.errors import CallError, ProfileStoreError, StartError
from scoreline_server.events.event_tables import PARTS, Rows, table_events
from scoreline_server.events.live import LiveProfiles
from scoreline_server.events.opening import open_profiles, remaining_data
from scoreline_server.events.recording import Counting
from scoreline_server.journal.writing.opening import journal_folder
from scoreline_server.settings import read_settings
from scoreline_server.table_files import time_of

_F = TypeVar("_F", bound=Callable[..., Any])

profile_option = click.option("--profile", "name", required=True, help="The profile's name.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def place_options(command: _F) -> _F:
    """Adds --registry and --store, which arrive as keywords for ``opened``."""
    options = (
        click.option("--registry", envvar="SCORELINE_REGISTRY", default="./registry", show_default=True,
                     show_envvar=True, help="Folder or URI of the registry."),
        click.option("--store", help="Store of profiles.  [default: the setting profile_store]"),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def table_options(command: _F) -> _F:
    """Adds the options that say how a file has events, which arrive as keywords for ``EventFile``."""
    options = (
        click.option("--type", "event_type", default="", help="Event type of all rows, in place of a column."),
        click.option("--column", "columns", callback=_parts, multiple=True, metavar="PART=COLUMN",
                     help="Column of entity_id, id, time or type where it is called otherwise; may be repeated."),
        click.option("--field", "fields", callback=pairs, multiple=True, metavar="FIELD=COLUMN",
                     help="Column of an event's field where it is called otherwise; may be repeated."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


class Place(NamedTuple):
    """The profiles of a registry and its store, where else data of entities is kept, and the folder of the journal."""

    profiles: LiveProfiles
    remaining: Sequence[str]
    folders: Sequence[Path]


class Tally:
    """The counts of recorded events, which commands print from the results instead."""

    def events_recorded(
        self, profile: str, *, kept: int, repeated: int, late: int, refused: int, ages: Sequence[float]
    ) -> None:
        """Keeps nothing."""

    def events_folded_early(self, profile: str, count: int) -> None:
        """Keeps nothing."""

    def events_failed(self, profile: str) -> None:
        """Keeps nothing."""


@contextmanager
def opened(*, registry: str, store: str | None, counting: Counting | None = None) -> Iterator[Place]:
    """The profiles of a registry with their store, as a server of it would open them.

    What goes wrong in the block becomes a failure in one line.
    """
    try:
        settings = read_settings(registry=registry, profile_store=store)
        profiles = open_profiles(settings, Registry.open(registry), counting=counting or Tally())
        if profiles is None:
            raise click.UsageError("there is no store of profiles: give --store, or set profile_store")
        try:
            folder = journal_folder(settings.journal_dir, settings.registry)
            yield Place(profiles, remaining_data(settings), [folder] if folder else [])
        finally:
            profiles.store.close()
    except (RegistryError, StartError, ProfileStoreError, InvalidRequestError, CallError) as error:
        raise click.ClickException(" ".join(str(error).split())) from error


@dataclass(frozen=True, slots=True)
class EventFile:
    """A file of events, and how its rows have them."""

    path: Path
    event_type: str
    columns: dict[str, str]
    fields: dict[str, str]

    def rows(self, profile: Any) -> Rows:
        """Its events, part by part. Raises InvalidRequestError."""
        return table_events(self.path, profile, columns=self.columns, fields=self.fields, type=self.event_type)


def microseconds(_ctx: click.Context, _param: click.Parameter, text: str | None) -> int | None:
    """A time such as 2026-11-01T12:30:00Z in microseconds since 1970."""
    if text is None:
        return None
    try:
        return time_of("time", text) // 1000
    except InvalidRequestError as error:
        raise click.BadParameter("write a time such as 2026-11-01T12:30:00Z") from error


def pairs(_ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """The columns of NAME=COLUMN texts."""
    found = {}
    for pair in given:
        name, sign, column = pair.partition("=")
        if not sign:
            raise click.BadParameter(f"{pair!r}: write NAME=COLUMN")
        found[name] = column
    return found


def _parts(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    found = pairs(ctx, param, given)
    for name in found:
        if name not in PARTS:
            raise click.BadParameter(f"{name!r} is none of {', '.join(PARTS)}; fields take --field")
    return found
