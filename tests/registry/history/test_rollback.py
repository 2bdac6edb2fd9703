from typing import TypedDict

import pytest

from scoreline_registry.documents.contract import Feature
from scoreline_registry.errors import ConflictError, NotFoundError, RefusedError
from scoreline_registry.history.retirement import Retire, Unretire
from scoreline_registry.history.rollback import RollbackAll, RollbackModel, RollbackRoute
from scoreline_registry.registry import Registry
from scoreline_registry.routing.planning import written_schema
from scoreline_registry.storage import MemoryStorage
from scoreline_registry.upkeep.verification import verify
from tests.registry.samples import apply, publish, spec

INCOME = Feature(name="income", required=True)
AGE = Feature(name="age", required=True)


class Signature(TypedDict):
    """Who and why."""

    author: str
    message: str


def signed(message: str = "") -> Signature:
    return {"author": "ann", "message": message}


def test_a_models_aliases_go_back_and_its_versions_stay(registry: Registry) -> None:
    publish(registry, aliases=["champion"])
    past = registry.latest()
    publish(registry, aliases=["champion", "challenger"])
    outcome = registry.commit(RollbackModel("credit", registry.at(past.revision)), **signed("worse"))
    assert [str(event) for event in outcome.events] == [
        "alias credit@challenger: 2 -> nothing",
        "alias credit@champion: 2 -> 1",
    ]
    document = registry.latest().models["credit"]
    assert (document.aliases, document.numbers, document.next_version) == ({"champion": 1}, [1, 2], 3)
    newest = next(iter(registry.history()))
    assert (newest.revision, newest.author, newest.message) == (3, "ann", "worse")


def test_a_route_goes_back_and_still_knows_the_layouts_that_callers_learned(registry: Registry) -> None:
    publish(registry, aliases=["champion"])
    apply(registry, spec(holdout=5))
    past = registry.latest()
    wider = spec(schema={"features": {"income": "number", "age": "number"}})
    apply(registry, wider)
    registry.commit(RollbackRoute("credit", registry.at(past.revision)), **signed())
    after = registry.latest().routes["credit"]
    assert after.rules == past.routes["credit"].rules
    assert after.holdout_millionths == 50_000
    assert after.earlier_schemas == (written_schema(wider.input_schema),)


def test_everything_goes_back_and_a_route_made_since_goes_away(registry: Registry) -> None:
    publish(registry, aliases=["champion"])
    publish(registry, "churn", aliases=["champion"])
    apply(registry, spec())
    past = registry.latest()
    publish(registry, aliases=["champion"])
    publish(registry, "churn", aliases=["champion"])
    apply(registry, spec(holdout=5))
    apply(registry, spec(route="second"))
    outcome = registry.commit(RollbackAll(registry.at(past.revision)), **signed())
    assert {str(event) for event in outcome.events} == {
        "alias credit@champion: 2 -> 1",
        "alias churn@champion: 2 -> 1",
        "route credit: holdout: 5 % -> 0 %",
        "route second: removed",
    }
    registry.commit(RollbackAll(registry.at(outcome.revision - 1)), **signed("after all not"))
    after = registry.latest()
    assert after.models["credit"].aliases == {"champion": 2}
    assert set(after.routes) == {"credit", "second"}


def test_the_same_pointers_make_no_revision(registry: Registry) -> None:
    publish(registry, aliases=["champion"])
    before = registry.latest().revision
    outcome = registry.commit(RollbackAll(registry.at(1)), **signed())
    assert (outcome.written, outcome.events, registry.latest().revision) == (False, (), before)


def test_a_pointer_to_a_retired_version_stays_where_it_is(registry: Registry) -> None:
    publish(registry, aliases=["champion"])
    publish(registry, aliases=["champion"])
    registry.commit(Retire("credit", 1), **signed())
    for change in (RollbackModel("credit", registry.at(1)), RollbackAll(registry.at(1))):
        with pytest.raises(RefusedError, match=r"version 1, which ann retired on .*`scoreline unretire credit@1`"):
            registry.commit(change, **signed())
    registry.commit(Unretire("credit", 1), **signed())
    assert registry.commit(RollbackModel("credit", registry.at(1)), **signed()).written


def test_a_rollback_checks_every_route_that_it_reaches(registry: Registry) -> None:
    publish(registry, "credit", INCOME, AGE, aliases=["champion"])
    publish(registry, "credit", INCOME, aliases=["champion", "challenger"])
    apply(registry, spec())
    apply(registry, spec(route="second", rules=[{"split": {"credit@challenger": 100}}]))
    with pytest.raises(RefusedError) as caught:
        registry.commit(RollbackModel("credit", registry.at(1)), **signed())
    assert [problem[:40] for problem in caught.value.problems] == [
        "route credit: credit@champion requires t",
        "route second: alias 'credit@challenger' ",
    ]
    publish(registry, "credit", INCOME, AGE, aliases=["stable"])
    with pytest.raises(RefusedError, match="route credit"):
        registry.commit(RollbackModel("credit", registry.at(1)), **signed())


def test_a_route_is_checked_against_what_its_aliases_mean_now(registry: Registry) -> None:
    publish(registry, "credit", INCOME, aliases=["champion"])
    apply(registry, spec())
    wider = spec(schema={"features": {"income": "number", "age": "number"}})
    apply(registry, wider)
    publish(registry, "credit", INCOME, AGE, aliases=["champion"])
    with pytest.raises(RefusedError, match="requires the number 'age'"):
        registry.commit(RollbackRoute("credit", registry.at(2)), **signed())


def test_what_was_not_there_yet_is_named(registry: Registry) -> None:
    publish(registry, aliases=["champion"])
    apply(registry, spec())
    with pytest.raises(NotFoundError, match="revision 1 did not have it yet"):
        registry.commit(RollbackRoute("credit", registry.at(1)), **signed())
    with pytest.raises(NotFoundError, match="revision 0 did not have it yet"):
        registry.commit(RollbackModel("credit", registry.at(0)), **signed())
    with pytest.raises(NotFoundError, match="revision '9'"):
        registry.commit(RollbackAll(registry.at(9)), **signed())


def test_an_etag_and_a_dry_run_hold_for_rollback_too(memory: MemoryStorage, registry: Registry) -> None:
    publish(registry, aliases=["champion"])
    seen = registry.latest().model_digests["credit"]
    publish(registry, aliases=["champion"])
    with pytest.raises(ConflictError):
        registry.commit(RollbackModel("credit", registry.at(1)), if_match=seen, **signed())
    planned = registry.commit(RollbackModel("credit", registry.at(1)), dry_run=True, **signed())
    assert (planned.written, len(planned.events), registry.latest().revision) == (False, 1, 2)
    assert not verify(memory).findings
