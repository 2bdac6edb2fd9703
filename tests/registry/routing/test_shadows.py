"""Shadows of a route: what is written, what is stored, and what is refused."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from scoreline_registry.documents.documents import encode
from scoreline_registry.errors import RefusedError
from scoreline_registry.history.retirement import Retire
from scoreline_registry.registry import Registry
from scoreline_registry.routing.assignment import Assigner, shadow_salt
from scoreline_registry.routing.planning import next_document, spec_of, without_arm, written_schema
from scoreline_registry.routing.route import RouteDocument
from scoreline_registry.routing.route_file import read_route, write_route
from scoreline_registry.routing.route_plan import route_plan
from scoreline_registry.routing.route_spec import RouteSpec
from tests.registry.samples import apply, publish, spec

SHADOWS = [{"model": "b@champion", "sample": 25}, {"model": "c@2"}]


def document(before: RouteDocument | None = None, **changes: Any) -> RouteDocument:
    written = spec(**changes)
    return next_document(written, schema=written_schema(written.input_schema), before=before)


def test_a_shadow_has_a_sample_and_is_no_arm() -> None:
    route = document(shadows=SHADOWS)
    assert [(shadow.ref, shadow.sample_millionths) for shadow in route.shadows] == [
        ("b@champion", 250_000),
        ("c@2", 1_000_000),
    ]
    assert route.refs == (*route.answering_refs, "b@champion", "c@2")
    assert Assigner(route).arms == route.arms == document().arms
    assert shadow_salt("s", "b@champion") == "s/shadow/b@champion"


def test_a_route_without_shadows_keeps_its_bytes_and_one_with_them_its_schema() -> None:
    assert b"shadows" not in encode(document())
    assert document(shadows=SHADOWS).schema_number == document().schema_number == 1


def test_a_route_with_shadows_is_written_as_it_was_read() -> None:
    route = document(shadows=[{"model": "b@1", "sample": "12.5"}])
    again = RouteSpec.model_validate(spec_of(route))
    assert again.shadows[0].sample == Decimal("12.5")
    assert next_document(again, schema=route.input_schema, before=route) == route
    assert read_route(write_route(route), source="test") == again


def test_a_plan_shows_shadows_and_moves_nobody() -> None:
    before, after = document(shadows=SHADOWS), document(shadows=[{"model": "b@champion", "sample": 50}])
    plan = route_plan("credit", before=before, after=after, etag="")
    assert plan.differences == ("shadow b@champion: 25 % -> 50 %", "shadow c@2: removed (was 100 %)")
    assert plan.moved == 0
    added = route_plan("credit", before=document(), after=before, etag="")
    assert added.differences == ("shadow b@champion: added 25 %", "shadow c@2: added 100 %")


def test_stopping_takes_a_shadow_out() -> None:
    route = document(shadows=SHADOWS)
    stopped = without_arm(route, "c@2")
    assert [shadow.ref for shadow in stopped.shadows] == ["b@champion"]
    assert stopped.rules == route.rules


def test_a_shadow_is_checked_as_an_arm_and_keeps_its_version_in_use(registry: Registry) -> None:
    publish(registry, aliases=["champion"])
    publish(registry)
    with pytest.raises(RefusedError, match="'credit@9'"):
        apply(registry, spec(shadows=[{"model": "credit@9"}]))
    apply(registry, spec(shadows=[{"model": "credit@2"}]))
    with pytest.raises(RefusedError, match="route credit uses credit@2"):
        registry.commit(Retire("credit", 2), author="ann", message="")


@pytest.mark.parametrize(
    ("shadows", "problem"),
    [
        ([{"model": "b"}], "write model@version"),
        ([{"model": "b@1", "sample": 0}], "samples nothing"),
        ([{"model": "b@1", "sample": 101}], "between 0 and 100"),
        ([{"model": "b@1", "percent": 5}], "unknown key 'percent'"),
        ([{"model": "b@1"}, {"model": "b@1", "sample": 5}], "duplicate shadow 'b@1'"),
        ([{"sample": 5}], "Field required"),
    ],
)
def test_shadows_that_cannot_be_are_refused(shadows: list[dict[str, Any]], problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        spec(shadows=shadows)
    assert problem in str(caught.value)
