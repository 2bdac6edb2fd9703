"""Forgets the entities that are asked for in the files of a journal's folder.

First the prediction ids of their rows are found in all files and written into the requests, then each file is written
anew without them, and the requests go last. A process that is killed in between leaves requests with which the next one
goes on. Files that a process is writing stay, and so do the requests, until those are closed.
"""

import contextlib
import fcntl
import mmap
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import structlog

from scoreline_server.forgetting.pieces import Piece, pieces
from scoreline_server.forgetting.requests import FOLDER, Request, ask, pending
from scoreline_server.forgetting.wanted import Key, Wanted
from scoreline_server.journal.reading.reader import journal_files
from scoreline_server.journal.writing.rewriting import is_free, rewrite, sweep
from scoreline_server.outcomes.reader import outcome_files

_log = structlog.get_logger()

# A row is in the journal's file some 20 ms after its answer.
_SETTLING_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was removed from a folder.

    Attributes:
        rows, shadows, outcomes: how many journaled rows, scores of shadows and outcomes.
        damaged: how many damaged blocks, which name an entity.
        files: the files that were written anew.
        waiting: the files that still have something, because a process is writing them.
    """

    rows: int = 0
    shadows: int = 0
    outcomes: int = 0
    damaged: int = 0
    files: Sequence[Path] = field(default=())
    waiting: Sequence[Path] = field(default=())

    def __add__(self, other: "Forgotten") -> "Forgotten":
        return Forgotten(
            self.rows + other.rows,
            self.shadows + other.shadows,
            self.outcomes + other.outcomes,
            self.damaged + other.damaged,
            (*self.files, *other.files),
            (*self.waiting, *other.waiting),
        )


def forget(folder: Path, entity: str) -> Forgotten:
    """Forgets an entity in a journal's folder, and others that are asked for there. Raises OSError."""
    return (forget_pending(folder) if ask(folder, entity) else None) or Forgotten()


def forget_pending(
    folder: Path, *, waits: bool = True, settling_seconds: float = _SETTLING_SECONDS
) -> Forgotten | None:
    """Forgets what is asked for in a folder. Raises OSError.

    One process does so at a time: without ``waits``, None where another one is at it. It begins ``settling_seconds``
    after the last request, when what was scored before it is in the files.
    """
    with _alone(folder, waits=waits) as is_alone:
        requests = pending(folder) if is_alone else []
        if not requests:
            return Forgotten() if is_alone else None
        newest = max(request.asked_at for request in requests)
        time.sleep(max(0.0, min(settling_seconds, newest / 1e9 + settling_seconds - time.time())))
        sweep(folder)
        done = _forget(folder, requests)
        if not done.waiting:
            for request in requests:
                request.drop()
        return done


@contextlib.contextmanager
def _alone(folder: Path, *, waits: bool) -> Iterator[bool]:
    """Holds the lock on a folder's requests; False where another process has it, or there are none."""
    try:
        descriptor = os.open(folder / FOLDER, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)


def _forget(folder: Path, requests: Sequence[Request]) -> Forgotten:
    entities: dict[str, int] = {}
    for request in requests:
        entities[request.entity] = max(request.asked_at, entities.get(request.entity, 0))
    found = _predictions(folder, Wanted(entities))
    kept = [request.adding(found[request.entity]) for request in requests]
    wanted = Wanted(entities, frozenset[Key]().union(*(request.predictions for request in kept)))
    done = Forgotten()
    for path in [*outcome_files([folder]), *journal_files([folder])]:
        with contextlib.suppress(FileNotFoundError):  # retention removed it meanwhile
            done += _forget_in(path, wanted)
    return done


def _predictions(folder: Path, wanted: Wanted) -> dict[str, set[Key]]:
    """The rows of the entities in all files of a journal, by entity."""
    found = defaultdict[str, set[Key]](set)
    for path in journal_files([folder]):
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            if _names(file, wanted):
                for piece in pieces(file, wanted):
                    for entity, keys in piece.predictions.items():
                        found[entity].update(keys)
    return found


def _forget_in(path: Path, wanted: Wanted) -> Forgotten:
    """Writes a file anew where it has something that is forgotten and no process writes it."""
    with path.open("rb") as file:
        if not wanted.predictions and not _names(file, wanted):
            return Forgotten()
        is_closed = is_free(file, path)
        found = _counted(pieces(file, wanted))
        if not found:
            return Forgotten()
        if not is_closed:
            return Forgotten(waiting=(path,))
        status = os.fstat(file.fileno())
        rewrite(path, (piece.data for piece in pieces(file, wanted)), modified=status.st_mtime_ns)
    changed = Forgotten(
        rows=sum(piece.rows for piece in found),
        shadows=sum(piece.shadows for piece in found),
        outcomes=sum(piece.outcomes for piece in found),
        damaged=sum(piece.damaged for piece in found),
        files=(path,),
    )
    _log.info("entity forgotten in a file", path=str(path), rows=changed.rows, outcomes=changed.outcomes)
    return changed


def _counted(found: Iterator[Piece]) -> list[Piece]:
    """The pieces that are changed, without their bytes."""
    return [
        Piece(b"", rows=each.rows, shadows=each.shadows, outcomes=each.outcomes, damaged=each.damaged)
        for each in found
        if each.is_changed
    ]


def _names(file: BinaryIO, wanted: Wanted) -> bool:
    """Whether a file may name an entity; most do not, and are not parsed."""
    if not os.fstat(file.fileno()).st_size:
        return False
    with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
        return any(data.find(needle) >= 0 for needle in wanted.needles)
