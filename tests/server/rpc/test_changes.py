"""What-if and recourse over a real server, through the SDK."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from scoreline import (
    AsyncClient,
    Client,
    Entity,
    EntityFailedError,
    FeatureChange,
    InvalidRequestError,
    NotFoundError,
    RecourseState,
    RetryPolicy,
    ScorelineError,
)
from scoreline.cli.app import run
from scoreline.v1 import decisions_pb2, decisions_pb2_grpc
from scoreline_registry.decisions.specs.policy_file import read_policy
from scoreline_registry.registry import Registry
from scoreline_registry.routing.route_file import read_route
from scoreline_server.app import Server
from scoreline_server.settings import Settings
from tests.server.decisions.rows import BANDS, FEATURES, ROUTE, WEIGHTS, score
from tests.server.toys import publish_linear
from tests.server.wire import entity

POLICY = """
policy: keeper
route: credit
salt: test
score_value: {feature: income, times: -100}
actions:
  call: {cost: 1}
strategies:
  only:
    rules: [{name: all, action: none}]
interventions:
  half:  {multiply: {debt: 0.5}, cost: 5}
  move:  {set: {city: oslo}, cost: {feature: debt, times: 10}, excludes: [visit]}
  visit: {cap: {debt: 0.2}, cost: 60}
recourse:
  debt: {direction: down, min: 0, step: 0.25}
  city: {immutable: true}
"""
ROW: Mapping[str, float | str | bool | None] = {"income": 1.0, "debt": 2.0, "city": "rome"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry of a route with a policy; the model's second version is a shadow of the route."""
    folder = tmp_path_factory.mktemp("changes")
    registry = Registry.create(str(folder / "registry"))
    publish_linear(registry, "linear", WEIGHTS, features=FEATURES, aliases=("champion",), bands=BANDS)
    publish_linear(registry, "linear", (0.0, 0.01, 2.0, 0.5), features=FEATURES, aliases=("next",), bands=BANDS)
    text = ROUTE + "shadows:\n  - {model: linear@next, sample: 100}\n"
    registry.apply_route(read_route(text, source="test"), author="tester", message="route")
    registry.apply_policy(read_policy(POLICY, source="test"), author="tester", message="policy")
    (folder / "rows.csv").write_text("entity_id,income,debt,city\nc-1,1,2,rome\nc-2,4,0.1,oslo\nc-3,1.5,1,rome\n")
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    settings = Settings(registry=str(folder / "registry"), listen="127.0.0.1:0", journal_dir=str(folder / "journal"))
    with Server(settings) as server:
        yield server.address


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    with Client(address) as client:
        yield client


def test_interventions_of_the_policy_are_compared(client: Client) -> None:
    found = client.what_if("keeper", ROW, entity_id="c-1", path=True)
    before = score(1, 40, 2, 1)
    assert found.score is not None
    assert found.score.score == pytest.approx(before)
    assert found.score.arm == "linear@champion"
    assert [each.interventions for each in found.scenarios] == [("half",), ("move",), ("visit",)]
    half = found.scenarios[0]
    assert half.score_after == pytest.approx(score(1, 40, 1, 1))
    assert half.benefit == pytest.approx(100 * (before - half.score_after))
    assert (half.cost, half.band_before, half.band_after) == (5, "high", "high")
    assert half.changes == (FeatureChange("debt", 2.0, 1.0, derived=False),)
    assert found.scenarios[1].cost == 20
    assert found.best_set is not None
    assert found.exact
    assert found.path is not None
    assert found.path.judges == "versions"
    assert found.path.judge_count == 2
    assert found.path.steps[-1].score_after == pytest.approx(found.best_set.score_after)
    assert sum(step.net_value for step in found.path.steps) == pytest.approx(found.best_set.net_value)


