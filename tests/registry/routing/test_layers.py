"""Layers and testers: which arm, why, and what is stored."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from scoreline_registry.documents.documents import encode
from scoreline_registry.errors import InvalidError, NotFoundError, RefusedError
from scoreline_registry.history.changes import StopArm
from scoreline_registry.history.retirement import Retire
from scoreline_registry.registry import Registry
from scoreline_registry.routing.assignment import NO_RULE, Assigner, layer_salt
from scoreline_registry.routing.bucketing import bucket
from scoreline_registry.routing.planning import next_document, spec_of, without_arm, written_schema
from scoreline_registry.routing.route import RouteDocument
from scoreline_registry.routing.route_file import read_route
from scoreline_registry.routing.route_plan import route_plan
from scoreline_registry.routing.route_spec import RouteSpec
from tests.registry.samples import apply, publish, spec

UNITS = [f"customer-{number}" for number in range(20_000)]
MANY = [f"customer-{number}" for number in range(100_000)]
HALVES = {"a@1": 50, "b@1": 50}
# The 99.9th percentile of chi-square with 2 degrees of freedom: what 1 salt in 1,000 exceeds.
CHI_SQUARE_2 = 13.82


def document(*rules: dict[str, Any], before: RouteDocument | None = None, **changes: Any) -> RouteDocument:
    written = spec(rules=list(rules), **changes)
    return next_document(written, schema=written_schema(written.input_schema), before=before)


def arms(route: RouteDocument, units: list[str] = UNITS) -> list[str]:
    assigner = Assigner(route)
    return [assigner.arms[index] for index in assigner.assign_many(units)[0]]


def agreement(left: list[str], right: list[str]) -> float:
    return sum(a == b for a, b in zip(left, right, strict=True)) / len(left)


def test_layers_deal_independently_and_one_layer_alike_in_every_route() -> None:
    plain = arms(document({"split": HALVES}, salt="s"))
    pricing = arms(document({"layer": "pricing", "split": HALVES}, salt="s"))
    wording = arms(document({"layer": "wording", "split": HALVES}, salt="s"))
    for left, right in ((plain, pricing), (plain, wording), (pricing, wording)):
        assert abs(agreement(left, right) - 0.5) < 4 * (0.25 / len(UNITS)) ** 0.5
    assert arms(document({"layer": "pricing", "split": HALVES}, salt="s", route="other")) == pricing
    assert arms(document({"layer": "pricing", "split": HALVES}, salt="t")) != pricing


def test_a_layer_hashes_with_the_salt_and_its_name() -> None:
    given = Assigner(document({"layer": "pricing", "split": HALVES}, salt="s")).assign("customer-1")
    assert given.bucket == bucket("s/pricing", "customer-1")
    assert layer_salt("s", None) == "s"


def test_rules_of_different_layers_answer_in_batches_as_they_do_alone() -> None:
    route = document(
        {"when": {"x": {"eq": 1}}, "layer": "one", "split": HALVES},
        {"when": {"x": {"eq": 2}}, "layer": "two", "split": HALVES},
        {"when": {"x": {"eq": 3}}, "split": {"c@1": 100}},
        {"split": HALVES},
        testers={"customer-7": "d@1", "customer-9": "a@1"},
        holdout=10,
    )
    assigner = Assigner(route)
    contexts = [{"x": number % 5} for number in range(2000)]
    found, reasons, _ = assigner.assign_many(UNITS[:2000], contexts)
    alone = [assigner.assign(unit, context) for unit, context in zip(UNITS, contexts, strict=False)]
    assert [assigner.arms[index] for index in found] == [one.arm for one in alone]
    assert reasons == [one.reason for one in alone]
    assert set(reasons) == {"RULE_MATCH", "SPLIT", "HOLDOUT", "OVERRIDE"}


def test_a_tester_gets_the_arm_before_holdout_and_rules() -> None:
    route = document({"split": {"a@1": 100}}, testers={"me": "b@2"}, holdout=100)
    assigner = Assigner(route)
    given = assigner.assign("me")
    assert (given.arm, given.reason, given.rule, given.bucket) == ("b@2", "OVERRIDE", None, None)
    assert assigner.arms == ("a@1", "b@2")
    assert route.refs == ("a@1", "b@2")
    assert assigner.assign("you").reason == "HOLDOUT"
    assert assigner.assign_many(["me", "you", "me"]) == (
        [1, 0, 1],
        ["OVERRIDE", "HOLDOUT", "OVERRIDE"],
        bytearray([NO_RULE] * 3),
    )


def test_testers_alone_ask_nobody_for_a_unit() -> None:
    assigner = Assigner(document({"split": {"a@1": 100}}, testers={"me": "b@2"}))
    assert not assigner.needs_unit
    assert assigner.assign("").reason == "STATIC"


def test_an_arm_of_a_tester_is_checked_as_any_other(registry: Registry) -> None:
    publish(registry, aliases=["champion"])
    with pytest.raises(RefusedError, match="'credit@9'"):
        apply(registry, spec(testers={"me": "credit@9"}))
    apply(registry, spec(testers={"me": "credit@1"}))
    with pytest.raises(RefusedError, match="route credit uses credit@1"):
        registry.commit(Retire("credit", 1), author="ann", message="")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"rules": [{"layer": "holdout", "split": HALVES}]}, "the layer 'holdout' is the route's own"),
        ({"rules": [{"layer": "Pricing", "split": HALVES}]}, "layer 'Pricing' is not a valid name"),
        ({"rules": [{"layer": "", "split": HALVES}]}, "layer '' is not a valid name"),
        ({"testers": {"": "a@1"}}, "a tester is a unit of 1 to 256 printable characters"),
        ({"testers": {"x" * 257: "a@1"}}, "a tester is a unit"),
        ({"testers": {"x\x00": "a@1"}}, "a tester is a unit"),
        ({"testers": {"me": "a"}}, "write model@version"),
        ({"testers": {f"u{number}": "a@1" for number in range(1001)}}, "at most 1000 items"),
    ],
)
def test_layers_and_testers_that_cannot_be_are_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        spec(**changes)
    assert problem in str(caught.value)


def test_only_routes_that_use_the_new_things_get_a_new_schema() -> None:
    plain = document({"split": HALVES})
    assert plain.schema_number == 1
    assert b"layer" not in encode(plain)
    assert b"testers" not in encode(plain)
    tested = document({"split": HALVES}, testers={"me": "a@1"}, before=plain)
    assert tested.schema_number == document({"layer": "x", "split": HALVES}).schema_number == 2
    assert encode(document({"split": HALVES}, before=tested)) == encode(plain)


def test_a_route_with_everything_is_written_as_it_was_read() -> None:
    route = document({"layer": "pricing", "split": HALVES}, testers={"b": "b@2", "a": "a@1"}, holdout=5)
    again = RouteSpec.model_validate(spec_of(route))
    assert next_document(again, schema=route.input_schema, before=route) == route


def test_another_layer_deals_anew_and_a_plan_says_how_many_move() -> None:
    before = document({"split": HALVES})
    after = document({"layer": "pricing", "split": HALVES}, testers={"me": "a@1"}, before=before)
    plan = route_plan("credit", before=before, after=after, etag="")
    assert plan.moved == 0.5
    assert abs(1 - agreement(arms(before), arms(after)) - plan.moved) < 0.02
    assert plan.differences == (
        "rule 1: a@1 50 %, b@1 50 % -> in layer pricing, a@1 50 %, b@1 50 %",
        "tester me: added a@1",
    )


def test_a_stopped_arm_gives_its_units_to_the_first_of_the_same_rule() -> None:
    before = document(
        {"when": {"x": {"eq": 1}}, "split": {"b@1": 60, "a@1": 40}},
        {"split": {"a@1": 50, "b@1": 30, "c@1": 20}},
        testers={"me": "b@1", "you": "a@1"},
        fallback="b@1",
    )
    after = without_arm(before, "b@1")
    assert [[(arm.ref, arm.millionths) for arm in rule.arms] for rule in after.rules] == [
        [("a@1", 1_000_000)],
        [("a@1", 800_000), ("c@1", 200_000)],
    ]
    assert (after.fallback, after.overrides) == ("a@1", {"you": "a@1"})
    moves = Counter(zip(arms(before), arms(after), strict=True))
    assert set(moves) == {("a@1", "a@1"), ("b@1", "a@1"), ("c@1", "c@1")}


def test_an_arm_that_is_alone_or_not_there_cannot_be_stopped(registry: Registry) -> None:
    publish(registry, aliases=["champion", "stable"])
    apply(registry, spec({"credit@champion": 50, "credit@stable": 50}))
    assert registry.commit(StopArm("credit", "credit@stable"), author="ann", message="", dry_run=True).events
    assert registry.commit(StopArm("credit", "credit@stable"), author="ann", message="").written
    with pytest.raises(RefusedError, match="the only arm of rule 1: apply the route with another one there"):
        registry.commit(StopArm("credit", "credit@champion"), author="ann", message="")
    with pytest.raises(NotFoundError, match=r"route credit has credit@champion"):
        registry.commit(StopArm("credit", "credit@stable"), author="ann", message="")


@pytest.mark.parametrize("number", range(20))
def test_shares_of_100000_units_are_the_weights_under_20_salts(number: int) -> None:
    counts = Counter(arms(document({"split": {"a@1": 80, "b@1": 10, "c@1": 10}}, salt=f"salt-{number}"), MANY))
    expected = {"a@1": 80_000, "b@1": 10_000, "c@1": 10_000}
    assert sum((counts[arm] - share) ** 2 / share for arm, share in expected.items()) < CHI_SQUARE_2


def test_growing_an_arm_moves_only_units_of_the_one_that_shrank() -> None:
    before = document({"split": {"a@1": 80, "b@1": 10, "c@1": 10}})
    after = document({"split": {"a@1": 70, "b@1": 10, "c@1": 20}}, before=before)
    moves = Counter(zip(arms(before, MANY), arms(after, MANY), strict=True))
    assert set(moves) == {("a@1", "a@1"), ("a@1", "c@1"), ("b@1", "b@1"), ("c@1", "c@1")}
    assert abs(moves["a@1", "c@1"] - 10_000) < 400


VECTORS = json.loads((Path(__file__).parent / "golden" / "assignment.json").read_text())


@pytest.mark.parametrize("vector", VECTORS["vectors"])
def test_assignments_are_what_every_server_must_give(vector: dict[str, Any]) -> None:
    written = read_route(VECTORS["route"], source="golden")
    route = next_document(written, schema=written_schema(written.input_schema), before=None)
    given = Assigner(route).assign(vector["unit"], vector["context"])
    assert {"arm": given.arm, "reason": given.reason, "rule": given.rule, "bucket": given.bucket} == vector["given"]


# Two of the look-alikes: a Cyrillic letter, and a full-width one.
NAMES = [
    "../x",
    "",
    "x" * 300,
    "a\x00b",
    "Credit",
    "cr\u00e9dit",
    "\u0441redit",
    "\uff43redit",
    "a ",
    "a\n",
    "-a",
    "a/",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "place",
    [
        "route: {name}\nschema: {{features: {{a: number}}}}\nrules: [{{split: {{m@1: 100}}}}]",
        "route: r\nschema: {{features: {{a: number}}}}\nrules: [{{layer: {name}, split: {{m@1: 100}}}}]",
        "route: r\nschema: {{like: {name}}}\nrules: [{{split: {{m@1: 100}}}}]",
    ],
)
def test_hostile_names_in_a_file_are_refused_in_one_line(place: str, name: str) -> None:
    with pytest.raises(InvalidError) as caught:
        read_route(place.format(name=json.dumps(name)), source="route.yaml")
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 400
