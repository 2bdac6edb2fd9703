"""What the tests of the journal share: scored rows without a wire, and disks that misbehave."""

import errno
import threading
import time
from pathlib import Path

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.registry import Registry
from scoreline_server.journal.format.facts import FileFacts
from scoreline_server.journal.format.privacy import Hasher
from scoreline_server.journal.writing.file import Disk
from scoreline_server.journal.writing.retention import Retention
from scoreline_server.journal.writing.series import JournalOptions
from scoreline_server.journal.writing.writer import Journal
from scoreline_server.loading.watcher import Watcher
from scoreline_server.metrics.recorder import Metrics
from scoreline_server.scoring import engine
from scoreline_server.scoring.catalog import Catalog
from scoreline_server.scoring.decoding import decode_request
from scoreline_server.scoring.results import ScoredBatch

FACTS = FileFacts(worker=3, host="here", pid=7, started=0, scoreline="1", onnxruntime="2", timed_ids=True)


def catalog_of(registry: Registry) -> Catalog:
    """What a server of the registry would serve."""
    watcher = Watcher(registry, poll_seconds=1)
    watcher.refresh()
    return watcher.catalog


def scored(catalog: Catalog, *requests: pb.ScoreRequest) -> tuple[list[pb.ScoreResponse], list[ScoredBatch]]:
    """The answers to requests that are scored together, and what observers see of them."""
    seen: list[ScoredBatch] = []
    decoded = [decode_request(request, catalog.route(request.route)) for request in requests]
    for request in decoded:
        request.arrived = time.perf_counter() - 0.001
    responses = engine.score(decoded, seen.append)
    return [pb.ScoreResponse.FromString(response) for response in responses if isinstance(response, bytes)], seen


def journal_in(
    folder: Path,
    *,
    facts: FileFacts = FACTS,
    metrics: Metrics | None = None,
    disk: Disk | None = None,
    hasher: Hasher | None = None,
    rotate_bytes: int = 1 << 30,
    rotate_seconds: float = 3600,
    queue_bytes: int = 1 << 26,
    retention: Retention = Retention(0, 0),  # noqa: B008 - frozen
) -> Journal:
    """A journal that has begun; close it."""
    options = JournalOptions(
        folder=folder,
        fsync_seconds=0.05,
        rotate_bytes=rotate_bytes,
        rotate_seconds=rotate_seconds,
        retention=retention,
        queue_bytes=queue_bytes,
        hasher=hasher,
    )
    journal = Journal(options, facts, counting=metrics or Metrics(), disk=disk or Disk())
    journal.start()
    return journal


class TightDisk(Disk):
    """A disk with so many bytes left; what does not fit is written in part and then refused."""

    def __init__(self, left: int) -> None:
        self.left = left

    def write(self, descriptor: int, data: memoryview) -> int:
        """Writes what fits."""
        if not self.left:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = super().write(descriptor, data[: self.left])
        self.left -= written
        return written


class SlowDisk(Disk):
    """A disk that takes nothing until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def write(self, descriptor: int, data: memoryview) -> int:
        """Waits, then writes."""
        self.go.wait(30)
        return super().write(descriptor, data)


class BrokenDisk(Disk):
    """A disk that cannot sync while ``is_broken``."""

    is_broken = True

    def sync(self, descriptor: int) -> None:
        """Refuses."""
        if self.is_broken:
            raise OSError(errno.EIO, "Input/output error")
        super().sync(descriptor)
