"""The facts of scored rows that policies name, from every place that has some."""

import numpy as np
import pytest

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.documents.contract import Band, Feature, Points
from scoreline_registry.registry import Registry
from scoreline_server.loading.watcher import Watcher
from scoreline_server.scoring.facts import FactReader, RowFacts
from scoreline_server.scoring.results import ASSIGNMENT_REASONS
from tests.server.policies import scored_rows
from tests.server.profiles import START, Remembered, profile, purchase
from tests.server.routes import apply
from tests.server.toys import CITY, publish_linear
from tests.server.wire import entity, named, value

NAMES = (
    "score", "band", "points", "hour", "feature.amount", "feature.city", "feature.purchases", "feature.unknown",
    "context.segment", "context.vip", "profile.spending.purchases", "profile.spending.last_category",
    "profile.other.purchases", "event.amount", "event.category", "extra.logit", "extra.unknown", "flag.fallback",
    "flag.profile_new", "flag.profile_unreachable", "flag.own",
)  # fmt: skip
ROUTE = """
route: credit
schema: {features: {amount: number, purchases: number, city: category}}
rules: [{split: {linear@champion: 100}}]
profiles: {spending: {}}
"""


@pytest.fixture
def profiled(registry: Registry) -> Registry:
    features = (Feature(name="amount"), Feature(name="purchases"), CITY)
    publish_linear(
        registry, "linear", (1.0, 0.0, 0.0), features=features, aliases=("champion",), extra=True,
        bands=(Band(name="high", from_score=0.6),), points=Points(base=600, odds=50, pdo=20),
    )  # fmt: skip
    registry.apply_profile(profile(), author="tester", message="apply")
    apply(registry, ROUTE)
    return registry


def facts(registry: Registry, states: Remembered, *entities: pb.Entity) -> list[RowFacts]:
    watcher = Watcher(registry, poll_seconds=1, states=states)
    watcher.refresh()
    route = watcher.catalog.route("credit")
    reader = FactReader(NAMES, route)
    assert reader.extras == ("logit",)
    return reader.read(scored_rows(named(*entities, extras=reader.extras), watcher.catalog))


def bought(name: str, amount: float, *, city: str) -> pb.Entity:
    """An entity that is about to buy something."""
    asked = entity(name, context={"segment": "gold", "vip": True}, city=city)
    asked.event.type = "purchase"
    asked.event.time.FromMicroseconds(START + 5 * 86_400 * 10**6)
    asked.event.fields["amount"].CopyFrom(value(amount))
    asked.event.fields["category"].CopyFrom(value("food"))
    return asked


def test_facts_come_from_score_inputs_context_profile_event_and_extras(profiled: Registry) -> None:
    states = Remembered(purchase("a", 1, 5.0, "books"), purchase("a", 2, 7.0, "travel"))
    (found,) = facts(profiled, states, bought("a", 2.0, city="oslo"))
    score = float(np.float32(1 / (1 + np.exp(-2.0))))
    assert found.pop("score") == pytest.approx(score, abs=1e-6)
    assert found.pop("extra.logit") == pytest.approx(2.0)
    assert found.pop("points") == pytest.approx(600 - 20 / np.log(2) * (np.log(50) + 2.0), abs=1e-3)
    assert found == {
        "band": "high",
        "feature.amount": 2.0,
        "feature.city": "oslo",
        "feature.purchases": 2.0,
        "context.segment": "gold",
        "context.vip": True,
        "profile.spending.purchases": 2.0,
        "profile.spending.last_category": "travel",
        "event.amount": 2.0,
        "event.category": "food",
        "flag.fallback": False,
        "flag.profile_new": False,
        "flag.profile_unreachable": False,
    }


def test_what_is_missing_is_no_fact(profiled: Registry) -> None:
    new, sent = facts(profiled, Remembered(), entity("n", amount=-3.0), entity("s", amount=-3.0, purchases=9.0))
    assert new["flag.profile_new"]
    assert (new["profile.spending.purchases"], new["feature.purchases"]) == (0.0, 0.0)
    assert {"band", "feature.city", "context.segment", "event.amount", "profile.spending.last_category"}.isdisjoint(new)
    assert (sent["profile.spending.purchases"], sent["feature.purchases"]) == (0.0, 9.0)
    (down,) = facts(profiled, Remembered(answers=False), entity("n", amount=1.0))
    assert (down["flag.profile_new"], down["flag.profile_unreachable"]) == (False, True)


def test_a_row_that_the_fallback_scored_says_so(profiled: Registry) -> None:
    publish_linear(profiled, "spare", (0.0, 0, 0), features=(Feature(name="amount"), Feature(name="purchases"), CITY))
    apply(profiled, ROUTE + "fallback: spare@1\n")
    watcher = Watcher(profiled, poll_seconds=1, states=Remembered())
    watcher.refresh()
    route = watcher.catalog.route("credit")
    object.__setattr__(route.arms[0].model, "session", None)
    reader = FactReader(("flag.fallback", "score", "extra.logit"), route)
    (found,) = reader.read(scored_rows(named(entity("a", amount=3.0), extras=reader.extras), watcher.catalog))
    assert found == {"flag.fallback": True, "score": 0.5}
    assert pb.REASON_FALLBACK not in ASSIGNMENT_REASONS.values()
