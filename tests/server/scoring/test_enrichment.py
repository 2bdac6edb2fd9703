"""What callers leave out is filled from profiles and from the event at hand, as if they had sent it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.profiles.events import Event
from scoreline_registry.routing.assignment import Assigner
from scoreline_registry.routing.planning import next_document, written_schema
from scoreline_registry.routing.route_file import read_route
from scoreline_server.errors import ErrorReason, ScoringError
from scoreline_server.scoring.compiled_profile import CompiledProfile
from scoreline_server.scoring.compiled_route import CompiledRoute, layout_of
from scoreline_server.scoring.decoding import DecodedRequest, decode_request
from scoreline_server.scoring.enrichment import enrich, with_profile_context
from scoreline_server.scoring.profile_compiling import compile_profiles
from scoreline_server.scoring.route_profiles import RouteProfiles, StateReader
from scoreline_server.scoring.rows import RowBlock, concatenate
from tests.server.profiles import DAY, SECOND, SPENDING, START, Remembered, profile, purchase, referral
from tests.server.wire import entity, named

READ, NEW, UNREACHABLE = pb.PROFILE_STATE_READ, pb.PROFILE_STATE_NEW, pb.PROFILE_STATE_UNREACHABLE

ROUTE = """
route: credit
schema:
  features: {purchases: number, spent_mean: number, largest: number, over: number, amount: number, income: number,
             last_category: category, category: category, city: category}
  sequence: {features: [category, amount], max_length: 3, vocabularies: {category: [food, toys]}}
  neighbors: {features: [spent_mean, purchases], max_neighbors: 2}
rules:
  - when: {profile.age_days: {lt: 7}}
    split: {young@1: 100}
  - split: {linear@1: 100}
profiles:
  spending: {sequence: history, neighbors: referrers}
