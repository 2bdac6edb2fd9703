"""The profiles of routes are compiled with a revision; one that cannot be read or does not fit is not adopted."""

from pathlib import Path

import pytest

from scoreline_registry.documents.contract import Feature
from scoreline_registry.errors import InvalidError, NotFoundError
from scoreline_registry.history.changes import SetOwner
from scoreline_registry.registry import Registry
from scoreline_registry.routing.profile_inputs import ProfileInputs
from scoreline_server.loading.profile_adoption import ProfileAdoption
from scoreline_server.loading.watcher import Watcher
from scoreline_server.scoring.catalog import Catalog
from scoreline_server.scoring.compiled_profile import CompiledProfile
from scoreline_server.scoring.route_profiles import NO_STORE
from tests.server.profiles import SPENDING, Remembered, profile
from tests.server.routes import apply
from tests.server.toys import publish_linear

ROUTE = """
route: credit
schema: {like: linear@1}
rules: [{split: {linear@1: 100}}]
profiles: {spending: {}}
"""


@pytest.fixture
def profiled(registry: Registry) -> Registry:
    """A registry whose route credit reads profile spending."""
    publish_linear(registry, "linear", (1.0, 0.0), features=(Feature(name="purchases"), Feature(name="spent_mean")))
    registry.apply_profile(profile(), author="tester", message="apply")
    apply(registry, ROUTE)
    return registry


def compiled(catalog: Catalog) -> CompiledProfile:
    route = catalog.route("credit")
    assert route.profiles is not None
    return route.profiles.fills[0].profile


def test_a_profile_that_did_not_change_is_taken_over(profiled: Registry) -> None:
    watcher = Watcher(profiled, poll_seconds=1)
    watcher.refresh()
    before = compiled(watcher.catalog)
    assert watcher.catalog.profiles == {"spending": before}
    profiled.commit(SetOwner("linear", "risk"), author="tester", message="owner")
    watcher.refresh()
    assert watcher.catalog.route("credit").revision == profiled.latest().revision
    assert compiled(watcher.catalog) is before
    apply(profiled, ROUTE + "holdout: 5\n")
    watcher.refresh()
    assert compiled(watcher.catalog) is before


def test_a_profile_that_changed_is_compiled_again(profiled: Registry) -> None:
    watcher = Watcher(profiled, poll_seconds=1)
    watcher.refresh()
    before = compiled(watcher.catalog)
    changed = profile(SPENDING.replace("default: 5", "default: 6"))
    profiled.apply_profile(changed, author="tester", message="change")
    watcher.refresh()
    after = compiled(watcher.catalog)
    assert (after.document, after.digest) == (changed, profiled.latest().profile_digests["spending"])
    readings = [each.computation.read(b"", (), at=1) for each in (before, after)]
    assert [reading.numbers["spent_mean"] for reading in readings] == [5, 6]


def test_a_damaged_profile_keeps_the_last_good_revision_of_its_route(profiled: Registry, tmp_path: Path) -> None:
    watcher = Watcher(Registry.open(str(tmp_path / "registry")), poll_seconds=1)
    watcher.refresh()
    before = watcher.catalog.route("credit")
    profiled.apply_profile(profile(SPENDING.replace("default: 5", "default: 6")), author="tester", message="change")
    digest = profiled.latest().profile_digests["spending"]
    (stored,) = (path for path in (tmp_path / "registry").rglob(f"*{digest}*") if path.is_file())
    stored.chmod(0o644)
    stored.write_bytes(stored.read_bytes().replace(b"6", b"7"))
    watcher.refresh()
    assert watcher.catalog.route("credit") is before
    assert "is damaged" in watcher.catalog.problems["credit"]


def test_a_section_that_does_not_fit_its_profile_is_refused(profiled: Registry) -> None:
    snapshot = profiled.latest()
    document = snapshot.routes["credit"].model_copy(
        update={"profiles": {"spending": ProfileInputs(features=("purchase",)), "unknown": ProfileInputs()}}
    )
    with pytest.raises(NotFoundError, match="unknown"):
        ProfileAdoption(snapshot, {}, NO_STORE).of(document, {})
    document.profiles.pop("unknown")
    with pytest.raises(InvalidError, match="did you mean 'purchases'"):
        ProfileAdoption(snapshot, {}, NO_STORE).of(document, {})


def test_the_store_is_opened_when_a_profile_is_adopted(profiled: Registry) -> None:
    states = Remembered()
    watcher = Watcher(profiled, poll_seconds=1, states=states)
    watcher.refresh()
    assert len(states.reads) == 1
    profiled.commit(SetOwner("linear", "risk"), author="tester", message="owner")
    watcher.refresh()
    assert len(states.reads) == 1
