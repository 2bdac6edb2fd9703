"""Ramps under real calls: a bad challenger is stopped by the right guard at the first step, a good one goes through."""

from collections.abc import Iterator
from functools import partial

import grpc
import pytest

from scoreline_registry.registry import Registry
from scoreline_server.app import Server
from scoreline_server.controllers.ramp_controller import RampController
from scoreline_server.controllers.readings import Finding, Verdict
from scoreline_server.settings import Settings
from tests.server.controllers import ramps
from tests.server.controllers.ramps import MovedClock, calls, look_until, publish_challenger, share_of, state_of
from tests.waiting import wait_until


@pytest.fixture
def registry(registry: Registry) -> Registry:
    """A registry with a champion."""
    ramps.publish_champion(registry)
    return registry


@pytest.fixture
def clock() -> MovedClock:
    """The clock of controllers."""
    return MovedClock()


def serves(server: Server, registry: Registry) -> bool:
    """Whether the server serves the newest revision."""
    return server.watcher.catalog.revision == registry.latest().revision


def stopped_by(registry: Registry, channel: grpc.Channel, clock: MovedClock) -> set[tuple[str, str]]:
    """The guards, with their segments, that stop the challenger under calls; checks the way back and its story."""
    controller = ramps.controller(registry, clock)
    with calls(channel) as callers:
        wait_until(lambda: callers.scored > 0)
        (move,) = look_until(controller, lambda: state_of(registry).status == "rolled_back")
    assert (move.move, move.step, move.percent) == ("roll_back", 0, 20)
    assert share_of(registry) == 0
    (newest, *_) = registry.history(1)
    assert newest.author == "ramp controller"
    assert newest.message.startswith("ramp of credit@2: rolled back from 20 %\n")
    told = state_of(registry).moves[-1]
    breached = {(each.guard, each.segment) for each in told.evidence if each.verdict == "breach"}
    assert all(guard in newest.message for guard, _ in breached)
    return breached


def test_shifted_scores_are_stopped(
    registry: Registry, clock: MovedClock, server: Server, channel: grpc.Channel
) -> None:
    publish_challenger(registry, bias=0.9)
    ramps.ramp_route(registry)
    wait_until(lambda: serves(server, registry))
    found = stopped_by(registry, channel, clock)
    assert ("score_shift", "") in found


def test_an_arm_that_is_right_on_average_is_stopped_by_the_segments_where_it_is_wrong(
    registry: Registry, clock: MovedClock, server: Server, channel: grpc.Channel
) -> None:
    publish_challenger(registry, (0.5, 0.6, 0.0))
    ramps.ramp_route(registry)
    wait_until(lambda: serves(server, registry))
    found = stopped_by(registry, channel, clock)
    assert {segment for _, segment in found} <= {"context.channel=web", "context.channel=shop"}


def test_a_model_that_raises_on_some_rows_is_stopped_while_the_fallback_answers(
    registry: Registry, clock: MovedClock, server: Server, channel: grpc.Channel
) -> None:
    publish_challenger(registry, model_bytes=ramps.raising_graph().SerializeToString())
    ramps.ramp_route(registry)
    wait_until(lambda: serves(server, registry))
    assert stopped_by(registry, channel, clock) == {("error_rate", "")}


def test_a_slow_model_is_stopped_by_its_latency(registry: Registry, clock: MovedClock, server_of_slow: Server) -> None:
    publish_challenger(registry)
    ramps.ramp_route(registry, guards=ramps.GUARDS.replace("5000", "40"))
    wait_until(lambda: serves(server_of_slow, registry))
    with grpc.insecure_channel(server_of_slow.address) as channel:
        assert stopped_by(registry, channel, clock) == {("p99_ms", "")}


@pytest.fixture
def server_of_slow(registry: Registry, settings: Settings) -> Iterator[Server]:
    """A server whose challenger takes 50 ms for each batch."""
    del registry
    with Server(settings, load=ramps.load_slowly) as running:
        yield running


