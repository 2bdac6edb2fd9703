"""A policy is adopted with its route and the models of its effects, or decides on as it did before."""

from pathlib import Path

import pytest

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.decisions.messages import library
from scoreline_registry.decisions.specs.policy_file import read_policy
from scoreline_registry.errors import MissingExtraError
from scoreline_registry.history.changes import SetAlias
from scoreline_registry.history.policy_changes import RemovePolicy
from scoreline_registry.registry import Registry
from scoreline_server.errors import ErrorReason, ScoringError
from scoreline_server.loading.watcher import Watcher
from scoreline_server.processes.worker import report_of
from scoreline_server.rpc.discovery import status
from scoreline_server.scoring.catalog import Catalog
from tests.server.policies import GUARDIAN, decided
from tests.server.routes import ROUTE, apply
from tests.server.toys import publish_linear
from tests.server.wire import entity

UPLIFT = GUARDIAN.replace("effect: {reduces: 0.5}, channel: email", "effect: {uplift: uplift@champion}")


@pytest.fixture(autouse=True)
def guardian(registry: Registry) -> Registry:
    publish_linear(registry, "linear", (1.0, 0, 0), aliases=("champion",))
    publish_linear(registry, "uplift", (0, 0, 1.0), aliases=("champion",))
    apply(registry)
    apply_policy(registry, UPLIFT)
    return registry


@pytest.fixture
def watcher(registry: Registry) -> Watcher:
    watcher = Watcher(registry, poll_seconds=1)
    watcher.refresh()
    return watcher


def apply_policy(registry: Registry, text: str) -> None:
    registry.apply_policy(read_policy(text, source="test"), author="tester", message="apply")


def promote_broken(registry: Registry, model: str) -> None:
    publish_linear(registry, model, (2.0, 0, 0), golden_shift=0.01)
    registry.commit(SetAlias(model, "champion", 2), author="tester", message="promote")


def value_of(catalog: Catalog) -> float | None:
    return decided(catalog.policy("guardian"), entity("a", income=0.6, debt=0.0)).by_row[0].row.expected_value


def test_the_models_of_effects_are_loaded_and_reached(watcher: Watcher) -> None:
    policy = watcher.catalog.policy("guardian")
    assert {("linear", 1), ("uplift", 1)} == policy.uses() == watcher.catalog.models.keys()
    assert policy.revision == watcher.catalog.revision == policy.route.revision
    assert value_of(watcher.catalog) == pytest.approx(20 * 0.5 - 0.5)


@pytest.mark.parametrize("model", ["uplift", "linear"])
def test_a_policy_whose_models_cannot_be_loaded_decides_as_before(
    registry: Registry, watcher: Watcher, model: str
) -> None:
    before = watcher.catalog.policy("guardian")
    apply_policy(registry, UPLIFT.replace("cost: 0.5", "cost: 9"))
    promote_broken(registry, model)
    watcher.refresh()
    after = watcher.catalog.policy("guardian")
    assert after is before
    assert value_of(watcher.catalog) == pytest.approx(20 * 0.5 - 0.5)
    assert "golden rows differ" in watcher.catalog.policy_problems["guardian"]
    (shown,) = status(pb.GetStatusRequest(), watcher.catalog).policies
    assert (shown.policy, shown.adopted_revision) == ("guardian", before.revision)
    assert "golden rows differ" in shown.problem
    assert before.uses() <= watcher.catalog.models.keys()
    assert "policy guardian is not adopted: " in report_of(watcher.catalog, "", "").problem
    registry.commit(SetAlias(model, "champion", 1), author="tester", message="back")
    watcher.refresh()
    assert watcher.catalog.policy_problems == {}
    assert value_of(watcher.catalog) == pytest.approx(20 * 0.5 - 9)


def test_a_server_that_starts_takes_the_last_revision_that_works(registry: Registry) -> None:
    promote_broken(registry, "uplift")
    started = Watcher(registry, poll_seconds=1)
    started.refresh(at_start=True)
    policy = started.catalog.policy("guardian")
    assert policy.revision < started.catalog.revision
    assert policy.uses() <= started.catalog.models.keys()
    assert value_of(started.catalog) == pytest.approx(20 * 0.5 - 0.5)
    assert "golden rows differ" in started.catalog.policy_problems["guardian"]


def test_a_policy_that_never_worked_is_told_from_one_that_is_not_there(registry: Registry) -> None:
    publish_linear(registry, "other", (0, 0, 1.0), golden_shift=0.01)
    apply_policy(registry, UPLIFT.replace("guardian", "young").replace("uplift@champion", "other@1"))
    catalog = Watcher(registry, poll_seconds=1)
    catalog.refresh(at_start=True)
    for name, reason in (("young", ErrorReason.POLICY_NOT_READY), ("old", ErrorReason.POLICY_NOT_FOUND)):
        with pytest.raises(ScoringError) as caught:
            catalog.catalog.policy(name)
        assert caught.value.reason == reason
    assert catalog.catalog.policy("guardian").revision == catalog.catalog.revision


def test_what_did_not_change_is_taken_over_with_the_route(registry: Registry, watcher: Watcher) -> None:
    before = watcher.catalog.policy("guardian")
    apply(registry, ROUTE.replace("route: credit", "route: other"))
    watcher.refresh()
    after = watcher.catalog.policy("guardian")
    assert after.compiled is before.compiled
    assert after.messages is before.messages
    assert after.route is watcher.catalog.routes["credit"]
    assert after.revision == watcher.catalog.revision > before.revision
    registry.commit(RemovePolicy("guardian"), author="tester", message="remove")
    watcher.refresh()
    assert watcher.catalog.policies == {}
    assert ("uplift", 1) in watcher.catalog.models


def test_a_damaged_policy_decides_on_and_says_so(registry: Registry, watcher: Watcher, tmp_path: Path) -> None:
    apply_policy(registry, UPLIFT.replace("cost: 0.5", "cost: 9"))
    digest = registry.latest().policy_digests["guardian"]
    (path,) = [path for path in (tmp_path / "registry").rglob("*") if digest in path.name]
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-2])
    again = Registry.open(str(tmp_path / "registry"))
    other = Watcher(again, poll_seconds=1)
    other.refresh(at_start=True)
    assert value_of(other.catalog) == pytest.approx(20 * 0.5 - 0.5)
    assert other.catalog.policy_problems.keys() == {"guardian"}
    assert value_of(watcher.catalog) == pytest.approx(20 * 0.5 - 0.5)


def test_messages_without_their_libraries_are_refused_and_not_adopted(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "LIBRARIES", ("no_such_module",))
    with pytest.raises(MissingExtraError, match=r"pip install 'scoreline\[messages\]'"):
        apply_policy(registry, f"{UPLIFT}description: changed\n")
    watcher = Watcher(registry, poll_seconds=1)
    watcher.refresh()
    assert "scoreline[messages]" in watcher.catalog.policy_problems["guardian"]
    assert "credit" in watcher.catalog.routes
