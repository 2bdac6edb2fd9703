"""Servers that answer: Scoreline as users start it, and how to know that a server is up and right."""

import shutil
import struct
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import grpc
from prometheus_client.parser import text_string_to_metric_families

import scoreline
from scoreline.encoding.entities import Entity
from scoreline.encoding.packing import pack_entities
from scoreline.schema import RouteSchema
from scoreline.v1 import scoring_pb2 as pb
from scoreline_server.rpc.methods import SCORE
from tests.benchmarks.load import Target
from tests.benchmarks.models import ROUTE
from tests.benchmarks.processes import Program, free_port, program
from tests.benchmarks.trained import history, numbers

ENTITY = "c-17"

_START_SECONDS = 120.0


class StartError(Exception):
    """A server did not come up, or what it needs is missing; says what to do."""


@dataclass(frozen=True)
class Running:
    """A server that answers. One that does not bear to be held still while others are measured is not ``pausable``."""

    target: Target
    program: Program
    ops: str = ""
    pausable: bool = True

    def rest(self) -> None:
        """Holds it still."""
        if self.pausable:
            self.program.rest()

    def wake(self) -> None:
        """Lets it go on."""
        if self.pausable:
            self.program.wake()

    def counted(self, metric: str) -> float:
        """The sum of a metric of one of our own servers over all its labels."""
        with urllib.request.urlopen(f"http://{self.ops}/metrics", timeout=10) as page:
            families = list(text_string_to_metric_families(page.read().decode()))
        return sum(sample.value for family in families for sample in family.samples if sample.name == metric)


@dataclass(frozen=True)
class Scoreline:
    """Our own server, as users start it."""

    registry: Path
    route: str = ROUTE
    workers: int = 1
    settings: tuple[tuple[str, str], ...] = ()

    @contextmanager
    def running(self, folder: Path) -> Iterator[Running]:
        """Serves until the block ends; journals into ``folder``."""
        journal = Path(folder) / f"journal-{free_port()}"
        env = {"SCORELINE_JOURNAL_DIR": str(journal), **{f"SCORELINE_{k.upper()}": v for k, v in self.settings}}
        with started(self.registry, folder / "scoreline.log", workers=self.workers, env=env) as server:
            address, process, ops = server
            target = Target(address, SCORE, score_body(address, self.route))
            yield Running(answering(target, process), process, ops)
        shutil.rmtree(journal, ignore_errors=True)


@contextmanager
def started(
    registry: Path, log: Path, *, workers: int = 1, env: Mapping[str, str] | None = None
) -> Iterator[tuple[str, Program, str]]:
    """``scoreline serve`` in processes of its own; gives the address that it printed, and that of its ops port."""
    ops = f"127.0.0.1:{free_port()}"
    command = [
        sys.executable, "-m", "scoreline", "serve", "--registry", registry, "--listen", "127.0.0.1:0",
        "--ops-listen", ops, "--workers", workers, "--log-level", "warning",
    ]  # fmt: skip
    with program([str(part) for part in command], log=log, env=env) as process:
        address = process.line()
        if not address:
            raise StartError(f"scoreline serve ended at once: {log.read_text()[-1000:]}")
        yield address, process, ops


def score_body(address: str, route: str) -> bytes:
    """A ScoreRequest for one entity in the packed form, as our client builds it."""
    with scoreline.Client(address, timeout_seconds=30) as client:
        schema = client.schema(route)
    packed = pack_entities([_entity(schema)], schema).message(0, 1)
    return pb.ScoreRequest(route=route, packed=packed).SerializeToString()


def _entity(schema: RouteSchema) -> Entity:
    features = dict(zip(schema.numbers, numbers(), strict=False))
    return Entity(entity_id=ENTITY, features=features, sequence=history() if schema.sequence else None)


def answering(target: Target, process: Program, *, expected: float | None = None) -> Target:
    """Waits until calls are answered, by the ``expected`` score where there is one.

    Raises StartError.
    """
    deadline = time.monotonic() + _START_SECONDS
    with grpc.insecure_channel(target.address) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(target.path)
        while True:
            try:
                answer = call(target.body, timeout=5)
                break
            except grpc.RpcError as error:
                if process.ended() or time.monotonic() > deadline:
                    raise StartError(f"{error}: {process.log.read_text()[-1000:]}") from error
                time.sleep(0.1)
    if expected is not None and not _holds(answer, expected):
        raise StartError(f"the answer does not hold the score {expected}: {answer!r}")
    return replace(target, answer_bytes=len(answer))


def _holds(answer: bytes, expected: float) -> bool:
    """Whether a serialized answer has that float32 in it somewhere, whatever its protocol."""
    found = (struct.unpack_from("<f", answer, at)[0] for at in range(len(answer) - 3))
    return any(abs(number - expected) < 1e-6 for number in found)