def test_a_good_arm_goes_through_to_the_whole_unattended(
    registry: Registry, clock: MovedClock, server: Server, channel: grpc.Channel
) -> None:
    publish_challenger(registry)
    ramps.ramp_route(registry, steps="[20, 50, 100]")
    wait_until(lambda: serves(server, registry))
    controller, seen = ramps.controller(registry, clock), []
    with calls(channel):
        for step, percent in enumerate([20, 50, 100]):
            assert (state_of(registry).step, share_of(registry)) == (step, percent)
            look_until_settled(controller)
            assert state_of(registry).status == "running"
            clock.added += 3600
            seen += look_until(controller, partial(_is_past, registry, step))
    assert [look.move for look in seen] == ["advance", "advance", "finish"]
    assert (state_of(registry).status, share_of(registry)) == ("done", 100)
    assert [entry.message.splitlines()[0] for entry in registry.history(3)] == [
        "ramp of credit@2: finished at 100 %",
        "ramp of credit@2: advance from 50 % to 100 %",
        "ramp of credit@2: advance from 20 % to 50 %",
    ]


def look_until_settled(controller: RampController) -> None:
    """Looks until every guard of the step has enough rows; the step is not held long enough to pass."""

    def settled() -> bool:
        (look,) = controller.look()
        assert (look.verdict, look.move) == (Verdict.CONTINUE, None), list(map(str, look.readings))
        return all(reading.finding is not Finding.TOO_FEW for reading in look.readings)

    wait_until(settled)


def _is_past(registry: Registry, step: int) -> bool:
    state = state_of(registry)
    return state.step > step or state.status == "done"


def test_one_of_several_controllers_makes_each_move_and_a_successor_goes_on(
    registry: Registry, clock: MovedClock, server: Server, channel: grpc.Channel
) -> None:
    publish_challenger(registry)
    ramps.ramp_route(registry, steps="[20, 100]")
    wait_until(lambda: serves(server, registry))
    crowd = [ramps.controller(registry, clock) for _ in range(3)]
    with calls(channel) as callers:
        look_until_settled(crowd[0])
        clock.added += 3600
        moves = [look.move for controller in crowd for look in controller.look()]
        assert moves.count("advance") == 1
        assert state_of(registry).step == 1
        successor = ramps.controller(registry, clock)
        before = callers.scored
        look_until_settled(successor)
        assert callers.scored > before
        clock.added += 3600
        assert [look.move for look in look_until(successor, lambda: _is_past(registry, 1))] == ["finish"]
        assert [look for controller in crowd for look in controller.look()] == []
    assert [move.move for move in state_of(registry).moves] == ["start", "advance", "finish"]


def test_a_successor_knows_what_its_predecessor_knew(
    registry: Registry, clock: MovedClock, server: Server, channel: grpc.Channel
) -> None:
    publish_challenger(registry)
    ramps.ramp_route(registry)
    wait_until(lambda: serves(server, registry))
    first = ramps.controller(registry, clock)
    with calls(channel):
        look_until_settled(first)
    server.stop()
    (before,), (after,) = first.look(), ramps.controller(registry, clock).look()
    assert [str(reading) for reading in before.readings] == [str(reading) for reading in after.readings]


def test_a_paused_ramp_is_left_alone_and_a_resumed_one_begins_its_step_anew(
    registry: Registry, clock: MovedClock, server: Server, channel: grpc.Channel
) -> None:
    publish_challenger(registry, bias=0.9)
    ramps.ramp_route(registry)
    wait_until(lambda: serves(server, registry))
    ramps.move(registry, "pause")
    controller = ramps.controller(registry, clock)
    with calls(channel) as callers:
        wait_until(lambda: callers.scored > 4000)
        assert controller.look() == []
    ramps.move(registry, "resume")
    (look,) = controller.look()
    assert {reading.count for reading in look.readings} == {0}


def test_without_a_journal_a_ramp_does_not_move(registry: Registry, clock: MovedClock) -> None:
    publish_challenger(registry)
    ramps.ramp_route(registry)
    controller = ramps.controller(registry, clock)
    controller.look()
    clock.added += 7200
    (look,) = controller.look()
    assert (look.verdict, look.move) == (Verdict.CONTINUE, None)


def test_pairs_of_a_shadow_stop_a_shift_that_arms_alone_would_not_show(
    registry: Registry, clock: MovedClock, server: Server, channel: grpc.Channel
) -> None:
    publish_challenger(registry, bias=0.1)
    ramps.ramp_route(registry, guards="score_shift: 0.02\nflip_rate: 0.5", shadowed=True)
    wait_until(lambda: serves(server, registry))
    assert stopped_by(registry, channel, clock) == {("score_shift", "")}
    (shift,) = [each for each in state_of(registry).moves[-1].evidence if each.guard == "score_shift"]
    assert shift.method.startswith("mean")
    assert shift.low is not None
    assert shift.high is not None
    assert shift.high - shift.low < 0.01
