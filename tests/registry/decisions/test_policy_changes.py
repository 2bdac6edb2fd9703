"""Policies in the registry: applied, planned, rolled back, verified, and passed over by an older Scoreline."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from scoreline_registry.decisions.policy_state import CutValue, EffectsState, EffectValue, VariantCounts
from scoreline_registry.decisions.specs.policy_file import read_policy, write_policy
from scoreline_registry.decisions.specs.policy_spec import PolicySpec
from scoreline_registry.documents.base import FrozenModel
from scoreline_registry.documents.documents import decode, document_key, encode, sha256_hex
from scoreline_registry.errors import ConflictError, NotFoundError, RefusedError
from scoreline_registry.history.changes import RemoveAlias, SetAlias
from scoreline_registry.history.policy_changes import RemovePolicy, SetCuts, SetEffects
from scoreline_registry.history.profile_changes import RemoveProfile
from scoreline_registry.history.retirement import Retire
from scoreline_registry.history.revision import REVISION_SCHEMA, revision_key
from scoreline_registry.history.rollback import RollbackAll, RollbackPolicy, RollbackRoute
from scoreline_registry.profiles.profile_file import read_profile
from scoreline_registry.registry import Registry
from scoreline_registry.storage import MemoryStorage, Storage
from scoreline_registry.upkeep.verification import verify
from scoreline_registry.versions.route_snapshot import freeze
from tests.registry.decisions.policy_samples import (
    GUARDIAN,
    PROFILE,
    add_version,
    fill,
    guardian,
    route,
    scorer,
    stored,
)
from tests.registry.history.test_rollback import signed
from tests.registry.samples import Edit

AT = datetime(2026, 11, 22, 3, tzinfo=UTC)


def filled(registry: Registry) -> None:
    fill(registry)
    registry.apply_policy(guardian(), **signed())


def events(registry: Registry) -> list[str]:
    return [str(event) for event in next(iter(registry.history())).events]


def test_a_policy_is_committed_and_read_back(storage: Storage) -> None:
    registry = Registry.create(storage)
    fill(registry)
    plan = registry.apply_policy(guardian(), **signed())
    assert (plan.revision, plan.etag, plan.before, plan.moved) == (5, "", None, 0)
    snapshot = Registry.open(storage).latest()
    assert dict(snapshot.policies) == {"guardian": stored()}
    assert snapshot.policy_digests["guardian"] == sha256_hex(encode(stored()))
    first = "policy guardian: new policy for route spending, with the actions block, nudge, offer, step_up"
    assert events(registry) == [first]


def test_the_same_definition_makes_no_revision(registry: Registry) -> None:
    filled(registry)
    again = registry.apply_policy(guardian(), **signed())
    assert (again.revision, again.differences, again.changes_anything) == (5, (), False)


def test_a_plan_writes_nothing_and_says_what_differs_and_how_many_units_move(registry: Registry) -> None:
    filled(registry)
    text = GUARDIAN.replace("cost: 2,", "cost: 3,").replace("strict: 60, gentle: 40", "strict: 70, gentle: 30")
    text = text.replace("high: 0.7", "high: 0.75").replace("Sleep on it?", "Sleep on it first?")
    text = text.replace("{name: daily, kind: frequency, at_most: 1,", "{name: daily, kind: frequency, at_most: 2,")
    plan = registry.plan_policy(read_policy(text, source="guardian.yaml"))
    assert plan.differences == (
        "action block: cost 2.0 -> 3.0",
        "cut high: 0.7 -> 0.75",
        "rule 2: split {gentle:40,strict:60} -> {gentle:30,strict:70}",
        "limit daily: at_most 1 -> 2",
        "message nudge en default: 'Sleep on it?' -> 'Sleep on it first?'",
    )
    assert [(each.strategy, each.before, each.after) for each in plan.rules[1].shares] == [
        ("strict", 60.0, 70.0),
        ("gentle", 40.0, 30.0),
    ]
    assert plan.moved == pytest.approx(0.9 * 0.1)
    assert plan.revision is None
    assert registry.latest().revision == 5


def test_a_policy_with_the_name_of_its_route_splits_other_units(registry: Registry) -> None:
    fill(registry)
    registry.apply_policy(guardian(policy="spending"), **signed())
    latest = registry.latest()
    assert (latest.policies["spending"].salt, latest.routes["spending"].salt) == ("policy/spending", "spending")


def test_strategies_that_fall_on_the_units_of_arms_are_warned_of(registry: Registry) -> None:
    filled(registry)
    assert registry.plan_policy(guardian(salt="spending")).warnings == ()
    registry.apply_route(route(rules=[{"split": {"impulse@champion": 50, "impulse@1": 50}}]), **signed())
    [warning] = registry.plan_policy(guardian(salt="spending")).warnings
    assert warning == "salt: it is the route's, so strategies fall on the same units as arms: choose another"
    assert registry.plan_policy(guardian(salt="spending", unit="context.household")).warnings == ()
    assert registry.plan_policy(guardian()).warnings == ()


def test_units_that_join_the_control_move(registry: Registry) -> None:
    filled(registry)
    assert registry.plan_policy(guardian(control=25)).moved == pytest.approx(0.15)
    salted = registry.plan_policy(guardian(salt="other")).rules[1]
    assert salted.moved == pytest.approx(1 - (0.1 * 0.1 + 0.9 * 0.9 * (0.6 * 0.6 + 0.4 * 0.4)))


def test_a_change_is_refused_when_another_was_made_since(registry: Registry) -> None:
    filled(registry)
    seen = registry.latest().policy_digests["guardian"]
    registry.apply_policy(guardian(control=5), if_match=seen, **signed())
    with pytest.raises(ConflictError, match="policy 'guardian' was changed by someone else"):
        registry.apply_policy(guardian(), if_match=seen, **signed())


def test_a_policy_is_removed_and_brought_back(registry: Registry) -> None:
    filled(registry)
    past = registry.latest()
    registry.commit(RemovePolicy("guardian"), **signed())
    assert events(registry) == ["policy guardian: removed"]
    with pytest.raises(NotFoundError, match="there is no policy yet"):
        registry.commit(RemovePolicy("guardian"), **signed())
    registry.commit(RollbackPolicy("guardian", past), **signed())
    assert registry.latest().policy_digests == past.policy_digests
    with pytest.raises(NotFoundError, match="revision 4 did not have it yet"):
        registry.commit(RollbackPolicy("guardian", registry.at(4)), **signed())


def test_everything_goes_back_policies_too(registry: Registry) -> None:
    filled(registry)
    past = registry.latest()
    registry.apply_policy(guardian(control=20), **signed())
    registry.apply_policy(guardian(policy="other"), **signed())
    registry.commit(RollbackAll(past), **signed())
    assert registry.latest().policy_digests == past.policy_digests
    assert set(events(registry)) == {"policy other: removed", "policy guardian: control: 20 -> 10"}


def test_a_rollback_to_before_the_route_is_refused_while_its_policy_would_stay(registry: Registry) -> None:
    filled(registry)
    early = registry.at(4)
    registry.apply_route(route(fallback="impulse@1"), **signed())
    registry.commit(RollbackRoute("spending", early), **signed())
    registry.commit(RollbackAll(registry.at(3)), **signed())
    assert dict(registry.latest().policies) == {}


REFUSED: Mapping[str, tuple[Callable[[Registry], object], str]] = {
    "a route that loses a feature": (
        lambda registry: registry.apply_route(
            route(
                schema={"features": {"amount": "number", "merchant": "category"}},
                rules=[{"split": {"simple@champion": 100}}],
            ),
            **signed(),
        ),
        "route spending: policy guardian: actions.offer.cost: unknown fact 'feature.fee'; did you mean",
    ),
    "an alias that moves to a version without bands": (
        lambda registry: registry.commit(SetAlias("impulse", "champion", 2), **signed()),
        "alias impulse@champion: policy guardian: strategies.gentle: rule 'top': unknown fact 'band'",
    ),
    "an alias that a policy uses": (
        lambda registry: registry.commit(RemoveAlias("uplift", "champion"), **signed()),
        "alias uplift@champion cannot be removed: policy guardian uses it: change the policy first",
    ),
    "a version that a policy uses": (
        lambda registry: registry.commit(Retire("uplift", 1), **signed()),
        "policy guardian uses uplift@champion: change the policy first",
    ),
    "an uplift model that takes what the route lacks": (
        lambda registry: add_version(registry, "uplift", scorer("amount", "age"), data=b"other"),
        "policy guardian: actions.offer.effect.uplift: uplift@champion requires the number 'age', which the route",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_policy_needs_cannot_be_taken_away(registry: Registry, case: str) -> None:
    filled(registry)
    plain = scorer("amount", "fee", "merchant", bands=())
    registry.publish(
        "impulse", files={"model.onnx": b"b", "golden.npz": b"g"}, manifest=plain, author="tester", message=""
    )
    add_version(registry, "simple", scorer("amount", "merchant"))
    change, message = REFUSED[case]
    before = registry.latest().revision
    with pytest.raises(RefusedError) as refused:
        change(registry)
    assert message in str(refused.value)
    assert registry.latest().revision == before


def test_a_profile_keeps_the_features_that_a_policy_names(registry: Registry) -> None:
    fill(registry)
    strategies = {
        "only": {
            "rules": [
                {"name": "spent", "when": {"profile.spending.spent_30d": {"gt": 100}}, "action": "block"},
                {"name": "otherwise", "action": "none"},
            ]
        }
    }
    registry.apply_policy(guardian(strategies=strategies, rules=None, shadows=None), **signed())
    without = read_profile(PROFILE.replace("spent_30d", "spent_60d"), source="profile")
    with pytest.raises(RefusedError, match=r"policy guardian: strategies.only: rule 'spent': unknown fact"):
        registry.apply_profile(without, **signed())
    with pytest.raises(RefusedError, match="route spending uses it"):
        registry.commit(RemoveProfile("spending"), **signed())


def test_controllers_set_cuts_within_their_bounds(registry: Registry) -> None:
    filled(registry)
    done = registry.commit(SetCuts("guardian", {"top": CutValue(value=0.99, at=AT, cases=5000)}), **signed())
    assert [str(event) for event in done.events] == ["policy guardian: cut top in force: added 0.95 from 5,000 cases"]
    assert registry.latest().policies["guardian"].cut_values == {"high": 0.7, "top": 0.95, "best": 0.5}
    with pytest.raises(RefusedError, match="the cut 'high' is fixed"):
        registry.commit(SetCuts("guardian", {"high": CutValue(value=0.6, at=AT)}), **signed())
    with pytest.raises(RefusedError, match=r"unknown cut 'tip'; did you mean 'top'\?"):
        registry.commit(SetCuts("guardian", {"tip": CutValue(value=0.6, at=AT)}), **signed())


def test_controllers_set_effects_of_what_is_learned(registry: Registry) -> None:
    filled(registry)
    learned = EffectsState(at=AT, effects={"nudge": EffectValue(mean=0.15, spread=0.02, cases=900, control_cases=90)})
    registry.commit(SetEffects("guardian", learned), **signed())
    assert registry.latest().policies["guardian"].effects_state == learned
    assert events(registry) == ["policy guardian: effect of nudge: added 0.15 +- 0.02 from 900 cases"]
    wrong = EffectsState(at=AT, effects={"block": EffectValue(mean=0.1)}, variants={"block": {"loud": VariantCounts()}})
    with pytest.raises(RefusedError) as refused:
        registry.commit(SetEffects("guardian", wrong), **signed())
    assert refused.value.problems == (
        "the effect of the action 'block' is not learned",
        "unknown variant 'loud' of 'block'",
    )


def test_what_was_found_out_stays_for_what_is_defined_as_before(registry: Registry) -> None:
    filled(registry)
    cuts = {"top": CutValue(value=0.9, at=AT, cases=100), "best": CutValue(value=0.6, at=AT, cases=100)}
    effects = EffectsState(
        at=AT,
        effects={"nudge": EffectValue(mean=0.15)},
        variants={"block": {"calm": VariantCounts(successes=3), "firm": VariantCounts(successes=4)}},
    )
    registry.commit(SetCuts("guardian", cuts), **signed())
    registry.commit(SetEffects("guardian", effects), **signed())
    before = registry.latest().policies["guardian"]
    text = GUARDIAN.replace("highest: 0.95", "highest: 0.85").replace("false_negative: 100", "false_negative: 90")
    registry.apply_policy(read_policy(text.replace("This purchase is on hold.", "Held."), source="x"), **signed())
    after = registry.latest().policies["guardian"]
    assert after.cut_values == {"high": 0.7, "top": 0.85, "best": 0.5}
    assert after.effects_state is not None
    assert after.effects_state.effects == effects.effects
    assert after.effects_state.variants == {"block": {"calm": VariantCounts(successes=3)}}
    registry.commit(RollbackPolicy("guardian", registry.at(7)), **signed())
    assert registry.latest().policies["guardian"] == before


class EarlierRevision(FrozenModel):
    """A revision as Scoreline reads it that knows no policies."""

    schema_number: int
    revision: int
    parent: str
    commit_id: str
    created_at: datetime
    author: str
    message: str
    models: dict[str, str]
    routes: dict[str, str]
    profiles: dict[str, str]


def test_an_earlier_scoreline_passes_policies_on(registry: Registry, memory: MemoryStorage) -> None:
    filled(registry)
    data = memory.read(revision_key(5))
    read = decode(EarlierRevision, data, key=revision_key(5), supported=REVISION_SCHEMA)
    assert read.model_extra == {"policies": dict(registry.latest().policy_digests)}
    assert encode(read) == data


def test_a_policy_under_another_name_is_found(registry: Registry, memory: MemoryStorage) -> None:
    fill(registry)
    renamed = Edit(lambda state: replace(state, policies=state.policies.put("other", stored(), encode(stored()))))
    registry.commit(renamed, **signed())
    [found] = verify(memory).findings
    assert "a revision names it 'other', it says 'guardian'" in str(found)


def test_a_plan_warns_of_amounts_that_may_be_missing(registry: Registry) -> None:
    filled(registry)
    assert registry.plan_policy(guardian()).warnings == ()
    limits = yaml.safe_load(GUARDIAN)["limits"][:-1]
    assert registry.plan_policy(guardian(limits=limits, control=100)).warnings == (
        "control: 100: no unit ever gets an action",
        "actions.block: no limit of the kind exclusive names the group 'steps', so it changes nothing",
        "actions.nudge: no limit of the kind exclusive names the group 'steps', so it changes nothing",
    )
    unsure = {"cost": {"fact": "profile.spending.spent_30d", "times": 0.01}, "benefit": {"fact": "event.amount"}}
    actions = yaml.safe_load(GUARDIAN)["actions"]
    planned = registry.plan_policy(guardian(actions=actions | {"block": actions["block"] | unsure}, control=0))
    unsure_parts = "cost, profile.spending.spent_30d, or benefit, event.amount,"
    assert planned.warnings == (
        "effects are learned against the control, and `control` is 0: they stay as they start",
        f"actions.block: cases whose {unsure_parts} is missing do not get it by its value: write a `default`",
    )


def test_a_plan_warns_of_decisions_by_sensitive_inputs(registry: Registry) -> None:
    filled(registry)
    plain = scorer("amount", "fee", "merchant")
    secret = tuple(each.model_copy(update={"sensitive": each.name == "amount"}) for each in plain.inputs.features)
    inputs = plain.inputs.model_copy(update={"features": secret})
    add_version(registry, "impulse", plain.model_copy(update={"inputs": inputs}), data=b"another graph")
    told = "feature.amount is sensitive, and the journal keeps the costs and values that follow from it"
    warnings = registry.plan_policy(guardian()).warnings
    assert f"actions.block.benefit: {told}" in warnings
    assert "strategies.strict: rule 'high': feature.amount is sensitive: what is decided by it tells it" in warnings
    assert not any("feature.fee is sensitive" in warning for warning in warnings)


def small(control: int) -> PolicySpec:
    rules = {"rules": [{"name": "otherwise", "action": "none"}]}
    return PolicySpec.model_validate(
        {
            "policy": "guardian",
            "route": "spending",
            "control": control,
            "actions": {"nudge": {}},
            "cuts": {"top": {"share": 0.05, "start": 0.8, "window": "7d"}},
            "strategies": {"strict": rules, "gentle": rules},
            "rules": [{"split": {"strict": control, "gentle": 100 - control}}],
        }
    )


@settings(max_examples=10)
@given(controls=st.lists(st.integers(0, 100), min_size=2, max_size=5), data=st.data())
def test_a_rollback_to_any_revision_gives_back_its_policy(controls: list[int], data: st.DataObject) -> None:
    registry = Registry.create(MemoryStorage())
    fill(registry)
    for control in controls:
        registry.apply_policy(small(control), **signed())
        registry.commit(SetCuts("guardian", {"top": CutValue(value=control / 100, at=AT)}), **signed())
    past = registry.at(data.draw(st.integers(5, registry.latest().revision)))
    registry.commit(RollbackPolicy("guardian", past), **signed())
    assert registry.latest().policy_digests == past.policy_digests
    again = registry.plan_policy(read_policy(write_policy(past.policies["guardian"]), source="written"))
    assert (again.moved, again.differences, again.changes_anything) == (0, (), False)
    registry.commit(RollbackAll(past), **signed())
    assert registry.latest().state.same_as(past.state)


def test_an_empty_registry_has_no_trace_of_policies(registry: Registry, memory: MemoryStorage) -> None:
    fill(registry)
    assert "policies" not in json.loads(memory.read(revision_key(4)))
    registry.apply_policy(guardian(), **signed())
    assert json.loads(memory.read(revision_key(5)))["policies"] == dict(registry.latest().policy_digests)


def test_verification_reads_policies(registry: Registry, memory: MemoryStorage) -> None:
    filled(registry)
    assert verify(memory).findings == []
    key = document_key(registry.latest().policy_digests["guardian"])
    memory.delete(key)
    assert [str(finding) for finding in verify(memory).findings] == [f"{key}: it is missing"]


def test_a_frozen_route_has_its_policies_and_their_models(registry: Registry) -> None:
    filled(registry)
    target = MemoryStorage()
    frozen = freeze(registry, "spending", target)
    assert [(each.model, each.version) for each in frozen.versions] == [("impulse", 1), ("uplift", 1)]
    assert dict(Registry.open(target).latest().policies) == {"guardian": stored()}
    assert verify(target).findings == []