"""
ANN = (purchase("ann", 0, 10, "food"), purchase("ann", 1, 20, "cars"))
NOW = START + 2 * DAY


def route_of(states: StateReader, text: str = ROUTE, *, profiles: Sequence[str] = (SPENDING,)) -> CompiledRoute:
    """A route without models that reads profiles."""
    spec = read_route(text, source="test")
    document = next_document(spec, schema=written_schema(spec.input_schema), before=None)
    compiled = {each.profile: CompiledProfile.of(each, "digest") for each in map(profile, profiles)}
    layout = layout_of(document.input_schema)
    return CompiledRoute(
        name="credit", revision=1, document=document, layout=layout, assigner=Assigner(document), arms=(),
        fallback=None, older={}, profiles=compile_profiles(document, layout, compiled, states),
    )  # fmt: skip


def profiles_of(route: CompiledRoute) -> RouteProfiles:
    assert route.profiles is not None
    return route.profiles


def decoded(route: CompiledRoute, *requests: pb.ScoreRequest) -> list[DecodedRequest]:
    """The requests as they arrive."""
    route.__dict__.update(call_seconds=0.0, row_seconds=0.0)
    return [decode_request(request, route) for request in requests]


def filled(route: CompiledRoute, *requests: pb.ScoreRequest, now: int = NOW) -> tuple[RowBlock, list[int]]:
    """The rows of requests as the engine gets them, and how their profiles were read."""
    done, states, _ = enrich(decoded(route, *requests), profiles_of(route), now=now)
    return concatenate([request.rows for request in done], route.layout), states.tolist()


def numbers(block: RowBlock, route: CompiledRoute, row: int = 0) -> dict[str, float]:
    """The known numbers of a row by name."""
    values = block.numbers[row].tolist()
    return {name: values[at] for name, at in route.layout.numbers.items() if not np.isnan(values[at])}


def categories(block: RowBlock, route: CompiledRoute, row: int = 0) -> dict[str, str]:
    """The known categories of a row by name."""
    codes = block.categories[row].tolist()
    return {name: block.dictionary[codes[at]] for name, at in route.layout.categories.items() if codes[at] >= 0}


def items(block: RowBlock, place: int, row: int = 0) -> list[list[float]]:
    """The items of a row in one ragged input."""
    counts = block.ragged[place].counts
    start = int(counts[:row].sum())
    values: list[list[float]] = block.ragged[place].values[start : start + counts[row]].tolist()
    return values


def test_what_a_profile_knows_is_filled() -> None:
    states = Remembered(*ANN, referral("ann", 1, "bob"), referral("ann", 1.5, "cid"), purchase("cid", 1, 50))
    route = route_of(states)
    block, seen = filled(route, named(entity("ann")))
    assert numbers(block, route) == {"purchases": 2, "spent_mean": 15, "largest": 20}
    assert categories(block, route) == {"last_category": "cars"}
    assert items(block, 0) == [[0, 10], [2, 20]]
    assert items(block, 1) == [[50, 1], [5, 0]]
    assert block.contexts == [{"profile.age_days": 2.0}]
    assert seen == [READ]
    assert not block.errors


def test_what_a_caller_sends_is_kept() -> None:
    route = route_of(Remembered(*ANN, referral("ann", 1, "bob")))
    sent = entity(
        "ann", purchases=7.0, last_category="none", income=3.0, neighbors=[{"purchases": 9.0}],
        context={"profile.age_days": 100.0, "channel": "web"},
    )  # fmt: skip
    sent.sequence.steps.add(features={"amount": 1.0}, categories={"category": "toys"})
    block, _ = filled(route, named(sent))
    assert numbers(block, route) == {"purchases": 7, "spent_mean": 15, "largest": 20, "income": 3}
    assert categories(block, route) == {"last_category": "none"}
    assert items(block, 0) == [[1, 1]]
    assert np.array_equal(items(block, 1), [[np.nan, 9]], equal_nan=True)
    assert block.contexts == [{"profile.age_days": 100.0, "channel": "web"}]


def test_fields_of_the_event_at_hand_are_features_and_are_compared_with_the_past() -> None:
    route = route_of(Remembered(*ANN))
    sent = entity("ann", city="rome")
    sent.event.CopyFrom(event(NOW, amount=30.0, category="toys"))
    also = entity("ann", amount=5.0)
    also.event.CopyFrom(event(NOW, amount=30.0))
    block, seen = filled(route, named(sent, also))
    assert numbers(block, route) == {"purchases": 2, "spent_mean": 15, "largest": 20, "amount": 30, "over": 2}
    assert categories(block, route) == {"last_category": "cars", "category": "toys", "city": "rome"}
    assert numbers(block, route, 1)["amount"] == 5
    assert seen == [READ, READ]


def event(time: int | None, name: str = "purchase", **fields: Any) -> pb.Event:
    """An event at hand as a caller sends it."""
    message = pb.Event(type=name)
    if time is not None:
        message.time.FromMicroseconds(time)
    for key, raw in fields.items():
        message.fields[key].CopyFrom(pb.Value(text=raw) if isinstance(raw, str) else pb.Value(number=raw))
    return message


def test_features_are_as_of_the_time_of_the_event() -> None:
    route = route_of(Remembered(*ANN))
    early, late = entity("ann"), entity("ann")
    early.event.CopyFrom(event(START + DAY))
    late.event.CopyFrom(event(START + DAY + SECOND))
    block, _ = filled(route, named(early, late, entity("ann")))
    assert block.numbers[:, route.layout.numbers["purchases"]].tolist() == [1, 2, 2]
    assert [context["profile.age_days"] for context in block.contexts] == [1, 1 + SECOND / DAY, 2]


def test_an_entity_without_events_has_defaults_and_an_empty_step() -> None:
    route = route_of(Remembered(*ANN))
    block, seen = filled(route, named(entity("new"), entity("ann")))
    assert numbers(block, route) == {"purchases": 0, "spent_mean": 5}
    assert not categories(block, route)
    assert np.isnan(items(block, 0)).tolist() == [[True, True]]
    assert items(block, 1) == []
    assert block.contexts[0] == {"profile.age_days": 0.0}
    assert seen == [NEW, READ]


def test_without_the_store_every_entity_is_as_one_without_events() -> None:
    states = Remembered(*ANN, answers=False)
    route = route_of(states)
    sent = entity("ann", income=1.0)
    sent.event.CopyFrom(event(NOW, amount=30.0))
    block, seen = filled(route, named(sent, entity("new")))
    assert numbers(block, route) == {"purchases": 0, "spent_mean": 5, "income": 1, "amount": 30, "over": 6}
    assert seen == [UNREACHABLE, UNREACHABLE]
    assert states.states == [("spending", [UNREACHABLE, UNREACHABLE])]


def test_neighbors_that_cannot_be_read_are_without_events() -> None:
    class HalfWay(Remembered):
        def read(self, profile: str, entities: Sequence[str]) -> Mapping[str, Any] | None:
            self.answers = not self.reads
            return super().read(profile, entities)

    route = route_of(HalfWay(*ANN, referral("ann", 1, "bob"), purchase("bob", 0, 1)))
    block, seen = filled(route, named(entity("ann"), entity("new")))
    assert items(block, 1) == [[5, 0]]
    assert seen == [UNREACHABLE, NEW]


def test_a_state_that_cannot_be_decoded_is_as_if_the_store_did_not_answer() -> None:
    class Damaged(Remembered):
        def read(self, profile: str, entities: Sequence[str]) -> Mapping[str, Any]:
            found = dict(super().read(profile, entities) or {})
            found["bob"] = type(found["ann"])(folded=b"\xc1 no state")
            return found

    route = route_of(Damaged(*ANN))
    block, seen = filled(route, named(entity("bob"), entity("ann")))
    assert numbers(block, route) == {"purchases": 0, "spent_mean": 5}
    assert numbers(block, route, 1)["purchases"] == 2
    assert seen == [UNREACHABLE, READ]


def test_all_calls_of_a_batch_are_read_at_once_and_their_neighbors_too() -> None:
    states = Remembered(*ANN, referral("ann", 1, "cid"), referral("bob", 1, "cid"), referral("bob", 1, "dan"))
    route = route_of(states)
    calls = [named(entity("ann"), entity("bob")), named(entity("ann")), named(entity(""), entity("eve"))]
    block, seen = filled(route, *calls)
    assert states.reads == [["ann", "bob", "eve"], ["cid", "dan"]]
    assert len(block) == 5
    assert seen == [READ, READ, READ, NEW, NEW]
    assert states.states == [("spending", seen)]


def test_the_newest_steps_and_neighbors_are_taken() -> None:
    many = [purchase("ann", day, day + 1) for day in range(5)]
    route = route_of(Remembered(*many, *(referral("ann", at, name) for at, name in enumerate(("bob", "cid", "dan")))))
    block, _ = filled(route, named(entity("ann")), now=START + 9 * DAY)
    assert [step[1] for step in items(block, 0)] == [3, 4, 5]
    assert len(items(block, 1)) == 2


def test_a_wrong_event_is_an_error_of_its_row() -> None:
    route = route_of(Remembered(*ANN))
    sent = [entity("ann") for _ in range(5)] + [entity("")]
    wrong = [
        event(NOW, "purchas"), event(NOW, amount="a text"), event(NOW, colour=1.0), event(NOW, amount=1e31),
        event(NOW, amount=2.0), event(NOW),
    ]  # fmt: skip
    for one, message in zip(sent, wrong, strict=True):
        one.event.CopyFrom(message)
    block, _ = filled(route, named(*sent))
    assert {row: (error.reason, error.metadata["field"]) for row, error in block.errors.items()} == {
        0: (ErrorReason.INVALID_EVENT, "type"),
        1: (ErrorReason.INVALID_EVENT, "amount"),
        2: (ErrorReason.INVALID_EVENT, "colour"),
        3: (ErrorReason.INVALID_EVENT, "amount"),
        5: (ErrorReason.INVALID_EVENT, "entity_id"),
    }
    assert "did you mean 'purchase'" in block.errors[0].message
    assert numbers(block, route, 4)["amount"] == 2


PACKED = """
route: credit
schema: {features: {purchases: number, income: number, last_category: category, city: category}}
rules: [{split: {linear@1: 100}}]
profiles: {spending: {}}
"""


def columns(route: CompiledRoute, ids: Sequence[str], codes: Sequence[Sequence[int]], *names: str) -> pb.ScoreRequest:
    """A packed request without numbers."""
    missing = np.full((len(ids), 2), np.nan, "<f4").tobytes()
    return pb.ScoreRequest(
        route="credit",
        packed=pb.PackedEntities(
            schema_digest=route.layout.digest, entity_ids=ids, numbers=missing, dictionary=names,
            categories=np.array(codes, "<i4").tobytes(),
        ),
    )  # fmt: skip


def test_columns_of_a_packed_request_are_filled_and_wrong_codes_stay_errors() -> None:
    route = route_of(Remembered(*ANN), PACKED)
    request = columns(route, ["ann", "ann", "new"], [[-1, 0], [1, 2], [-1, 1]], "oslo", "oslo")
    block, seen = filled(route, request)
    assert [categories(block, route, row) for row in (0, 2)] == [
        {"last_category": "cars", "city": "oslo"},
        {"city": "oslo"},
    ]
    assert {row: error.reason for row, error in block.errors.items()} == {1: ErrorReason.WRONG_INDEX}
    assert block.numbers[:, 0].tolist() == [2, 2, 0]
    assert (seen, list(block.contexts)) == ([READ, READ, NEW], [])


def test_a_packed_request_has_an_event_for_each_row_or_none() -> None:
    route = route_of(Remembered(*ANN), PACKED.replace("income: number", "amount: number"))
    request = columns(route, ["ann", "ann"], [[-1, -1]] * 2)
    request.packed.events.extend([event(NOW, amount=30.0), pb.Event()])
    block, _ = filled(route, request)
    assert [numbers(block, route, row) for row in (0, 1)] == [{"purchases": 2, "amount": 30}, {"purchases": 2}]
    del request.packed.events[1]
    with pytest.raises(ScoringError, match="send no events, or 2") as caught:
        decoded(route, request)
    assert caught.value.reason == ErrorReason.WRONG_BLOCK_LENGTH


def test_only_the_features_that_a_route_names_are_filled() -> None:
    route = route_of(
        Remembered(*ANN), ROUTE.replace("{sequence: history, neighbors: referrers}", "{features: [largest]}")
    )
    block, _ = filled(route, named(entity("ann")))
    assert numbers(block, route) == {"largest": 20}
    assert items(block, 0) == []


CLICKS = """
profile: clicks
events: {click: {fields: {page: category}}}
features:
  clicks: {aggregate: count}
