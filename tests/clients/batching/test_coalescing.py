"""Callers of one process who share calls get what each would have got alone."""

from collections.abc import Iterator

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.clients import crowds
from tests.clients.conftest import Start
from tests.clients.crowds import Moody, Question, ask_as_tasks, ask_as_threads, shown
from tests.clients.sums import Running, make_schema
from tests.clients.sums import start as start_server


@pytest.fixture(scope="module")
def moody() -> Iterator[Running]:
    """A server for tests that leave no trace in it."""
    running = start_server(Moody())
    yield running
    running.server.stop(0).wait()


@pytest.fixture(params=[ask_as_tasks, ask_as_threads], ids=["tasks", "threads"])
def ask(request: pytest.FixtureRequest) -> crowds.Ask:
    found: crowds.Ask = request.param
    return found


@pytest.fixture
def sums(start: Start) -> Moody:
    """A server of this test's own."""
    server = Moody()
    server.target = start(server).target
    return server


def sizes(server: Moody) -> list[int]:
    """How many entities each call had."""
    return [len(request.packed.entity_ids) for request in server.requests]


numbers = st.fixed_dictionaries(
    {}, optional={"income": st.floats(-1e6, 1e6), "age": st.one_of(st.none(), st.integers(0, 99)), "incom": st.just(1)}
)
questions = st.fixed_dictionaries(
    {"features": numbers},
    optional={
        "entity_id": st.sampled_from(["a", "b", "bad", "poison", "fat", "\ud800"]),
        "extras": st.sampled_from([[], ["members"]]),
        "context": st.sampled_from([{}, {"segment": "premium"}, {"vip": True}]),
        "timeout_seconds": st.sampled_from([5.0, 30.0, float("nan")]),
        "request_id": st.sampled_from([None, None, "own"]),
    },
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=st.lists(questions, min_size=1, max_size=24))
def test_together_everyone_gets_what_it_would_have_got_alone(
    ask: crowds.Ask, moody: Running, asked: list[Question]
) -> None:
    # Extras of a row depend on its place in the call with this server: only even rows have any.
    together = ask(moody.target, asked)
    alone = ask(moody.target, asked, coalesce=False)
    for one, other in zip(map(shown, together), map(shown, alone), strict=True):
        if one.get("extras") == {}:
            other["extras"] = {}
        assert one == other


def test_a_lone_caller_travels_alone(ask: crowds.Ask, sums: Moody) -> None:
    for _ in range(3):
        ask(sums.target, [{"features": {"income": 1.0}}])
    assert sizes(sums) == [1, 1, 1]


def test_sharing_can_be_switched_off(ask: crowds.Ask, sums: Moody) -> None:
    ask(sums.target, [{"features": {}}] * 20, coalesce=False)
    assert sizes(sums) == [1] * 20


def test_a_request_id_of_the_caller_s_own_reaches_the_server(ask: crowds.Ask, sums: Moody) -> None:
    ask(sums.target, [{"features": {}, "request_id": f"r-{row}"} for row in range(9)])
    assert {request.request_id for request in sums.requests} == {f"r-{row}" for row in range(9)}


def test_a_layout_that_changed_is_learned_by_everyone(ask: crowds.Ask, sums: Moody) -> None:
    def change(context: grpc.ServicerContext) -> None:
        sums.schema = make_schema(numbers=("age", "income"), digest="layout-2")

    sums.plan.append(change)
    scores = ask(sums.target, [{"features": {"income": 1.0, "age": 2.0}} for _ in range(30)])
    assert [score.score for score in scores] == [3.0] * 30