def test_scenarios_and_interventions_of_the_caller(client: Client) -> None:
    found = client.what_if(
        "keeper",
        ROW,
        ad_hoc={"raise": {"add": {"income": 2.0}, "set": {"city": "oslo"}, "cost": 7, "excludes": ["half"]}},
        scenarios=[["visit", "move"], ["half", "raise"], ["visit", "raise"], []],
        benefit=1000,
        goal="lower",
        budget=10,
    )
    assert [each.problem for each in found.scenarios[4:6]] == [
        "move and visit exclude each other",
        "half and raise exclude each other",
    ]
    both = found.scenarios[6]
    assert both.interventions == ("visit", "raise")
    assert both.score_after == pytest.approx(score(3, 40, 0.2, 0))
    assert found.scenarios[7].score_after == found.scenarios[7].score_before
    assert found.best_single is not None
    assert found.best_single.interventions == ("raise",)
    assert found.best_single.net_value == pytest.approx(1000 * (score(1, 40, 2, 1) - found.best_single.score_after) - 7)


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"interventions": ["quarter"]}, "unknown intervention 'quarter'"),
        ({"scenarios": [["half", "hlaf"]]}, "unknown intervention 'hlaf'; did you mean 'half'"),
        ({"ad_hoc": {"half": {"add": {"debt": 1}}}}, "duplicate intervention 'half'"),
        ({"ad_hoc": {"x": {"add": {"dept": 1}}}}, "route credit has no feature 'dept'; did you mean 'debt'"),
        ({"ad_hoc": {"x": {"add": {"city": 1}}}}, "feature 'city' is a category: set it to a text"),
        ({"ad_hoc": {"x": {"set": {"debt": "much"}}}}, "feature 'debt' is a number: write a number"),
        ({"ad_hoc": {"x": {}}}, "intervention 'x'"),
        ({"ad_hoc": ["x"]}, "'ad_hoc' takes a mapping by names, as in {'multiply'"),
        ({"ad_hoc": {"x": {"set": 5}}}, "'set' takes a mapping by names"),
        ({"ad_hoc": {"x": {"add": {7: 5}}}}, "'add' takes text"),
        ({"interventions": ["\ud800"]}, "interventions"),
        ({"ad_hoc": {"x": {"ad": {"debt": 1}}}}, "unknown key 'ad'"),
        ({"ad_hoc": {"x": {"add": {"debt": float("nan")}}}}, "intervention 'x'"),
        ({"ad_hoc": {"": {"add": {"debt": 1}}}}, "an intervention has a name"),
        ({"ad_hoc": {"x": {"add": {"debt": 1}, "cost": -1}}}, "'x': cost is -1: a cost is not negative"),
        ({"scenarios": [["half"]] * 101}, "101 scenarios; send at most 100"),
        ({"budget": float("nan")}, "budget is a number of at least 0"),
        ({"budget": -1.0}, "budget is a number of at least 0"),
        ({"benefit": float("inf")}, "benefit is a number"),
        ({"most": 17}, "most is a number from 1 to 16"),
        ({"most": 0}, "most takes a whole number"),
        ({"goal": "up"}, "goal takes 'lower' or 'higher'"),
    ],
)
def test_a_wrong_comparison_is_refused_in_one_line(client: Client, asked: dict[str, object], problem: str) -> None:
    with pytest.raises(InvalidRequestError, match=problem):
        client.what_if("keeper", ROW, **asked)  # type: ignore[arg-type]


def test_comparisons_for_many_entities_are_no_reason_to_refuse_a_decision(address: str) -> None:
    many = [entity(income=1.0, debt=2.0, city="rome")] * 256
    request = decisions_pb2.WhatIfRequest(policy="keeper", entities=many, path=True)
    with (
        grpc.insecure_channel(address) as channel,
        Client(address, retry=RetryPolicy(max_attempts=1)) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        call = decisions_pb2_grpc.DecisionServiceStub(channel).WhatIf
        compared = [pool.submit(call, request, timeout=60) for _ in range(3)]
        actions = []
        while not compared[-1].done():
            actions.append(client.decide("keeper", ROW, timeout_seconds=60).action)
        assert [len(future.result().results) for future in compared] == [256] * 3
    assert set(actions) == {"none"}


def test_an_unknown_policy_is_named(client: Client) -> None:
    with pytest.raises(NotFoundError, match="keepr"):
        client.what_if("keepr", ROW)


def test_rows_fail_alone(client: Client) -> None:
    rows = [Entity(features=ROW), Entity(features={"debt": 1.0}), Entity(features={"dept": 1.0}), Entity(features=ROW)]
    compared = client.what_if_many("keeper", rows, interventions=["half"])
    ways = client.recourse_many(rows, policy="keeper", band="medium")
    for found in (compared, ways):
        assert [each.error is None for each in found] == [True, False, False, True]
        assert isinstance(found[1].error, ScorelineError)
        assert "income" in str(found[1].error)
    with pytest.raises(EntityFailedError, match="income"):
        client.recourse("keeper", {"debt": 1.0}, band="low")


def test_recourse_of_a_policy_keeps_to_its_limits(client: Client) -> None:
    found = client.recourse("keeper", ROW, entity_id="c-1", band="medium", most=5)
    assert found.state is RecourseState.FOUND
    assert found.score is not None
    assert (found.score.version, found.score.revision) == (1, 4)
    for way in found.ways:
        after = {change.feature: change.after for change in way.changes}
        assert "city" not in after
        debt, income = after.get("debt", 2.0), after.get("income", 1.0)
        assert isinstance(debt, float)
        assert isinstance(income, float)
        assert debt % 0.25 == 0
        assert income >= 1
        assert way.score == client.score("credit", {**ROW, **after}, entity_id="c-1").score < 0.7
        assert way.band == "medium"
        assert way.holds_for_next_version is (score(0, 40, debt, 1) < 0.7)


def test_recourse_of_a_route_is_as_the_contract_says(client: Client) -> None:
    found = client.recourse(route="credit", features=ROW, at_most=0.97, fixed=["debt", "income"])
    assert [way.changes for way in found.ways] == [(FeatureChange("city", "rome", "oslo", derived=False),)]
    assert found.exact
    reached = client.recourse(route="credit", features=ROW, at_least=0.5)
    assert (reached.state, reached.ways) == (RecourseState.REACHED, ())
    none = client.recourse(route="credit", features=ROW, at_most=0.1, fixed=["debt", "income"])
    assert (none.state, none.exact) == (RecourseState.IMPOSSIBLE, True)


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"band": "lwo"}, "there is no band 'lwo'; there are low, medium, high"),
        ({}, "name one target"),
        ({"band": "low", "at_most": 0.1}, "name one target"),
        ({"at_most": float("nan")}, "at_most is a finite number"),
        ({"band": "low", "most": 11}, "most is a number from 1 to 10"),
        ({"band": "low", "fixed": ["dept"]}, "no feature 'dept'"),
        ({"band": "low", "engine": "magic"}, "unknown engine 'magic'"),
    ],
)
def test_a_wrong_search_is_refused_in_one_line(client: Client, asked: dict[str, object], problem: str) -> None:
    with pytest.raises(InvalidRequestError, match=problem):
        client.recourse("keeper", ROW, **asked)  # type: ignore[arg-type]


