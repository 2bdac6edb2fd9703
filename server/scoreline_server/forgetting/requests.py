"""The entities that are still to be forgotten: a small file of each in the journal's folder, until it is done."""

import contextlib
import json
import os
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import structlog

from scoreline_server.forgetting.wanted import Key, split_keys
from scoreline_server.journal.writing.rewriting import private, sync_names

FOLDER = "forgetting"
"""The name of the folder of requests within the journal's folder."""

_SUFFIX = ".json"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Request:
    """An entity whose rows and outcomes of up to ``asked_at``, in ns since 1970, are to be forgotten.

    ``predictions`` are the rows of it that were found so far: their outcomes and shadows are found by them, also after
    the rows are gone.
    """

    path: Path
    entity: str
    asked_at: int
    predictions: frozenset[Key] = frozenset()

    def keep(self) -> Self:
        """Writes it, durably. Raises OSError."""
        content = {
            "entity_id": self.entity,
            "asked_at": self.asked_at,
            "predictions": b"".join(sorted(self.predictions)).hex(),
        }
        aside = self.path.with_name(self.path.name + ".new")
        with open(aside, "w", encoding="utf-8", opener=private) as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self.path)
        sync_names(self.path.parent)
        return self

    def adding(self, predictions: Iterable[Key]) -> Self:
        """The same with more rows, written where they are new. Raises OSError."""
        found = self.predictions.union(predictions)
        return self if found == self.predictions else replace(self, predictions=found).keep()

    def drop(self) -> None:
        """Removes it, once it is done. Raises OSError."""
        self.path.unlink(missing_ok=True)
        sync_names(self.path.parent)


def ask(folder: Path, entity: str) -> Request | None:
    """Asks for an entity to be forgotten in a journal's folder, durably; None where there is no such folder.

    Raises OSError.
    """
    if not folder.is_dir():
        return None
    requests = folder / FOLDER
    with contextlib.suppress(FileExistsError):
        requests.mkdir(mode=0o700)
        sync_names(folder)
    now = time.time_ns()
    return Request(requests / f"{now}-{secrets.token_hex(4)}{_SUFFIX}", entity, now).keep()


def request_files(folder: Path) -> list[Path]:
    """The files of the requests of a journal's folder, the oldest first."""
    return sorted((folder / FOLDER).glob(f"*{_SUFFIX}"))


def pending(folder: Path) -> list[Request]:
    """The requests of a journal's folder. A file that is none is passed over with a warning. Raises OSError."""
    found = []
    for path in request_files(folder):
        with contextlib.suppress(FileNotFoundError):  # done meanwhile
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
                keys = frozenset(split_keys(bytes.fromhex(content["predictions"])))
                found.append(Request(path, str(content["entity_id"]), int(content["asked_at"]), keys))
            except (KeyError, TypeError, ValueError) as error:
                _log.warning("unreadable request to forget an entity", path=str(path), error=repr(error))
    return found
