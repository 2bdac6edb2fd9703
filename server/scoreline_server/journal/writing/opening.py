"""Opens a worker's journal as its settings say."""

import os
import socket
from importlib.metadata import version
from pathlib import Path

import structlog

from scoreline.version import __version__
from scoreline_registry.storage import local_folder
from scoreline_server.journal.format.facts import FileFacts
from scoreline_server.journal.format.privacy import read_hasher
from scoreline_server.journal.writing.retention import Retention
from scoreline_server.journal.writing.series import JournalOptions
from scoreline_server.journal.writing.writer import Counting, Journal
from scoreline_server.settings import OFF, Settings

_log = structlog.get_logger()

AUTO = "auto"
_DAY_SECONDS = 86400.0


def journal_folder(journal_dir: str, registry: str) -> Path | None:
    """The journal's folder; None where it is off, or ``auto`` and the registry is not a folder."""
    if journal_dir in OFF:
        return None
    if journal_dir != AUTO:
        return Path(journal_dir)
    folder = local_folder(registry)
    return None if folder is None else folder.absolute().with_name(f"{folder.absolute().name}-journal")


def open_journal(settings: Settings, *, worker: int, counting: Counting) -> Journal | None:
    """The journal of one worker, or None where it is off. Raises StartError for a key that cannot be one."""
    folder = journal_folder(settings.journal_dir, settings.registry)
    if folder is None:
        if settings.journal_dir == AUTO:
            _log.warning("nothing is journaled: set journal_dir", registry=settings.registry)
        return None
    hasher = read_hasher(settings.journal_hmac_key_file)
    options = JournalOptions(
        folder=folder,
        fsync_seconds=settings.journal_fsync_seconds,
        rotate_bytes=settings.journal_rotate_bytes,
        rotate_seconds=settings.journal_rotate_seconds,
        retention=Retention(settings.journal_keep_days * _DAY_SECONDS, settings.journal_keep_bytes),
        queue_bytes=settings.journal_queue_bytes,
        hasher=hasher,
    )
    facts = writer_facts(worker, hmac_key=hasher.fingerprint if hasher else "")
    return Journal(options, facts, counting=counting)


def writer_facts(worker: int, *, hmac_key: str = "") -> FileFacts:
    """The facts of a file that this process writes as a worker of that number."""
    return FileFacts(
        worker=worker,
        host=socket.gethostname(),
        pid=os.getpid(),
        started=0,
        scoreline=__version__,
        onnxruntime=version("onnxruntime"),
        hmac_key=hmac_key,
        timed_ids=True,
    )