"""
BOTH = """
route: credit
schema: {features: {purchases: number, clicks: number, amount: number}}
rules: [{split: {linear@1: 100}}]
profiles: {spending: {}, clicks: {}}
"""


def test_a_route_reads_several_profiles_and_the_worst_state_counts() -> None:
    clicks = Event("ann", "1", START, "click", {"page": "home"})
    states = Remembered(*ANN, clicks)
    route = route_of(states, BOTH, profiles=(SPENDING, CLICKS))
    sent = entity("ann")
    sent.event.CopyFrom(event(NOW, "click", page="home"))
    block, seen = filled(route, named(sent, entity("new")))
    assert numbers(block, route) == {"purchases": 2, "clicks": 1}
    assert [name for name, _ in states.states] == ["spending", "clicks"]
    assert seen == [READ, NEW]


def test_the_context_of_an_entity_alone_has_what_rules_read() -> None:
    states = Remembered(*ANN)
    route = route_of(states)
    assert with_profile_context("ann", {"channel": "web"}, profiles_of(route), now=NOW) == {
        "profile.age_days": 2.0, "channel": "web",
    }  # fmt: skip
    assert states.reads == [["ann"]]


def test_a_row_that_brings_everything_is_scored_as_it_was_sent() -> None:
    route = route_of(Remembered(*ANN, referral("ann", 1, "bob")))
    given = entity(
        "ann", purchases=1.0, spent_mean=2.0, largest=3.0, over=4.0, amount=5.0, income=6.0, last_category="a",
        category="b", city="c", neighbors=[{"spent_mean": 1.0, "purchases": 2.0}],
    )  # fmt: skip
    given.sequence.steps.add(features={"amount": 1.0}, categories={"category": "toys"})
    (request,) = decoded(route, named(given))
    (done,), _, _ = enrich([request], profiles_of(route), now=NOW)
    assert (done.rows.numbers, done.rows.categories, done.rows.dictionary, done.rows.ragged) == (
        request.rows.numbers, request.rows.categories, request.rows.dictionary, request.rows.ragged,
    )  # fmt: skip
