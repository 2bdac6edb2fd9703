"""Opens what keeps a worker's outcomes as its settings say."""

from scoreline_server.journal.writing.opening import journal_folder, writer_facts
from scoreline_server.outcomes.keeper import OutcomeKeeper
from scoreline_server.outcomes.log import OutcomeLog
from scoreline_server.settings import Settings

_DAY_SECONDS = 86400.0


def open_outcomes(settings: Settings, *, worker: int) -> OutcomeKeeper | None:
    """Keeps the outcomes of one worker in the journal's folder; None where the journal is off."""
    folder = journal_folder(settings.journal_dir, settings.registry)
    if folder is None:
        return None
    log = OutcomeLog(folder, writer_facts(worker), keep_seconds=settings.outcome_keep_days * _DAY_SECONDS)
    return OutcomeKeeper(log, folder)
