"""Callers that never rest, and an observer that reads the metrics all the while."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
from prometheus_client.parser import text_string_to_metric_families

import scoreline
from scoreline.v1 import scoring_pb2 as pb
from scoreline.v1 import scoring_pb2_grpc as rpc
from tests.serving import Running
from tests.waiting import wait_until

_Sample = tuple[str, tuple[tuple[str, str], ...]]


@dataclass
class Caller:
    """Scores in a loop on connections of its own; started = answered + failed."""

    address: str
    started: int = 0
    answered: int = 0
    versions: set[int] = field(default_factory=set)
    failures: list[scoreline.ScorelineError] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        with scoreline.Client(self.address, connections=2, timeout_seconds=60) as client:
            while not stop.is_set():
                self.started += 1
                try:
                    score = client.score("credit", {"income": 1.0}, entity_id=f"unit-{self.started}")
                    self.answered += 1
                    self.versions.add(score.version)
                except scoreline.ScorelineError as error:
                    self.failures.append(error)


@contextmanager
def load(address: str, callers: int = 3) -> Iterator[list[Caller]]:
    """Callers that score while the block runs, and have all ended after it."""
    crowd, stop = [Caller(address) for _ in range(callers)], threading.Event()
    threads = [threading.Thread(target=caller.run, args=(stop,)) for caller in crowd]
    for thread in threads:
        thread.start()
    try:
        yield crowd
    finally:
        stop.set()
        for thread in threads:
            thread.join(120)


def wait_for_calls(crowd: list[Caller], more: int) -> None:
    """Waits until that many more calls have been answered."""
    goal = sum(caller.answered for caller in crowd) + more
    wait_until(
        lambda: sum(caller.answered for caller in crowd) >= goal,
        why=lambda: [caller.failures[-1:] for caller in crowd],
    )


def totals(page: str) -> Mapping[_Sample, float]:
    """Every sample that may only grow, by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        if family.type in {"counter", "histogram"}
        for sample in family.samples
    }


def total(page: str, name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


@contextmanager
def scraped(server: Running) -> Iterator[list[str]]:
    """Scrapes all the while and gives what fell or was lost; empty when all totals only grew."""
    fallen: list[str] = []
    stop = threading.Event()

    def scrape() -> None:
        before: Mapping[_Sample, float] = {}
        while not stop.is_set():
            code, page = server.page("/metrics")
            if code != 200:
                fallen.append(page)
            now = totals(page)
            fallen.extend(
                f"{key}: {value} -> {now.get(key)}" for key, value in before.items() if now.get(key, -1) < value
            )
            before = now
            stop.wait(0.03)

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield fallen
    finally:
        stop.set()
        thread.join(120)


def raw_outcomes(address: str, request: pb.ScoreRequest, stop: threading.Event) -> list[grpc.StatusCode]:
    """Scores without retries until a call fails or ``stop`` is set; what each call came to."""
    outcomes: list[grpc.StatusCode] = []
    with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        stub = rpc.ScoringServiceStub(channel)
        while not stop.is_set() and set(outcomes) <= {grpc.StatusCode.OK}:
            outcomes.append(stub.Score.future(request, timeout=60).code())
    return outcomes
