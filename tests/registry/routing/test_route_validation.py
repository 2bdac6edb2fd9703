from typing import Any

import pytest

from scoreline_registry.documents.contract import Feature, InputContract, SequenceContract
from scoreline_registry.errors import NotFoundError, RefusedError
from scoreline_registry.history.changes import SetAlias
from scoreline_registry.registry import Registry
from scoreline_registry.routing.planning import next_document, written_schema
from scoreline_registry.routing.route import RouteSchema, SchemaFeature
from scoreline_registry.routing.route_validation import contract_errors, rule_errors
from tests.registry.samples import apply, publish, spec

AGE = Feature(name="age", required=True)
INCOME = Feature(name="income", required=True)
STATUS = Feature(name="status", kind="category", vocabulary=("a", "b"))
DAILY = SequenceContract(features=("balance", "spend"), max_length=90)


def schema(sequence: SequenceContract | None = None, **kinds: str) -> RouteSchema:
    features = [SchemaFeature.model_validate({"name": name, "kind": kind}) for name, kind in kinds.items()]
    return RouteSchema(features=tuple(features), sequence=sequence)


@pytest.mark.parametrize(
    ("offered", "problems"),
    [
        (schema(age="number"), []),
        (schema(age="number", status="category", other="number"), []),
        (schema(income="number"), ["m@1 requires the number 'age', which the route's schema lacks"]),
        (schema(age="category"), ["m@1 takes 'age' as a number, the route's schema has a category"]),
        (
            schema(age="number", status="number"),
            ["m@1 takes 'status' as a category, the route's schema has a number"],
        ),
    ],
)
def test_features_are_checked_by_name_need_and_kind(offered: RouteSchema, problems: list[str]) -> None:
    assert contract_errors(offered, "m@1", InputContract(features=(AGE, STATUS))) == problems


@pytest.mark.parametrize(
    ("offered", "problems"),
    [
        (DAILY, []),
        (SequenceContract(features=("spend", "more", "balance"), max_length=30), []),
        (None, ["m@1 takes a sequence, which the route's schema lacks"]),
        (
            SequenceContract(features=("spend",), max_length=91),
            [
                "m@1 requires the step feature 'balance', which the route's schema lacks",
                "m@1 takes sequences of at most 90 steps, the route's schema allows 91",
            ],
        ),
    ],
)
def test_sequences_are_checked_by_features_and_length(offered: SequenceContract | None, problems: list[str]) -> None:
    taken = InputContract(sequence=DAILY)
    assert contract_errors(schema(offered, any="number"), "m@1", taken) == problems


def test_a_model_without_a_sequence_does_not_mind_one() -> None:
    assert not contract_errors(schema(DAILY, age="number"), "m@1", InputContract(features=(AGE,)))


@pytest.mark.parametrize(
    ("conditions", "problem"),
    [
        ([{"x": {"gt": 1, "lt": 1}}], "rule 1 can never match: its conditions contradict each other"),
        (
            [{"x": {"lt": 2}}, {"x": {"lt": 1}}],
            "rule 2 can never match: no context meets it that meets no earlier rule",
        ),
        ([None], "rule 2 can never match: rule 1 has no condition"),
        ([None, {"x": {"eq": 1}}], "rule 2 can never match: rule 1 has no condition"),
        ([{"x": {"exists": True}}, {"x": {"exists": False}}], None),
        ([{"x": {"eq": 1}}, {"x": {"eq": 2}}], None),
    ],
)
def test_rules_that_can_never_match_are_named(conditions: list[Any], problem: str | None) -> None:
    rules = [{"split": {"m@1": 100}} | ({"when": when} if when else {}) for when in [*conditions, None]]
    written = spec(rules=rules)
    document = next_document(written, schema=written_schema(written.input_schema), before=None)
    found = rule_errors(document.rules)
    assert found[:1] == ([problem] if problem else [])


def test_a_route_is_refused_with_everything_that_is_wrong_with_it(registry: Registry) -> None:
    publish(registry, "credit", AGE)
    written = spec(
        rules=[
            {"when": {"x": {"gt": 1, "lt": 1}}, "split": {"credit@1": 50, "credit@9": 50}},
            {"split": {"churn@champion": 100}},
        ],
        fallback="credit@stable",
    )
    with pytest.raises(RefusedError) as caught:
        apply(registry, written)
    problems = " | ".join(caught.value.problems)
    for part in (
        "rule 1 can never match",
        "'credit@9'",
        "'churn'",
        "'credit@stable'",
        "credit@1 requires the number 'age'",
    ):
        assert part in problems
    assert len(caught.value.problems) == 5
    assert registry.latest().revision == 1


def test_a_plan_warns_of_features_that_no_caller_can_send(registry: Registry) -> None:
    publish(registry, "credit", *(Feature(name=f"x{number:02d}") for number in range(19)))
    written = spec({"credit@1": 100}, schema={"features": {"x03": "number"}})
    (warning,) = registry.plan_route(written).warnings
    assert warning.startswith("credit@1: the route's schema lacks 18 of its 19 features")
    assert warning.endswith("x00, x01, x02, x04, x05, x06, x07, x08, ...")
    assert registry.apply_route(written, author="tester", message="").warnings == (warning,)
    assert not registry.plan_route(spec({"credit@1": 100}, schema={"like": "credit@1"})).warnings


def test_moving_an_alias_checks_every_route_that_uses_it(registry: Registry) -> None:
    publish(registry, "credit", INCOME, aliases=["champion", "stable", "unused"])
    publish(registry, "credit", INCOME, AGE)
    publish(registry, "logit", INCOME, aliases=["champion"])
    apply(registry, spec())
    apply(registry, spec(route="second", rules=[{"split": {"logit@champion": 100}}], fallback="credit@stable"))
    for alias, route in (("champion", "credit"), ("stable", "second")):
        with pytest.raises(RefusedError, match=f"route {route}: credit@{alias} requires the number 'age'"):
            registry.commit(SetAlias("credit", alias, 2), author="tester", message="")
    registry.commit(SetAlias("credit", "unused", 2), author="tester", message="")
    assert registry.latest().models["credit"].aliases == {"champion": 1, "stable": 1, "unused": 2}


def test_a_schema_like_a_model_gives_it_what_it_takes(registry: Registry) -> None:
    publish(registry, "credit", INCOME, STATUS, sequence=DAILY, aliases=["champion"])
    apply(registry, spec(schema={"like": "credit@champion"}))
    stored = registry.latest().routes["credit"].input_schema
    assert stored.kinds == {"income": "number", "status": "category"}
    assert stored.sequence == DAILY
    with pytest.raises(NotFoundError, match="credit@9"):
        apply(registry, spec(schema={"like": "credit@9"}))
