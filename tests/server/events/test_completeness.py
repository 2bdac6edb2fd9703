"""From when on a feature counts all events, by the definitions that its profile had."""

from datetime import UTC, datetime, timedelta

from scoreline_registry.profiles.profile import Profile
from scoreline_registry.profiles.profile_file import read_profile
from scoreline_server.events.completeness import Completeness, completeness

DAYS = [datetime(2026, 11, day, tzinfo=UTC) for day in range(1, 5)]

FIRST = """
profile: p
keep: 400d
events:
  buy: {fields: {amount: number, category: category}}
features:
  n: {aggregate: count, events: buy}
  n_30d: {aggregate: count, events: buy, window: 30d, tile: 1d}
"""
WIDER = FIRST.replace("window: 30d, tile: 1d", "window: 60d, tile: 1d")
NEW = (
    WIDER
    + """
  spent: {aggregate: sum, field: amount}
  burst: {aggregate: count, events: buy, session: 30m}
  share: {aggregate: ratio, of: n_30d, to: n}
  busy: {aggregate: flag, when: {burst: {gt: 3}, event.amount: {gt: 5}}}
  risk: {aggregate: lookup, field: category, values: {food: 0.1}}
"""
)


def profile(text: str) -> Profile:
    return read_profile(text, source="p.yaml")


def test_a_feature_that_never_changed_counts_all_events() -> None:
    assert completeness([(DAYS[1], profile(FIRST)), (DAYS[0], profile(FIRST))]) == [
        Completeness("n", None, None),
        Completeness("n_30d", None, None),
    ]


def test_a_changed_feature_is_complete_when_it_looks_back_to_its_change_only() -> None:
    past = [(DAYS[2], profile(NEW)), (DAYS[1], profile(WIDER)), (DAYS[0], profile(FIRST))]
    found = {each.feature: each for each in completeness(past)}
    assert found["n"].since is None
    assert (found["n_30d"].since, found["n_30d"].complete_from) == (DAYS[1], DAYS[1] + timedelta(days=61))
    assert (found["spent"].since, found["spent"].complete_from) == (DAYS[2], None)
    assert found["burst"].complete_from == found["busy"].complete_from == DAYS[2] + timedelta(minutes=30)
    assert (found["share"].since, found["share"].complete_from) == (DAYS[2], None)
    assert found["risk"].complete_from == DAYS[2]


def test_a_definition_that_comes_back_lacks_the_events_between() -> None:
    past = [(DAYS[2], profile(FIRST)), (DAYS[1], profile(WIDER)), (DAYS[0], profile(FIRST))]
    assert completeness(past)[1] == Completeness("n_30d", DAYS[2], DAYS[2] + timedelta(days=31))