def test_asyncio_has_the_same_calls(address: str) -> None:
    async def both() -> tuple[object, object]:
        async with AsyncClient(address) as client:
            compared = await client.what_if("keeper", ROW)
            found = await client.recourse("keeper", ROW, band="medium")
            rows = await client.what_if_many("keeper", [Entity(features=ROW)])
            ways = await client.recourse_many([Entity(features=ROW)], route="credit", band="medium")
            assert rows[0].best_set is not None
            assert ways[0].state is RecourseState.FOUND
            return compared.best_set, found.state

    best, state = asyncio.run(both())
    assert best is not None
    assert state is RecourseState.FOUND


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The output of a command that succeeds."""
    assert run(list(arguments)) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def test_commands_print_comparisons_of_one_entity(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    one = ("--server", address, "--set", "income=1", "--set", "debt=2", "--set", "city=rome")
    text = printed(capsys, "whatif", "keeper", *one, "--path", "--scenarios", "half+visit,half")
    assert "half+visit" in text
    assert "best set: " in text
    assert "2 versions agree with every step" in text
    facts = json.loads(printed(capsys, "whatif", "keeper", *one, "--json"))
    assert facts["best_set"]["net_value"] > 0
    assert "way" in printed(capsys, "recourse", "keeper", *one, "--band", "medium").lower()
    assert "no way exists" in printed(
        capsys, "recourse", "credit", *one, "--at-most", "0.1", "--fixed", "debt", "--fixed", "income"
    )


@pytest.mark.parametrize("local", [False, True])
def test_commands_total_a_campaign(
    address: str, folder: Path, capsys: pytest.CaptureFixture[str], *, local: bool
) -> None:
    where = ("--local", "--registry", str(folder / "registry")) if local else ("--server", address)
    file = str(folder / "rows.csv")
    facts = json.loads(printed(capsys, "whatif", "keeper", file, *where, "--json", "--budget", "5"))
    totals = {each["scenario"]: each for each in facts["scenarios"]}
    assert list(totals) == ["half", "move", "visit", "best of each"]
    half = totals["half"]
    assert (half["rows"], half["cost"]) == (3, 15)
    gains = [100 * income * (score(income, 40, debt, city) - score(income, 40, debt / 2, city)) - 5
             for income, debt, city in ((1, 2, 1), (4, 0.1, 0), (1.5, 1, 1))]  # fmt: skip
    assert half["net_value"] == pytest.approx(sum(gains), rel=1e-4)
    assert (half["paid_rows"], half["paid_cost"]) == (1, 5)
    assert half["paid_net_value"] == pytest.approx(max(gains), rel=1e-4)
    named = json.loads(printed(capsys, "whatif", "keeper", file, *where, "--json", "--scenarios", "half+visit,visit"))
    assert [(each["scenario"], each["rows"]) for each in named["scenarios"]] == [("visit", 3), ("half+visit", 3)]
    lines = printed(capsys, "recourse", "credit", "--input", file, *where, "--at-most", "0.69", "--json").splitlines()
    states = [json.loads(line)["state"] for line in lines]
    assert states == ["FOUND", "REACHED", "FOUND"]


def test_a_campaign_without_a_budget_that_can_be_compared_is_refused(
    address: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["whatif", "keeper", str(folder / "rows.csv"), "--server", address, "--budget", "nan"]) == 2
    assert "'--budget': nan is not a number" in capsys.readouterr().err


def test_scenarios_of_a_file(address: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = folder / "asked.yaml"
    asked.write_text("interventions:\n  gift: {add: {income: 1}, cost: 3}\nscenarios: [[gift], [gift, half]]\n")
    table = printed(
        capsys, "whatif", "keeper", str(folder / "rows.csv"), "--server", address, "--scenarios", str(asked)
    )
    assert [line.split()[0] for line in table.splitlines()] == ["SCENARIO", "gift", "gift+half"]
    asked.write_text("scenarios: half\n")
    assert run(["whatif", "keeper", str(folder / "rows.csv"), "--server", address, "--scenarios", str(asked)]) == 2
    assert "write {scenarios: [[discount]" in capsys.readouterr().err
