"""Scores from the state of profiles, from kept events to answers, journal and replay, by a real server."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import grpc
import numpy as np
import pytest

from scoreline.v1 import scoring_pb2 as pb
from scoreline.v1 import scoring_pb2_grpc as rpc
from scoreline_registry.documents.contract import Feature
from scoreline_registry.profiles.computation.compiling import compile_profile
from scoreline_registry.profiles.events import Event
from scoreline_registry.registry import Registry
from scoreline_server.analysis.replay.replay import replay, row_table
from scoreline_server.analysis.replay.routes import AsDecided, Versions
from scoreline_server.app import Server
from scoreline_server.journal.reading.reader import Selection, read_records, read_shadows
from scoreline_server.profile_stores.sqlite_store import SqliteStore
from scoreline_server.scoring.results import ScoredBatch
from scoreline_server.settings import Settings
from tests.server.profiles import DAY, SPENDING, START, profile, purchase
from tests.server.routes import apply
from tests.server.toys import publish_linear, publish_neighbors, publish_sequence, sigmoid
from tests.server.wire import entity, named, packed, reason_of
from tests.waiting import wait_until

READ, NEW, UNREACHABLE = pb.PROFILE_STATE_READ, pb.PROFILE_STATE_NEW, pb.PROFILE_STATE_UNREACHABLE
NAMES = ("purchases", "spent_mean", "largest", "amount", "over")
FEATURES = tuple(Feature(name=name) for name in NAMES)
WEIGHTS = (0.3, -0.01, 0.007, 0.02, 0.5)
ROUTE = """
route: credit
schema:
  features: {purchases: number, spent_mean: number, largest: number, amount: number, over: number}
rules:
  - when: {profile.age_days: {lt: 7}}
    split: {young@1: 100}
  - split: {linear@champion: 100}
shadows: [{model: third@1, sample: 100}]
profiles:
  spending: {}
"""
LOANS = """
profile: loans
events:
  payment: {fields: {late: number, paid: number}}
  referral: {fields: {referrer: entity}}
features:
  late: {aggregate: max, events: payment, field: late, default: 0}
  age: {aggregate: time_since_first, unit: days, default: 0}
  income: {aggregate: mean, events: payment, field: paid, default: 0}
  steps: {aggregate: sequence, events: payment, fields: [late, paid], length: 3}
  around: {aggregate: neighbors, events: referral, field: referrer, most: 2, features: [late, age]}
"""
PATHS = """
route: paths
schema: {sequence: {features: [paid, late], max_length: 4}}
rules: [{split: {paths@1: 100}}]
profiles: {loans: {sequence: steps}}
"""
AROUND = """
route: around
schema: {features: {income: number}, neighbors: {features: [age, late], max_neighbors: 2}}
rules: [{split: {around@1: 100}}]
profiles: {loans: {neighbors: around}}
"""
BY_HAND = """
route: by-hand
schema: {like: linear@champion}
rules: [{split: {linear@champion: 100}}]
"""
LATENESS = 3600 * 10**6


class Place(NamedTuple):
    """A registry, the store of its profiles and the journal of its server."""

    registry: Registry
    store: SqliteStore
    settings: Settings

    def keep(self, *events: Event) -> None:
        """Keeps events as another process would."""
        self.store.append("spending", events, lateness=LATENESS)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Entities of less than 7 days go to young, others to linear; by-hand is linear without a profile."""
    folder = tmp_path_factory.mktemp("state")
    registry = Registry.create(str(folder / "registry"))
    publish_linear(registry, "linear", WEIGHTS, features=FEATURES, aliases=("champion",))
    publish_linear(registry, "young", (-0.2, 0.01, 0, 0.03, -0.5), features=FEATURES)
    publish_linear(registry, "third", (0.1, 0.1, 0.1, 0.1, 0.1), features=FEATURES)
    registry.apply_profile(profile(), author="tester", message="apply")
    publish_sequence(registry, "paths")
    publish_neighbors(registry, "around")
    registry.apply_profile(profile(LOANS), author="tester", message="apply")
    for route in (ROUTE, BY_HAND, PATHS, AROUND):
        apply(registry, route)
    store = SqliteStore(folder / "profiles.sqlite")
    settings = Settings(
        registry=str(folder / "registry"), listen="127.0.0.1:0", poll_seconds=0.02, drain_seconds=5,
        profile_store=f"sqlite:{folder / 'profiles.sqlite'}", profile_read_seconds=30,
    )  # fmt: skip
    yield Place(registry, store, settings)
    store.close()


