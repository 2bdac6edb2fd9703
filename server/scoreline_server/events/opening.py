"""Opens the profiles of a server as its settings say."""

from scoreline_registry.registry import Registry
from scoreline_server.errors import ProfileStoreError, StartError
from scoreline_server.events.definitions import Definitions
from scoreline_server.events.live import LiveProfiles
from scoreline_server.events.recording import Counting
from scoreline_server.journal.writing.opening import journal_folder
from scoreline_server.profile_stores.opening import open_store
from scoreline_server.settings import Settings


def open_profiles(settings: Settings, registry: Registry, *, counting: Counting) -> LiveProfiles | None:
    """The profiles of a registry with the store of the settings; None where it is off.

    Nothing is connected or created before the first event. Raises StartError for a setting that names no store.
    """
    try:
        store = open_store(settings.profile_store, journal_folder(settings.journal_dir, settings.registry))
    except ProfileStoreError as error:
        raise StartError(str(error)) from error
    return None if store is None else LiveProfiles(Definitions(registry), store, counting=counting)


def remaining_data(settings: Settings) -> list[str]:
    """Where a server keeps data of an entity whose profile is forgotten, one sentence each."""
    folder = journal_folder(settings.journal_dir, settings.registry)
    if folder is None:
        return []
    inputs, outcomes = settings.journal_keep_days, settings.outcome_keep_days
    return [
        f"The journal in {folder} keeps the inputs and scores of its rows {_duration(inputs)}.",
        f"Outcomes by its id are kept beside it {_duration(outcomes)}.",
    ]


def _duration(days: float) -> str:
    return f"for {days:,.10g} days" if days else "for ever"
