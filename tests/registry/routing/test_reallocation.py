"""Weights in whole millionths, and the least movement that they ask for."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoreline_registry.routing.assignment import Assigner
from scoreline_registry.routing.bucketing import WHOLE
from scoreline_registry.routing.planning import next_document, written_schema
from scoreline_registry.routing.reallocation import reallocated, weights_of
from scoreline_registry.routing.route import RouteDocument
from tests.registry.samples import spec

NOW = datetime(2026, 11, 1, tzinfo=UTC)
EXPERIMENT = {
    "primary": "sale",
    "metrics": {"sale": {"outcome": "sale", "kind": "rate", "direction": "increase"}},
}
UNITS = [f"customer-{number}" for number in range(500)]


def route(count: int) -> RouteDocument:
    split = {f"credit@{arm + 1}": 100 - 10 * (count - 1) if arm == 0 else 10 for arm in range(count)}
    written = spec(split, experiment=EXPERIMENT, allocate={"metric": "sale", "every": "1h", "floor": 1})
    return next_document(written, schema=written_schema(written.input_schema), before=None)


def arms(document: RouteDocument) -> list[str]:
    assigner = Assigner(document)
    return [assigner.assign(unit).arm for unit in UNITS]


@given(st.lists(st.floats(0.02, 1), min_size=2, max_size=8))
@settings(deadline=None)
def test_weights_total_the_whole_and_keep_their_floor(raw: list[float]) -> None:
    floor = 10_000
    shares = {f"m@{arm + 1}": 0.01 + (1 - 0.01 * len(raw)) * part / sum(raw) for arm, part in enumerate(raw)}
    weights = weights_of(shares, floor_millionths=floor)
    assert sum(weights.values()) == WHOLE
    assert list(weights) == list(shares)
    assert all(weight >= floor and abs(weight - shares[arm] * WHOLE) < 2 for arm, weight in weights.items())


@pytest.mark.parametrize(
    ("shares", "weights"),
    [
        ({"a": 0.05, "b": 0.95}, {"a": 50_000, "b": 950_000}),
        ({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}, {"a": 333_334, "b": 333_333, "c": 333_333}),
        ({"a": 0.1000009, "b": 0.8999991}, {"a": 100_001, "b": 899_999}),
        ({"a": 0.0, "b": 1.0}, {"a": 50_000, "b": 950_000}),
    ],
)
def test_shares_as_millionths(shares: dict[str, float], weights: dict[str, int]) -> None:
    assert weights_of(shares, floor_millionths=50_000) == weights


@given(st.integers(2, 5), st.data())
@settings(deadline=None, max_examples=30)
def test_a_unit_changes_arm_only_if_its_arms_share_shrank(count: int, data: st.DataObject) -> None:
    document = route(count)
    for change in range(1, 4):
        raw = data.draw(st.lists(st.floats(0.05, 1), min_size=count, max_size=count))
        shares = {f"credit@{arm + 1}": part / sum(raw) for arm, part in enumerate(raw)}
        weights = weights_of(shares, floor_millionths=10_000)
        before = {arm.ref: arm.millionths for arm in document.rules[-1].arms}
        after = reallocated(document, weights, now=NOW)
        pairs = zip(arms(document), arms(after), strict=True)
        assert all(was == now or weights[was] < before[was] for was, now in pairs)
        assert {arm.ref: arm.millionths for arm in after.rules[-1].arms} == weights
        if weights != before:
            assert after.allocation_state is not None
            assert after.allocation_state.changes <= change
            assert after.allocation_state.baseline == route(count).rules[-1]
        document = after
