"""Moving the champion while callers score: nothing is lost, and no answer is older than it may be."""

import threading
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import scoreline
from scoreline_registry.history.changes import SetAlias
from scoreline_registry.registry import Registry
from tests.server.routes import apply
from tests.server.toys import publish_linear, sigmoid
from tests.serving import Serve
from tests.waiting import wait_until

SWAPS = 20


@dataclass
class Caller:
    """Scores in a loop and keeps, per answer, when it was asked and answered and which version gave which score."""

    address: str
    answers: list[tuple[float, float, int, float]] = field(default_factory=list)
    started: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with scoreline.Client(self.address) as client:
            while not self.stop.is_set():
                self.started += 1
                asked = time.monotonic()
                score = client.score("credit", {"income": 1.0}, entity_id=f"unit-{self.started}")
                self.answers.append((asked, time.monotonic(), score.version, score.score))


def has_adopted(observer: scoreline.Client, revision: int) -> bool:
    return observer.status().revision >= revision


def have_seen(callers: list[Caller], version: int, after: int) -> bool:
    """Whether every caller was answered by ``version`` since they all had ``after`` answers."""
    return sum(len(caller.answers) for caller in callers) > after + 4 and all(
        caller.answers[-1][2] == version for caller in callers
    )


def test_twenty_champion_swaps_lose_no_call_and_every_answer_was_champion(tmp_path: Path, serve: Serve) -> None:
    registry = Registry.create(tmp_path / "registry")
    publish_linear(registry, "linear", (1.0, 0.0, 0.0), aliases=("champion",))
    publish_linear(registry, "linear", (2.0, 0.0, 0.0))
    apply(registry)
    address = serve(tmp_path / "registry")
    callers = [Caller(address) for _ in range(2)]
    threads = [threading.Thread(target=caller.run) for caller in callers]
    since = {1: [0.0], 2: []}  # when a version could first be served, per reign
    until: dict[int, list[float]] = {1: [], 2: []}  # when the server surely served it no more
    for thread in threads:
        thread.start()
    with scoreline.Client(address) as observer:
        for swap in range(SWAPS):
            old, new = (1, 2) if swap % 2 == 0 else (2, 1)
            since[new].append(time.monotonic())
            snapshot = registry.commit(SetAlias("linear", "champion", new), author="tester", message=f"swap {swap}")
            wait_until(partial(has_adopted, observer, snapshot.revision))
            until[old].append(time.monotonic())
            wait_until(partial(have_seen, callers, new, sum(len(caller.answers) for caller in callers)))
    for caller, thread in zip(callers, threads, strict=True):
        caller.stop.set()
        thread.join(120)
        assert len(caller.answers) == caller.started > 100
        assert {version for _, _, version, _ in caller.answers} == {1, 2}
        for asked, answered, version, score in caller.answers:
            reigns = zip(since[version], [*until[version], float("inf")], strict=False)
            assert any(start <= answered and asked <= end for start, end in reigns), (asked, answered, version)
            assert abs(score - float(sigmoid(version))) < 1e-6
