"""Opens what forgets entities in a server as its settings say, and says in words what is done."""

from pathlib import Path

from scoreline_server.forgetting.background import Forgetting
from scoreline_server.forgetting.folder import Forgotten
from scoreline_server.journal.writing.writer import Journal
from scoreline_server.outcomes.log import OutcomeLog

COPIES = "Journals of other hosts, and copies and exports of this one, keep what they have of it: forget it there too."

_LOG_SECONDS = 5.0


def open_forgetting(folder: Path | None, journal: Journal | None, outcomes: OutcomeLog | None) -> Forgetting | None:
    """Forgets in the journal's folder; None without one."""
    if folder is None:
        return None
    ends = [journal.end_file] if journal else []
    return Forgetting(folder, end_files=[*ends, *([lambda: outcomes.close(_LOG_SECONDS)] if outcomes else [])])


def asked_for(forgetting: Forgetting | None, entity: str) -> list[str]:
    """Has a server forget an entity in its journal; what still holds data of it, one sentence each. Raises OSError."""
    if forgetting is None or not forgetting.ask(entity):
        return []
    first = (
        f"Its rows in the journal in {forgetting.folder} and its outcomes are removed in the background, within seconds"
    )
    return [f"{first}; from a file that another process is writing once that has closed it.", COPIES]


def left_by(folder: Path, done: Forgotten) -> list[str]:
    """What still holds data of an entity that a command has forgotten in a folder, one sentence each."""
    left = [
        f"{path} is being written: the server that writes it closes it and removes the rest within seconds; one of "
        "an earlier release once the next server or forget command finds the file closed."
        for path in done.waiting
    ]
    return left if not folder.is_dir() else [*left, COPIES]
