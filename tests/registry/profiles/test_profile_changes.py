"""Profiles in the registry: applied, planned, rolled back, verified, and passed over by an older Scoreline."""

import json
from dataclasses import replace
from datetime import datetime

import pytest

from scoreline_registry.documents.base import FrozenModel
from scoreline_registry.documents.documents import decode, document_key, encode, sha256_hex
from scoreline_registry.errors import ConflictError, NotFoundError
from scoreline_registry.history.profile_changes import RemoveProfile
from scoreline_registry.history.revision import REVISION_SCHEMA, revision_key
from scoreline_registry.history.rollback import RollbackAll, RollbackProfile
from scoreline_registry.profiles.profile import Profile
from scoreline_registry.registry import Registry
from scoreline_registry.storage import MemoryStorage, Storage
from scoreline_registry.upkeep.verification import verify
from tests.registry.history.test_rollback import signed
from tests.registry.profiles.samples import changed, profile
from tests.registry.samples import Edit, apply, publish, spec


def filled(registry: Registry) -> None:
    registry.apply_profile(profile(), **signed())


def events(registry: Registry) -> list[str]:
    return [str(event) for event in next(iter(registry.history())).events]


def test_a_profile_is_committed_and_read_back(storage: Storage) -> None:
    registry = Registry.create(storage)
    plan = registry.apply_profile(profile(), **signed())
    assert (plan.revision, plan.etag, plan.before) == (1, "", None)
    snapshot = Registry.open(storage).latest()
    assert dict(snapshot.profiles) == {"spending": profile()}
    assert snapshot.profile_digests["spending"] == sha256_hex(encode(profile()))
    assert events(registry)[0].startswith("profile spending: new, with the features purchases_30d, spent_30d, ")


def test_the_same_definition_makes_no_revision(registry: Registry) -> None:
    filled(registry)
    again = registry.apply_profile(profile(), **signed())
    assert (again.revision, again.differences, again.changes_anything) == (1, (), False)


def test_a_plan_writes_nothing_and_says_what_gets_other_values(registry: Registry) -> None:
    filled(registry)
    text = changed("lateness: 1h", "lateness: 2h", changed("half_life: 7d", "half_life: 9d"))
    text = changed("  pages: {aggregate: distinct, field: page, window: 7d}\n", "", text)
    text = changed("  refund: {fields: {amount: number}}", "  refund: {fields: {amount: number, why: category}}", text)
    text = changed("  urgent:", "  visits: {aggregate: count}\n  urgent:", text)
    plan = registry.plan_profile(profile(text))
    assert plan.differences == (
        "lateness: 1h -> 2h",
        "event type refund: why none -> category",
        "feature spent_recently: half_life 7d -> 9d",
        "feature pages: removed",
        "feature visits: new",
    )
    assert plan.other_values == ("spent_recently",)
    assert plan.revision is None
    assert registry.latest().revision == 1


def test_a_description_that_comes_or_goes_is_a_difference(registry: Registry) -> None:
    described = changed("What is known of each customer.", "Purchases.")
    plain = changed("description: What is known of each customer.\n", "")
    registry.apply_profile(profile(plain), **signed())
    assert registry.apply_profile(profile(described), **signed()).differences == ("description: none -> Purchases.",)
    assert registry.apply_profile(profile(plain), **signed()).differences == ("description: Purchases. -> none",)


def test_the_order_of_features_is_a_difference(registry: Registry) -> None:
    filled(registry)
    moved = profile().model_dump(mode="json")
    moved["features"] = [*moved["features"][1:], moved["features"][0]]
    moved["features"] = [each for each in moved["features"] if each["name"] != "referrers"]
    plain = profile().model_dump(mode="json")
    plain["features"] = [each for each in plain["features"] if each["name"] != "referrers"]
    registry.apply_profile(Profile.model_validate(plain), **signed())
    plan = registry.plan_profile(Profile.model_validate(moved))
    assert [line.partition(":")[0] for line in plan.differences] == ["order of features"]
    assert plan.other_values == ()