@pytest.fixture(scope="module", params=[True, False], ids=["lane", "handlers"])
def channel(place: Place, request: pytest.FixtureRequest) -> Iterator[grpc.Channel]:
    """A channel to a server, with the hot lane and without."""
    folder = Path(place.settings.registry).parent / f"journal-{request.param}"
    settings = place.settings.model_copy(update={"hot_lane": request.param, "journal_dir": str(folder)})
    with Server(settings) as server, grpc.insecure_channel(server.address) as opened:
        yield opened


@pytest.fixture(scope="module")
def stub(channel: grpc.Channel) -> rpc.ScoringServiceStub:
    return rpc.ScoringServiceStub(channel)


def at_hand(entity_id: str, days: float, amount: float | None = None) -> pb.Entity:
    """An entity with a purchase at hand, so many days after START."""
    one = entity(entity_id)
    one.event.type = "purchase"
    one.event.time.FromMicroseconds(START + int(days * DAY))
    if amount is not None:
        one.event.fields["amount"].number = amount
    return one


def purchases(entity_id: str, *, seed: int) -> list[Event]:
    """Purchases of 10 to 40 days with amounts of any number of digits."""
    random = np.random.default_rng(seed)
    return [
        purchase(entity_id, day, float(amount))
        for day, amount in zip(np.sort(random.uniform(0, 40, 30)).tolist(), random.lognormal(3, 2, 30), strict=True)
    ]


def test_scores_from_state_are_those_of_features_that_are_sent_by_hand(
    place: Place, stub: rpc.ScoringServiceStub
) -> None:
    events = {f"c{at}": purchases(f"c{at}", seed=at) for at in range(12)}
    place.keep(*(event for own in events.values() for event in own))
    computation = compile_profile(profile())
    moments = [(name, 9 + 2.5 * at, 10.0 * at + 0.1) for at, name in enumerate(events)]
    by_hand = []
    for name, days, amount in moments:
        sent = at_hand(name, days, amount)
        event = computation.at_hand(name, START + int(days * DAY), "purchase", {"amount": amount})
        reading = computation.read(b"", events[name], at=event.time, event=event)
        by_hand.append(entity(name, amount=amount))
        for key in NAMES:
            if key != "amount":
                by_hand[-1].features[key].number = reading.numbers[key]
        assert sent.event.time.ToMicroseconds() == event.time
    from_state = stub.Score(named(*(at_hand(*moment) for moment in moments))).scores
    alone = [stub.Score(named(at_hand(*moment))).scores[0] for moment in moments]
    expected = stub.Score(named(*by_hand, route="by-hand")).scores
    assert [score.score for score in from_state] == [score.score for score in expected]
    assert [score.score for score in alone] == [score.score for score in expected]
    assert len({score.score for score in expected}) == len(moments)
    assert {score.quality.profile_state for score in from_state} == {READ}
    assert {score.quality.profile_state for score in expected} == {pb.PROFILE_STATE_UNSPECIFIED}


def test_what_is_kept_counts_in_the_next_score(place: Place, stub: rpc.ScoringServiceStub) -> None:
    name = f"eve-{uuid4()}"
    before = stub.Score(named(at_hand(name, 20, 5.0))).scores[0]
    place.keep(purchase(name, 1, 100))
    after = stub.Score(named(at_hand(name, 20, 5.0))).scores[0]
    assert (before.quality.profile_state, before.arm) == (NEW, "young@1")
    assert (after.quality.profile_state, after.arm) == (READ, "linear@champion")
    assert before.score != after.score


