"""Outcomes that forbid actions are noted for the unit and the policy that decided, found in the journal."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from scoreline.outcomes import Outcome
from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.registry import Registry
from scoreline_server.decisions.deciding import Asked, decide
from scoreline_server.decisions.suppressions import Suppressions
from scoreline_server.forgetting.folder import forget
from scoreline_server.limit_stores.sqlite_store import SqliteLimits
from scoreline_server.scoring.catalog import Catalog
from scoreline_server.scoring.decoding import decode_rows
from scoreline_server.scoring.engine import score_rows
from scoreline_server.scoring.facts import Scored
from scoreline_server.scoring.served_policy import ServedPolicy
from tests.server.journals import catalog_of, journal_in
from tests.server.policies import GUARDIAN, all_granted, decided, policy, served
from tests.server.routes import apply
from tests.server.toys import publish_linear
from tests.server.wire import entity

NO = "limits: [{name: said-no, kind: suppression, outcome: returned, for: 90d, actions: [nudge, block]}]\n"
BY_CUSTOMER = GUARDIAN.replace("policy: guardian", "policy: shops").replace(
    "salt: test", "salt: test\nunit: context.shop"
)


@pytest.fixture
def catalog(registry: Registry) -> Catalog:
    publish_linear(registry, "linear", (1.0, 0, 0), aliases=("champion",))
    apply(registry)
    return catalog_of(registry)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteLimits]:
    store = SqliteLimits(tmp_path / "limits.sqlite")
    yield store
    store.close()


def bought(shop: str, name: str) -> pb.Entity:
    return entity(name, income=3.0, debt=1.0, context={"shop": shop})


def journaled(folder: Path, by: ServedPolicy, *entities: pb.Entity) -> list[str]:
    """The ids of decisions that stand in a journal."""
    request = decode_rows(pb.ScoreRequest(route="credit", entities=entities), by.route)
    scored = Scored(*score_rows([request]))
    found = decide(by, scored, Asked(), all_granted, time_ns=time.time_ns())
    journal = journal_in(folder)
    journal(replace(scored.batch, decisions=found.journaled(len(entities))))
    journal.close()
    return [f"{scored.batch.call_ids.hex()}-{row}" for row in range(len(entities))]


def actions(by: ServedPolicy, store: SqliteLimits, *entities: pb.Entity) -> list[str]:
    found = decided(by, *entities, reserve=store.reserve, time_ns=time.time_ns())
    return [found.by_row[row].row.action for row in range(len(entities))]


def test_an_outcome_counts_for_the_unit_and_the_policy_that_decided(
    catalog: Catalog, store: SqliteLimits, tmp_path: Path
) -> None:
    people, shops = served(policy(more=NO), catalog), served(policy(BY_CUSTOMER, more=NO), catalog)
    journaled(tmp_path / "journal", people, bought("s0", "before"))
    _, no, _ = journaled(tmp_path / "journal", shops, bought("s1", "ann"), bought("s2", "ben"), bought("s3", "cem"))
    suppressions = Suppressions(store, tmp_path / "journal")
    suppressions.note([people, shops], [Outcome("returned", 1, prediction_id=no)])
    assert actions(shops, store, bought("s1", "x"), bought("s2", "x"), bought("s3", "x")) == ["block", "none", "block"]
    assert actions(people, store, bought("s2", "ben")) == ["block"]
    suppressions.note([people, shops], [Outcome("returned", 1, prediction_id=no)] * 2)
    assert actions(shops, store, bought("s1", "x"), bought("s2", "x")) == ["block", "none"]


def test_outcomes_that_say_nothing_or_are_of_nobody_forbid_nothing(
    catalog: Catalog, store: SqliteLimits, tmp_path: Path
) -> None:
    people = served(policy(more=NO), catalog)
    ids = journaled(tmp_path / "journal", people, bought("s", "ann"), bought("s", "ben"), bought("s", "gone"))
    forget(tmp_path / "journal", "gone")
    outcomes = [
        Outcome("returned", 0, prediction_id=ids[0]),
        Outcome("returned", 1, prediction_id=ids[0], weight=0),
        Outcome("kept", 1, prediction_id=ids[1]),
        Outcome("returned", 1, prediction_id=ids[2]),
        Outcome("returned", 1, prediction_id="0123456789abcdef01234567-0"),
        Outcome("returned", 1, prediction_id=ids[0].replace("-0", "-7")),
    ]
    Suppressions(store, tmp_path / "journal").note([people], outcomes)
    assert actions(people, store, *(bought("s", name) for name in ("ann", "ben", "gone"))) == ["block"] * 3


def test_an_old_outcome_forbids_for_what_is_left_of_its_time(catalog: Catalog, store: SqliteLimits) -> None:
    people = served(policy(more=NO), catalog)
    day = 86_400 * 10**9
    now = time.time_ns()
    outcomes = [
        Outcome("returned", 1, unit=unit, since=now - 200 * day, until=now, observed_at=now - days * day)
        for unit, days in (("ann", 89), ("ben", 91))
    ]
    Suppressions(store, Path("nowhere")).note([people], outcomes)
    assert actions(people, store, bought("s", "ann"), bought("s", "ben")) == ["none", "block"]


def test_policies_that_suppress_nothing_ask_no_store(catalog: Catalog, tmp_path: Path) -> None:
    store = SqliteLimits(tmp_path / "limits.sqlite")
    plain = served(policy(), catalog)
    Suppressions(store, tmp_path).note([plain], [Outcome("returned", 1, prediction_id="0" * 24 + "-0")])
    assert not (tmp_path / "limits.sqlite").exists()
    store.close()
