"""Two servers that share a Redis of limits: their caps hold together, and it does not hold up their answers."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from scoreline.v1 import decisions_pb2 as pb
from scoreline.v1 import decisions_pb2_grpc as rpc
from scoreline_registry.decisions.specs.policy_file import read_policy
from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.settings import Settings
from tests.server.carriers import connected
from tests.server.databases.redis_servers import RunningRedis, needs_redis, running_redis
from tests.server.policies import GUARDIAN
from tests.server.routes import apply
from tests.server.toys import publish_linear
from tests.server.wire import entity
from tests.waiting import wait_until

pytestmark = needs_redis

CAP = 20
LIMITS = f"""
limits:
  - {{name: campaign, kind: total, at_most: {CAP}, actions: [block]}}
  - {{name: once, kind: frequency, at_most: 1, per: 1d, actions: [block]}}
"""
ACTING = GUARDIAN.replace("policy: guardian", "policy: acting") + LIMITS + "limits_unavailable: act\n"


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RunningRedis]:
    with running_redis("--appendonly", "no") as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Has a registry with both policies."""
    folder = tmp_path_factory.mktemp("shared")
    registry = Registry.create(str(folder / "registry"))
    publish_linear(registry, "linear", (1.0, 0, 0), aliases=("champion",))
    apply(registry)
    for text in (GUARDIAN + LIMITS, ACTING):
        registry.apply_policy(read_policy(text, source="test"), author="tester", message="apply")
    return folder


@pytest.fixture(scope="module")
def stubs(folder: Path, redis_server: RunningRedis) -> Iterator[list[rpc.DecisionServiceStub]]:
    """Two servers of one registry, each with a journal of its own."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(Server(settings(folder, name, redis_server, limit_seconds=30)))
            for name in ("one", "other")
        ]
        yield [rpc.DecisionServiceStub(stack.enter_context(connected(server))) for server in servers]


def settings(folder: Path, name: str, redis_server: RunningRedis, *, limit_seconds: float) -> Settings:
    return Settings(
        registry=str(folder / "registry"),
        listen="127.0.0.1:0",
        journal_dir=str(folder / f"journal-{name}"),
        limit_store=redis_server.url,
        limit_seconds=limit_seconds,
        drain_seconds=5,
    )


def decided(stub: rpc.DecisionServiceStub, unit: str, *, policy: str = "guardian") -> pb.Decision:
    (decision,) = stub.Decide(pb.DecideRequest(policy=policy, entities=[entity(unit, income=3.0, debt=9.0)])).decisions
    return decision


def test_a_cap_holds_over_both_servers(stubs: list[rpc.DecisionServiceStub]) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda number: decided(stubs[number % 2], f"cap-{number % 40}"), range(80)))
    assert Counter(decision.action for decision in found) == {"block": CAP, "none": 80 - CAP}
    forbidden = Counter(each.limit for decision in found for each in decision.suppressed)
    assert set(forbidden) <= {"campaign", "once"}
    assert forbidden.total() == 80 - CAP


def test_a_unit_is_counted_whichever_server_decides(stubs: list[rpc.DecisionServiceStub]) -> None:
    first, second = (decided(stub, "ann", policy="acting") for stub in stubs)
    assert (first.action, second.action) == ("block", "none")
    assert [(each.action, each.limit, each.kind) for each in second.suppressed] == [("block", "once", "frequency")]


def test_a_redis_that_hangs_does_not_hold_up_answers(
    redis_server: RunningRedis, folder: Path, stubs: list[rpc.DecisionServiceStub]
) -> None:
    hasty = Server(settings(folder, "hasty", redis_server, limit_seconds=0.05))
    with hasty, connected(hasty) as channel:
        stub = rpc.DecisionServiceStub(channel)
        with redis_server.halted():
            held = [decided(stub, f"held-{number}") for number in range(5)]
            acting = decided(stub, "acted", policy="acting")
        assert {decision.action for decision in held} == {"none"}
        assert {(each.limit, each.kind) for each in held[0].suppressed} == {("campaign", "unreachable")}
        assert (acting.action, list(acting.suppressed)) == ("block", [])
        # It goes on once the server answers: the second of a unit is refused.
        wait_until(lambda: decided(stub, "later", policy="acting").suppressed)
    assert decided(stubs[0], "later", policy="acting").action == "none"