def test_a_new_customer_goes_to_the_arm_for_cold_starts_and_later_to_the_other(
    place: Place, stub: rpc.ScoringServiceStub
) -> None:
    place.keep(purchase("fay", 10, 3))
    scores = stub.Score(named(*(at_hand("fay", days, 1.0) for days in (9, 10.5, 16.9, 17, 30)))).scores
    assert [score.arm for score in scores] == ["young@1"] * 3 + ["linear@champion"] * 2
    assert [score.quality.profile_state for score in scores] == [NEW, READ, READ, READ, READ]
    assert {score.reason for score in scores[:3]} == {pb.REASON_RULE_MATCH}


def test_an_assignment_reads_the_state_too(place: Place, stub: rpc.ScoringServiceStub) -> None:
    place.keep(purchase("gil", 0, 3))
    known = stub.GetAssignment(pb.GetAssignmentRequest(route="credit", entity_id="gil"))
    new = stub.GetAssignment(pb.GetAssignmentRequest(route="credit", entity_id="nobody"))
    sent = stub.GetAssignment(
        pb.GetAssignmentRequest(route="credit", entity_id="gil", context={"profile.age_days": pb.Value(number=1)})
    )
    assert [answer.arm for answer in (known, new, sent)] == ["linear@champion", "young@1", "young@1"]


def test_packed_rows_and_streams_are_filled_too(place: Place, stub: rpc.ScoringServiceStub) -> None:
    place.keep(purchase("hal", 0, 3), purchase("ida", 0, 4))
    digest = stub.GetSchema(pb.GetSchemaRequest(route="credit")).schema_digest
    rows = stub.Score(packed(digest, [[np.nan] * 5] * 3, ids=["hal", "ida", "new"])).packed
    one = stub.Score(packed(digest, [[np.nan] * 5], ids=["hal"])).packed
    expected = stub.Score(named(entity("hal"), entity("ida"), entity("new"))).scores
    assert np.frombuffer(rows.scores, "<f4").tolist() == [score.score for score in expected]
    assert (list(rows.profile_states), list(one.profile_states)) == ([READ, READ, NEW], [READ])
    assert one.scores == rows.scores[:4]
    requests = [pb.ScoreStreamRequest(request=named(entity(name))) for name in ("hal", "ida")]
    streamed = [answer.response.scores[0] for answer in stub.ScoreStream(iter(requests))]
    assert [(score.score, score.quality.profile_state) for score in streamed] == [
        (score.score, READ) for score in expected[:2]
    ]


def payments(entity_id: str) -> list[Event]:
    """Five payments, one a day."""
    return [
        Event(entity_id, str(at), START + at * DAY, "payment", {"late": at / 3, "paid": 1.5 * at}) for at in range(5)
    ]


def test_steps_and_neighbors_from_state_are_those_that_are_sent_by_hand(
    place: Place, stub: rpc.ScoringServiceStub
) -> None:
    referrals = [Event("una", f"r{at}", START + at * DAY, "referral", {"referrer": f"n{at}"}) for at in range(3)]
    near = [Event(f"n{at}", "1", START + at * DAY, "payment", {"late": at + 0.7}) for at in range(3)]
    events = sorted([*payments("una"), *referrals, *near], key=lambda event: event.time)
    place.store.append("loans", events, lateness=LATENESS)
    at = at_hand("una", 9)
    at.event.type = "referral"
    (steps,) = stub.Score(named(at, route="paths")).scores
    by_hand = entity(
        "una", steps=[{"late": 2 / 3, "paid": 3.0}, {"late": 1.0, "paid": 4.5}, {"late": 4 / 3, "paid": 6.0}]
    )
    assert steps.score == stub.Score(named(by_hand, route="paths")).scores[0].score
    (around,) = stub.Score(named(at, route="around")).scores
    neighbors = [{"late": 2.7, "age": 7.0}, {"late": 1.7, "age": 8.0}]
    alike = entity("una", income=3.0, neighbors=neighbors)
    assert around.score == stub.Score(named(alike, route="around")).scores[0].score
    assert [score.quality.profile_state for score in (steps, around)] == [READ, READ]