def test_a_change_is_refused_when_another_was_made_since(registry: Registry) -> None:
    filled(registry)
    seen = registry.latest().profile_digests["spending"]
    registry.apply_profile(profile(changed("lateness: 1h", "lateness: 2h")), if_match=seen, **signed())
    with pytest.raises(ConflictError, match="profile 'spending' was changed by someone else"):
        registry.apply_profile(profile(), if_match=seen, **signed())
    with pytest.raises(ConflictError):
        registry.plan_profile(profile(), if_match="")


def test_a_profile_is_removed_and_brought_back(registry: Registry) -> None:
    filled(registry)
    past = registry.latest()
    registry.commit(RemoveProfile("spending"), **signed())
    assert events(registry) == ["profile spending: removed"]
    assert dict(registry.latest().profiles) == {}
    with pytest.raises(NotFoundError, match="there is no profile yet"):
        registry.commit(RemoveProfile("spending"), **signed())
    registry.commit(RollbackProfile("spending", past), **signed())
    assert registry.latest().profile_digests == past.profile_digests
    with pytest.raises(NotFoundError, match="revision 0 did not have it yet"):
        registry.commit(RollbackProfile("spending", registry.at(0)), **signed())


def test_everything_goes_back_profiles_too(registry: Registry) -> None:
    filled(registry)
    past = registry.latest()
    registry.apply_profile(profile(changed("lateness: 1h", "lateness: 2h")), **signed())
    registry.apply_profile(profile(changed("profile: spending", "profile: other")), **signed())
    registry.commit(RollbackAll(past), **signed())
    assert registry.latest().profile_digests == past.profile_digests
    assert events(registry) == ["profile other: removed", "profile spending: lateness: 2h -> 1h"]


def test_a_damaged_profile_is_found(memory: MemoryStorage, registry: Registry) -> None:
    filled(registry)
    assert verify(memory).findings == []
    key = document_key(registry.latest().profile_digests["spending"])
    memory.delete(key)
    memory.put_if_absent(key, b"{}")
    assert key in {found.key for found in verify(memory).findings}


def test_a_profile_under_another_name_is_found(memory: MemoryStorage, registry: Registry) -> None:
    renamed = Edit(lambda state: replace(state, profiles=state.profiles.put("other", profile(), encode(profile()))))
    registry.commit(renamed, **signed())
    [found] = verify(memory).findings
    assert "a revision names it 'other', it says 'spending'" in str(found)


def test_revisions_without_profiles_keep_their_bytes(memory: MemoryStorage, registry: Registry) -> None:
    publish(registry, aliases=["champion"])
    apply(registry, spec())
    assert all(b"profiles" not in memory.read(revision_key(number)) for number in (1, 2))
    filled(registry)
    assert json.loads(memory.read(revision_key(3)))["profiles"] == dict(registry.latest().profile_digests)


class EarlierRevision(FrozenModel):
    """A revision as Scoreline reads it that knows no profiles."""

    schema_number: int
    revision: int
    parent: str
    commit_id: str
    created_at: datetime
    author: str
    message: str
    models: dict[str, str]
    routes: dict[str, str]


def test_an_earlier_scoreline_passes_profiles_on(memory: MemoryStorage, registry: Registry) -> None:
    filled(registry)
    data = memory.read(revision_key(1))
    read = decode(EarlierRevision, data, key=revision_key(1), supported=REVISION_SCHEMA)
    assert read.model_extra == {"profiles": dict(registry.latest().profile_digests)}
    assert encode(read) == data


def test_fields_of_a_newer_scoreline_stay_in_a_profile_that_is_applied_again(registry: Registry) -> None:
    newer = Profile.model_validate({**profile().model_dump(mode="json"), "tags": ["fraud"]})
    registry.apply_profile(newer, **signed())
    registry.apply_profile(profile(changed("lateness: 1h", "lateness: 2h")), **signed())
    assert registry.latest().profiles["spending"].model_extra == {"tags": ["fraud"]}
