"""Events from both clients to a real server and back: recorded, read, forgotten, and scored."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

import scoreline
from scoreline import Event, ProfileState
from scoreline_registry.documents.contract import Feature
from scoreline_registry.profiles.profile_file import read_profile
from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.settings import Settings
from tests.clients.conftest import Connect, connect
from tests.server.events.spending import SPENDING
from tests.server.routes import apply
from tests.server.toys import publish_linear, sigmoid

__all__ = ["connect"]

FEATURES = tuple(Feature(name=name, default=0.0) for name in ("purchases", "amount", "is_new_category"))
ROUTE = """
route: guard
schema:
  features: {purchases: number, amount: number, is_new_category: number}
rules: [{split: {guard@champion: 100}}]
profiles: {spending: {}}
cache: {keep: 1h, from_microseconds: 0}
"""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with the profile ``spending`` and a route that reads it."""
    folder = tmp_path_factory.mktemp("events")
    registry = Registry.create(str(folder / "registry"))
    registry.apply_profile(read_profile(SPENDING, source="spending.yaml"), author="ann", message="first")
    publish_linear(registry, "guard", (1.0, 0.01, 2.0), features=FEATURES, aliases=("champion",))
    apply(registry, ROUTE)
    settings = Settings(registry=str(folder / "registry"), listen="127.0.0.1:0", poll_seconds=0.02, drain_seconds=5)
    with Server(settings) as running:
        yield running.address


def test_recorded_events_are_read_back(connect: Connect, target: str, request: pytest.FixtureRequest) -> None:
    client, ann = connect(target), f"ann-{request.node.name}"
    start = datetime.now(UTC) - timedelta(minutes=1)
    client.record("spending", ann, {"type": "purchase", "amount": 10.0, "category": "food", "time": start, "id": "one"})
    client.record("spending", ann, Event("purchase", {"amount": 5.0}, time=start + timedelta(seconds=1)))
    client.record("spending", ann, {"type": "click", "page": "cart", "cart": True, "time": start})
    client.record("spending", ann, {"type": "purchase", "amount": 10.0, "category": "food", "time": start, "id": "one"})
    report = client.flush_events()
    assert (report.kept, report.repeated, report.refused) == (3, 1, ())
    read = client.profile("spending", ann, event={"type": "purchase", "amount": 1.0, "category": "rent"})
    assert read.state is ProfileState.READ
    assert (read.features["purchases"], read.features["spent_30d"], read.features["last_page"]) == (2.0, 15.0, "cart")
    assert read.features["is_new_category"] == 1.0
    assert [step["amount"] for step in read.sequences["steps"]] == [10.0, 5.0]
    before = client.profile("spending", ann, time=start + timedelta(milliseconds=500))
    assert before.features["purchases"] == 1.0
    assert client.forget(ann, profile="spending").profiles == ("spending",)
    assert client.profile("spending", ann).state is ProfileState.NEW


def test_a_wrong_event_is_named_and_the_others_are_kept(connect: Connect, target: str) -> None:
    client = connect(target)
    client.record("spending", "bob", {"type": "purchase", "amount": "much"})
    client.record("spending", "bob", {"type": "purchace"})
    client.record("spending", "bob", {"type": "purchase", "amount": 1.0, "time": time.time_ns() + 86_400 * 10**9})
    client.record("spending", "bob", {"type": "purchase", "amount": 1.0})
    report = client.flush_events()
    assert report.kept == 1
    assert [refused.field for refused in report.refused] == ["amount", "type", "time"]
    client.record("spnding", "bob", {"type": "purchase"})
    (unknown,) = client.flush_events().refused
    assert "spnding" in unknown.message


def test_an_event_is_scored_against_the_past_of_its_entity(
    connect: Connect, target: str, request: pytest.FixtureRequest
) -> None:
    client, cid = connect(target), f"cid-{request.node.name}"
    rent = {"type": "purchase", "amount": 30.0, "category": "rent"}
    new = client.score("guard", entity_id=cid, event=rent)
    assert new.profile_state is ProfileState.NEW
    assert new.score == pytest.approx(float(sigmoid(0 + 0.3 + 2)), abs=1e-6)
    client.record("spending", cid, {**rent, "time": datetime.now(UTC) - timedelta(minutes=1)})
    client.flush_events()
    seen = client.score("guard", entity_id=cid, event=rent)
    assert seen.profile_state is ProfileState.READ
    assert seen.score == pytest.approx(float(sigmoid(1 + 0.3)), abs=1e-6)
    scores = client.score_many(
        "guard", [scoreline.Entity(entity_id=cid, event=rent), scoreline.Entity(entity_id="nobody")]
    )
    assert scores[0].score == seen.score
    assert [score.profile_state for score in scores] == [ProfileState.READ, ProfileState.NEW]
    given = client.score("guard", {"purchases": 5.0}, entity_id=cid, event=rent)
    assert given.score == pytest.approx(float(sigmoid(5 + 0.3)), abs=1e-6)
    with pytest.raises(scoreline.EntityFailedError, match="unknown event type 'purchace'"):
        client.score("guard", entity_id=cid, event={"type": "purchace"})
    filled = {feature.name: feature.profile for feature in client.schema("guard").features}
    assert filled == {"purchases": "spending", "amount": "", "is_new_category": "spending"}


def test_a_thousand_events_of_many_threads_are_counted_once(target: str) -> None:
    with scoreline.Client(target) as client:

        def record(thread: int) -> None:
            for _ in range(125):
                client.record("spending", f"many-{thread}", {"type": "purchase", "amount": 1.0})

        threads = [threading.Thread(target=record, args=(thread,)) for thread in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        report = client.flush_events()
        assert report.kept == 1000
        assert [client.profile("spending", f"many-{at}").features["purchases"] for at in range(8)] == [125.0] * 8