def test_a_new_customer_without_steps_is_scored(stub: rpc.ScoringServiceStub) -> None:
    (steps,) = stub.Score(named(entity("new"), route="paths")).scores
    (around,) = stub.Score(named(entity("new"), route="around")).scores
    assert (steps.quality.profile_state, steps.quality.missing, steps.error.reason) == (NEW, 2, "")
    assert (around.quality.profile_state, around.quality.missing, around.error.reason) == (NEW, 0, "")


def test_the_schema_says_what_comes_from_which_profile(stub: rpc.ScoringServiceStub) -> None:
    schema = stub.GetSchema(pb.GetSchemaRequest(route="credit"))
    assert {feature.name: feature.profile for feature in schema.features} == {
        "purchases": "spending", "spent_mean": "spending", "largest": "spending", "over": "spending", "amount": "",
    }  # fmt: skip
    assert {feature.profile for feature in stub.GetSchema(pb.GetSchemaRequest(route="by-hand")).features} == {""}
    assert stub.GetSchema(pb.GetSchemaRequest(route="paths")).sequence.profile == "loans"
    assert stub.GetSchema(pb.GetSchemaRequest(route="around")).neighbors.profile == "loans"
    assert stub.GetSchema(pb.GetSchemaRequest(route="around")).features[0].profile == "loans"


def test_a_wrong_event_fails_its_row_alone(place: Place, stub: rpc.ScoringServiceStub) -> None:
    place.keep(purchase("jan", 0, 3))
    wrong = at_hand("jan", 20)
    wrong.event.type = "purchas"
    both = stub.Score(named(wrong, at_hand("jan", 20, 1.0))).scores
    assert both[0].error.reason == "INVALID_EVENT"
    assert both[1].quality.profile_state == READ
    with pytest.raises(grpc.RpcError) as caught:
        stub.Score(named(wrong))
    assert reason_of(caught.value) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_EVENT")


def test_replay_is_exact_although_the_state_has_changed_since(place: Place, tmp_path: Path) -> None:
    names = [f"k{at}" for at in range(8)]
    place.keep(*(event for at, name in enumerate(names) for event in purchases(name, seed=at)))
    settings = place.settings.model_copy(update={"journal_dir": str(tmp_path)})
    with Server(settings) as server, grpc.insecure_channel(server.address) as channel:
        stub = rpc.ScoringServiceStub(channel)
        calls = [named(*(at_hand(name, days, 7.5) for name in [*names, "unknown"])) for days in (3, 8, 40)]
        wrong = at_hand("k0", 3)
        wrong.event.fields["colour"].number = 1
        answers = [stub.Score(call).scores for call in [*calls, named(wrong, entity("k1"))]]
        wait_until(lambda: _shadowed(server) == 28)
    place.keep(*(purchase(name, 39.999, 1e6) for name in names))
    journaled = [row for records in read_records([tmp_path]) for row in records.rows()]
    states = [score.quality.profile_state for call in answers for score in call]
    names_of = {0: None, READ: "READ", NEW: "NEW"}
    assert [row["profile_state"] for row in journaled] == [names_of[state] for state in states]
    assert {row["profile_state"] for row in journaled} == {"READ", "NEW", None}
    assert all("profile.age_days" in row["context"] for row in journaled)
    rows = [row_table(block) for block in replay([tmp_path], AsDecided(Versions(place.registry)), Selection())]
    assert [score for table in rows for score in table["replayed_score"]] == [
        None if score.HasField("error") else score.score for call in answers for score in call
    ]
    assert [arm for table in rows for arm in table["replayed_assigned_arm"]][:27] == [
        score.arm for call in answers[:3] for score in call
    ]
    assert sum(reason is not None for table in rows for reason in table["not_replayed"]) == 1
    expected = {
        row["prediction_id"]: sigmoid(sum(row[f"feature.{name}"] or 0 for name in NAMES) / 10) for row in journaled
    }
    shadowed = {
        id_: score
        for each in read_shadows([tmp_path])
        for id_, score in zip(each.prediction_ids, each.scores, strict=True)
    }
    assert shadowed == {id_: pytest.approx(expected[id_], abs=1e-6) for id_ in shadowed}


