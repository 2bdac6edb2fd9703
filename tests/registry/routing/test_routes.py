"""Routes over time: schemas that are remembered, units that stay, plans that tell the truth."""

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from scoreline_registry.documents.contract import SequenceContract
from scoreline_registry.documents.documents import canonical_json, decode, encode
from scoreline_registry.registry import Registry
from scoreline_registry.routing.assignment import Assigner
from scoreline_registry.routing.conditions import Context
from scoreline_registry.routing.planning import next_document, written_schema
from scoreline_registry.routing.route import (
    MAX_EARLIER_SCHEMAS,
    ROUTE_SCHEMA,
    RouteDocument,
    RouteSchema,
    SchemaFeature,
    schema_digest,
)
from scoreline_registry.routing.route_plan import route_plan
from scoreline_registry.routing.route_spec import RouteSpec
from tests.registry.samples import apply, publish, spec

UNITS = [f"customer-{number}" for number in range(4000)]
PREMIUM = {"segment": {"eq": "premium"}}


def following(written: RouteSpec, before: RouteDocument | None = None) -> RouteDocument:
    return next_document(written, schema=written_schema(written.input_schema), before=before)


def arms_of(document: RouteDocument, context: Context) -> list[str]:
    assigner = Assigner(document)
    return [assigner.arms[arm] for arm in assigner.assign_many(UNITS, [context] * len(UNITS))[0]]


def schema_of(*names: str, **sequence: Any) -> RouteSchema:
    features = tuple(SchemaFeature(name=name) for name in names)
    return RouteSchema(features=features, sequence=SequenceContract(**sequence) if sequence else None)


def test_the_digest_of_a_schema_is_the_same_in_every_language() -> None:
    features = (SchemaFeature(name="income"), SchemaFeature(name="état", kind="category"))
    schema = RouteSchema(features=features, sequence=SequenceContract(features=("balance",), max_length=90))
    # printf '{"features":[["income","number"],["état","category"]],"sequence":["balance"]}\n' | sha256sum
    assert schema_digest(schema) == "087af7ef8cae134dbf85af2ad937cc1003e9e3d6549c6d8cdd72fc6e3b1d913a"


def test_the_digest_covers_names_kinds_and_order_but_no_lengths() -> None:
    base = schema_of("a", "b", features=("s", "t"), max_length=30)
    assert schema_digest(base) == schema_digest(schema_of("a", "b", features=("s", "t"), max_length=90))
    category = RouteSchema(features=(SchemaFeature(name="a", kind="category"), SchemaFeature(name="b")))
    others = [
        schema_of("b", "a"),
        schema_of("a", "b"),
        category,
        schema_of("a", "b", features=("t", "s"), max_length=30),
    ]
    assert len({schema_digest(schema) for schema in [base, *others]}) == 5


def test_a_stored_route_owns_every_bucket_exactly_once() -> None:
    raw = json.loads(encode(following(spec({"credit@champion": 90, "credit@1": 10}))))
    raw["rules"][0]["arms"][0]["ranges"][0]["end"] = 899_999
    with pytest.raises(ValidationError, match="gap at 899999"):
        RouteDocument.model_validate(raw)


def test_earlier_layouts_are_kept_newest_first_and_each_once(registry: Registry) -> None:
    publish(registry, aliases=["champion"])
    for number in range(12):
        apply(registry, spec(schema={"features": {"income": "number", f"f{number}": "number"}}))
    document = registry.latest().routes["credit"]
    assert len(document.earlier_schemas) == MAX_EARLIER_SCHEMAS
    assert [list(schema.kinds)[1] for schema in document.earlier_schemas] == [f"f{n}" for n in range(10, 2, -1)]
    apply(registry, spec(schema={"features": {"income": "number", "f9": "number"}}))
    again = registry.latest().routes["credit"]
    assert [list(schema.kinds)[1] for schema in again.earlier_schemas] == [
        "f11",
        "f10",
        *(f"f{n}" for n in range(8, 2, -1)),
    ]


def test_a_new_length_alone_is_no_new_layout() -> None:
    first = following(spec(schema={"sequence": {"features": ["s"], "max_length": 30}}))
    second = following(spec(schema={"sequence": {"features": ["s"], "max_length": 90}}), first)
    assert second.input_schema.sequence is not None
    assert second.input_schema.sequence.max_length == 90
    assert second.earlier_schemas == ()


def test_what_a_newer_scoreline_keeps_in_a_route_survives_an_apply() -> None:
    raw = json.loads(encode(following(spec()))) | {"mirrors": [{"ref": "stack@1", "sample": 25}]}
    stored = decode(RouteDocument, canonical_json(raw), key="k", supported=ROUTE_SCHEMA)
    again = json.loads(encode(following(spec(holdout=5), stored)))
    assert again["mirrors"] == raw["mirrors"]
    assert again["holdout_millionths"] == 50_000


