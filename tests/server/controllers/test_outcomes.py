"""What outcomes do: they move the weights of an allocation, and stop a ramp that makes its metric worse."""

from collections.abc import Callable

import numpy as np
import pytest

import scoreline
from scoreline import Outcome
from scoreline_registry.registry import Registry
from scoreline_registry.routing.experiment import Metric
from scoreline_registry.statistics.figures import TooFew
from scoreline_registry.statistics.moments import Moments
from scoreline_server.app import Server
from scoreline_server.controllers.allocation_controller import AllocationController, ArmShare, shares_of
from scoreline_server.journal.reading.reader import read_records
from tests.server.controllers import ramps
from tests.server.controllers.ramps import CHALLENGER, CHAMPION, MovedClock, publish_challenger, share_of, state_of
from tests.server.routes import apply
from tests.waiting import wait_until

EXPERIMENT = """
experiment:
  primary: sale
  metrics:
    sale: {outcome: sale, kind: rate, direction: increase}
    loss: {outcome: loss, kind: mean, direction: decrease}
"""
ALLOCATED = (
    """
route: credit
schema: {features: {income: number, age: number, debt: number}}
rules: [{split: {credit@1: 50, credit@2: 50}}]
allocate: {by: thompson, metric: sale, every: 1h, floor: 5}
"""
    + EXPERIMENT
)
RATE = Metric(outcome="sale", kind="rate", direction="increase")


@pytest.fixture
def registry(registry: Registry) -> Registry:
    """A registry with a champion and a challenger."""
    ramps.publish_champion(registry)
    publish_challenger(registry)
    return registry


@pytest.fixture
def clock() -> MovedClock:
    """The clock of controllers."""
    return MovedClock()


Draw = Callable[[str, np.random.Generator], float]
"""Draws an outcome's value for the arm that answered."""


def sold(server: Server, registry: Registry, units: range, name: str, draw: Draw) -> None:
    """Scores units, reports an outcome of each, and waits until the rows are in the journal."""
    random, folder = np.random.default_rng(units.start), ramps.journal_of(registry)
    before = sum(map(len, read_records([folder])))
    with scoreline.Client(server.address) as client:
        columns = {"income": random.normal(size=len(units)), "age": np.zeros(len(units)), "debt": np.zeros(len(units))}
        scored = client.score_many("credit", columns, entity_ids=[f"u{unit}" for unit in units])
        predictions = zip(scored.arm, scored.prediction_id, strict=True)
        outcomes = [Outcome(name, draw(str(arm), random), prediction_id=str(id_)) for arm, id_ in predictions]
        client.report_outcomes("credit", outcomes)
    wait_until(lambda: sum(map(len, read_records([folder]))) == before + len(units))


def sale(rates: dict[str, float]) -> Draw:
    """Sales with a rate for each arm."""
    return lambda arm, random: float(random.random() < rates[arm])


def allocation(registry: Registry, clock: MovedClock) -> AllocationController:
    own = Registry.open(registry.storage, clock=clock.now)
    return AllocationController(own, [ramps.journal_of(registry)], monotonic=clock.monotonic)


def serve(server: Server, registry: Registry) -> None:
    wait_until(lambda: server.watcher.catalog.revision == registry.latest().revision)


def test_weights_follow_sales_each_period_and_keep_the_floor(
    registry: Registry, clock: MovedClock, server: Server
) -> None:
    apply(registry, ALLOCATED)
    serve(server, registry)
    controller, rates = allocation(registry, clock), {CHAMPION: 0.1, CHALLENGER: 0.3}
    sold(server, registry, range(600), "sale", sale(rates))
    assert controller.look() == ["credit"]
    assert share_of(registry) == 95
    assert controller.look() == []
    serve(server, registry)
    sold(server, registry, range(1000, 1600), "sale", sale(rates))
    clock.added += 3600
    assert controller.look() == []  # the same weights are no revision
    assert (share_of(registry), share_of(registry, CHAMPION)) == (95, 5)
    (entry,) = registry.history(1)
    assert entry.author == "allocation controller"
    assert entry.message.splitlines()[0] == "weights by metric sale"
    state = registry.latest().routes["credit"].allocation_state
    assert state is not None
    chances = {arm.arm: arm.chance_best or 0.0 for arm in state.evidence}
    assert chances == pytest.approx({CHAMPION: 0, CHALLENGER: 1}, abs=1e-3)


def test_equal_weights_stay_while_outcomes_say_nothing(registry: Registry, clock: MovedClock, server: Server) -> None:
    apply(registry, ALLOCATED)
    serve(server, registry)
    before = registry.latest().revision
    assert allocation(registry, clock).look() == []
    assert registry.latest().revision == before


def test_a_fall_of_everyones_rate_is_not_held_against_the_arm_that_got_more_units() -> None:
    """The arm is better by 0.1 in both periods; it has most of its units in the bad one."""
    good = {"a": Moments.of_rate(450, 900), "b": Moments.of_rate(60, 100)}
    bad = {"a": Moments.of_rate(10, 100), "b": Moments.of_rate(180, 900)}
    pooled = {arm: good[arm] + bad[arm] for arm in ("a", "b")}
    assert pooled["a"].mean > pooled["b"].mean
    shares = shares_of([good, bad], ["a", "b"], RATE)
    assert not isinstance(shares, TooFew)
    assert [share.sample.mean for share in shares] == pytest.approx([0.3, 0.4])
    assert shares[1].chance > 0.99


def test_the_chance_to_be_best_follows_the_metrics_direction() -> None:
    period = {"a": Moments.of_rate(100, 1000), "b": Moments.of_rate(150, 1000)}
    fewer = RATE.model_copy(update={"direction": "decrease"})
    (more_a, more_b), (less_a, less_b) = (
        _chances(shares_of([period], ["a", "b"], RATE)),
        _chances(shares_of([period], ["a", "b"], fewer)),
    )
    assert more_b > 0.99 > less_b
    assert less_a == pytest.approx(more_b, abs=1e-3)
    assert more_a == pytest.approx(less_b, abs=1e-3)


def _chances(shares: list[ArmShare] | TooFew) -> list[float]:
    assert not isinstance(shares, TooFew)
    return [share.chance for share in shares]


def test_a_ramp_goes_back_when_losses_rise(registry: Registry, clock: MovedClock, server: Server) -> None:
    guards = "{outcome: {loss: {limit: 1, rows: 50}}}"
    apply(registry, ramps.ROUTE.format(steps="[40, 100]", hold="1h", shadows="[]", guards=guards) + EXPERIMENT)
    ramps.move(registry, "start")
    serve(server, registry)
    controller = ramps.controller(registry, clock)
    losses = {CHAMPION: 10.0, CHALLENGER: 14.0}
    sold(server, registry, range(1000), "loss", lambda arm, random: random.normal(losses[arm], 3))
    (look,) = controller.look()
    assert look.move == "roll_back"
    assert state_of(registry).status == "rolled_back"
    (guard,) = state_of(registry).moves[-1].evidence
    assert (guard.guard, guard.verdict) == ("outcome loss", "breach")
    assert guard.low is not None
    assert guard.low > 1