def _shadowed(server: Server) -> float:
    """The rows that shadows have scored."""
    return sum(values[0] for (name, _), values in server.metrics.counts().items() if name == "scoreline_shadow_rows")


def test_a_profile_that_changes_is_read_by_its_new_definition(place: Place) -> None:
    with Server(place.settings) as server, grpc.insecure_channel(server.address) as channel:
        stub = rpc.ScoringServiceStub(channel)
        before = stub.Score(named(at_hand("new", 20, 1.0))).scores[0].score
        place.registry.apply_profile(
            profile(SPENDING.replace("default: 5", "default: 6")), author="t", message="change"
        )
        after = wait_until(lambda: _other_than(before, stub.Score(named(at_hand("new", 20, 1.0))).scores[0].score))
        by_hand = entity("new", purchases=0.0, spent_mean=6.0, amount=1.0, over=1 / 6)
        place.registry.apply_profile(profile(), author="t", message="change back")
        assert stub.Score(named(by_hand)).scores[0].score == after
        wait_until(lambda: stub.Score(named(at_hand("new", 20, 1.0))).scores[0].score == before)


def _other_than(before: float, score: float) -> float:
    """The score; 0 while it is as before."""
    return score if score != before else 0.0


def test_states_are_never_read_on_the_thread_of_the_hot_lane(place: Place) -> None:
    threads: dict[str, str] = {}

    def note(scored: ScoredBatch) -> None:
        threads[scored.route.name] = threading.current_thread().name

    with (
        Server(place.settings, observers=[note]) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        stub = rpc.ScoringServiceStub(channel)
        stub.Score(named(entity("c1")))
        stub.Score(named(entity("c1", purchases=1.0), route="by-hand"))
        wait_until(lambda: len(threads) == 2)
    assert threads == {"credit": "slow-call", "by-hand": "hot-lane"}


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a Redis that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


@pytest.mark.parametrize("store", ["silent", "off", "nobody"])
def test_without_a_store_that_answers_entities_are_scored_as_new_ones(
    place: Place, silent: str, store: str, tmp_path: Path
) -> None:
    url = {"silent": silent, "off": "off", "nobody": "redis://127.0.0.1:1/0"}[store]
    settings = place.settings.model_copy(
        update={"profile_store": url, "profile_read_seconds": 0.02, "journal_dir": str(tmp_path)}
    )
    with Server(settings) as server, grpc.insecure_channel(server.address) as channel:
        stub = rpc.ScoringServiceStub(channel)
        scores = [stub.Score(named(at_hand("c1", 20, 5.0))).scores[0] for _ in range(20)]
        (other,) = stub.Score(named(entity("c1", purchases=1.0), route="by-hand")).scores
        assignment = stub.GetAssignment(pb.GetAssignmentRequest(route="credit", entity_id="c1"))
        counts = server.metrics.counts()
    assert {score.quality.profile_state for score in scores} == {UNREACHABLE}
    assert {(score.arm, score.error.reason) for score in scores} == {("young@1", "")}
    assert other.quality.profile_state == pb.PROFILE_STATE_UNSPECIFIED
    assert assignment.arm == "young@1"
    assert counts["scoreline_profile_reads", ("spending", "UNREACHABLE")] == [21]