def test_a_new_rule_starts_from_the_arms_its_units_had() -> None:
    before = following(spec({"a@1": 90, "b@1": 10}))
    after = following(
        spec(rules=[{"when": PREMIUM, "split": {"a@1": 50, "b@1": 50}}, {"split": {"a@1": 90, "b@1": 10}}]), before
    )
    moves = Counter(zip(arms_of(before, {"segment": "premium"}), arms_of(after, {"segment": "premium"}), strict=True))
    assert moves["b@1", "a@1"] == 0
    assert arms_of(before, {}) == arms_of(after, {})


def test_an_edited_condition_keeps_the_ranges_of_its_rule() -> None:
    last = {"split": {"a@1": 100}}
    ramped = following(spec(rules=[{"when": PREMIUM, "split": {"a@1": 90, "b@1": 10}}, last]))
    ramped = following(spec(rules=[{"when": PREMIUM, "split": {"a@1": 80, "b@1": 10, "c@1": 10}}, last]), ramped)
    wider = {"segment": {"in": ["premium", "private"]}}
    after = following(spec(rules=[{"when": wider, "split": {"a@1": 80, "b@1": 10, "c@1": 10}}, last]), ramped)
    assert after.rules[0].arms == ramped.rules[0].arms


def test_rules_that_change_places_keep_their_ranges() -> None:
    web = {"channel": {"eq": "web"}}
    rules = [{"when": PREMIUM, "split": {"a@1": 90, "b@1": 10}}, {"when": web, "split": {"a@1": 10, "b@1": 90}}]
    last = {"split": {"a@1": 100}}
    before = following(spec(rules=[*rules, last]))
    after = following(spec(rules=[*reversed(rules), last]), before)
    assert [rule.arms for rule in after.rules] == [before.rules[index].arms for index in (1, 0, 2)]


splits = st.sampled_from(
    [{"a@1": 100}, {"a@1": 90, "b@1": 10}, {"b@1": 50, "a@1": 50}, {"c@1": 30, "a@1": 70}, {"b@1": 20, "c@1": 80}]
)
routes = st.builds(
    lambda split, holdout, salt: spec(split, holdout=holdout, salt=salt), splits, st.sampled_from([0, 5, 20]),
    st.sampled_from(["one", "one", "two"]),
)  # fmt: skip


@settings(max_examples=60)
@given(routes, routes)
def test_a_plan_tells_how_many_units_really_move(first: RouteSpec, second: RouteSpec) -> None:
    before = following(first)
    after = following(second, before)
    plan = route_plan("credit", before=before, after=after, etag="")
    old, new = arms_of(before, {}), arms_of(after, {})
    moved = sum(left != right for left, right in zip(old, new, strict=True)) / len(UNITS)
    assert abs(moved - plan.moved) < 0.04
    for share in plan.rules[0].shares:
        assert abs(old.count(share.arm) / len(UNITS) - share.before / 100) < 0.04
        assert abs(new.count(share.arm) / len(UNITS) - share.after / 100) < 0.04


def test_a_plan_writes_nothing_and_can_be_applied_as_it_was_seen(registry: Registry) -> None:
    publish(registry, aliases=["champion"])
    publish(registry)
    plan = registry.plan_route(spec())
    assert (plan.revision, plan.before, plan.etag, plan.moved) == (None, None, "", 0)
    assert registry.latest().revision == 2
    done = registry.apply_route(spec(), author="tester", message="", if_match=plan.etag)
    assert done.revision == 3
    assert done.after == plan.after
    ramp = registry.plan_route(spec({"credit@champion": 87.5, "credit@2": 12.5}))
    assert ramp.moved == 0.125
    assert [(share.arm, share.before, share.after) for share in ramp.rules[0].shares] == [
        ("credit@champion", 100, 87.5),
        ("credit@2", 0, 12.5),
    ]
    assert ramp.etag == registry.latest().route_digests["credit"]


def test_a_plan_names_every_difference() -> None:
    before = following(spec(schema={"features": {"income": "number", "age": "number"}}))
    after = following(
        spec({"b@1": 100}, schema={"features": {"income": "category"}}, holdout="2.5", fallback="c@1", salt="s",
             unit="context.household"),
        before,
    )  # fmt: skip
    assert route_plan("credit", before=before, after=after, etag="").differences == (
        "feature income: number -> category",
        "feature age: removed (was number)",
        "unit: entity_id -> context.household",
        "salt: credit -> s",
        "rule 1: credit@champion 100 % -> b@1 100 %",
        "holdout: 0 % -> 2.5 %",
        "fallback: none -> c@1",
    )


def test_the_salt_is_the_routes_name_unless_one_is_given() -> None:
    assert following(spec()).salt == "credit"
    assert following(spec(salt="credit-2026q4")).salt == "credit-2026q4"


def test_a_third_of_a_percent_is_kept_exactly() -> None:
    document = following(spec({"a@1": 33.3333, "b@1": "33.3333", "c@1": Decimal("33.3334")}))
    assert [arm.millionths for arm in document.rules[0].arms] == [333_333, 333_333, 333_334]
