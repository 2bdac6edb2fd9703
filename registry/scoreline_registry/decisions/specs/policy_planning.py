"""Makes policies from what people write, moving as few units as possible between strategies. Pure."""

from collections.abc import Mapping
from typing import Any

from scoreline_registry.decisions.cuts import AdaptiveCut, Cut
from scoreline_registry.decisions.message_texts import ActionMessages, MessageVariant
from scoreline_registry.decisions.policy import POLICY_SCHEMA, Policy
from scoreline_registry.decisions.policy_state import CutValue, EffectsState
from scoreline_registry.decisions.specs.message_specs import ActionMessagesSpec
from scoreline_registry.decisions.specs.policy_spec import PolicySpec, SplitRuleSpec
from scoreline_registry.decisions.strategies import SplitRule, StrategyShare
from scoreline_registry.routing.bucketing import BucketRange, least_movement, millionths
from scoreline_registry.routing.planning import base_rules

Ranges = Mapping[str, tuple[BucketRange, ...]]


def next_policy(spec: PolicySpec, *, before: Policy | None) -> Policy:
    """The policy that a spec asks for, moving as few units as it can from what is decided ``before``.

    What controllers found out stays for the cuts and effects that are defined as before.

    Raises:
        ValidationError: its parts do not fit together.
    """
    kept = (before.model_extra or {}) if before is not None else {}
    bases = base_rules(spec.splits, before.rules if before is not None else ())
    document = Policy(
        **kept,
        schema_number=POLICY_SCHEMA,
        policy=spec.policy,
        description=spec.description,
        route=spec.route,
        unit=spec.unit,
        salt=spec.salt or default_salt(spec.policy),
        timezone=spec.timezone,
        language=spec.language,
        currency=spec.currency,
        control_millionths=millionths(spec.control),
        actions=spec.actions,
        cuts=spec.cuts,
        flags=spec.flags,
        strategies=spec.strategies,
        rules=tuple(_split(rule, base) for rule, base in zip(spec.splits, bases, strict=True)),
        shadows=spec.shadows,
        limits=spec.limits,
        limits_unavailable=spec.limits_unavailable,
        messages={action: _messages(each, action, before) for action, each in spec.messages.items()},
        interventions=spec.interventions,
        score_value=spec.score_value,
        recourse=spec.recourse,
        learning=spec.learning,
    )
    return document if before is None else _with_state(document, before)


def default_salt(policy: str) -> str:
    """The salt of a policy that names none; another one than that of a route of the same name.

    With one salt the strategies would fall on the same units as the arms.
    """
    return f"policy/{policy}"


def _split(spec: SplitRuleSpec, base: SplitRule | None) -> SplitRule:
    old: Ranges = {} if base is None else {each.strategy: each.ranges for each in base.strategies}
    placed = least_movement(old, spec.split)
    shares = tuple(StrategyShare(strategy=name, ranges=ranges) for name, ranges in placed.items())
    return SplitRule(when=spec.when, layer=spec.layer, strategies=shares)


def _messages(spec: ActionMessagesSpec, action: str, before: Policy | None) -> ActionMessages:
    known = None if before is None else before.messages.get(action)
    old: Ranges = {} if known is None else {variant.name: variant.ranges for variant in known.variants}
    placed = least_movement(old, spec.weights) if spec.by == "bucket" else {}
    variants = tuple(
        MessageVariant(name=name, ranges=placed.get(name, ()), texts=texts) for name, texts in spec.variants.items()
    )
    return ActionMessages(by=spec.by, floor=spec.floor, variants=variants)


def _with_state(document: Policy, before: Policy) -> Policy:
    """The policy with what was found out before, where it still applies."""
    state: dict[str, Any] = {
        "cuts_state": {
            name: _bounded(found, document.cuts[name])
            for name, found in before.cuts_state.items()
            if _same_cut(document.cuts.get(name), before.cuts.get(name))
        },
        "effects_state": _kept_effects(document, before),
    }
    return document.model_copy(update=state)


def _same_cut(cut: Cut | None, before: Cut | None) -> bool:
    """Whether an adaptive cut is computed as before; its start and bounds may differ."""
    if not isinstance(cut, AdaptiveCut) or type(cut) is not type(before):
        return False
    bounds = {"start", "lowest", "highest"}
    return cut.model_dump(exclude=bounds) == (None if before is None else before.model_dump(exclude=bounds))


def _bounded(found: CutValue, cut: Cut) -> CutValue:
    value = cut.bounded(found.value) if isinstance(cut, AdaptiveCut) else found.value
    return found if value == found.value else found.model_copy(update={"value": value})


def _kept_effects(document: Policy, before: Policy) -> EffectsState | None:
    state = before.effects_state
    if state is None:
        return None
    effects = {name: found for name, found in state.effects.items() if _learns_as_before(document, before, name)}
    variants = {
        action: {name: counts for name, counts in each.items() if _same_texts(document, before, action, name)}
        for action, each in state.variants.items()
    }
    variants = {action: each for action, each in variants.items() if each}
    if not effects and not variants:
        return None
    return state.model_copy(update={"effects": effects, "variants": variants})


def _learns_as_before(document: Policy, before: Policy, action: str) -> bool:
    """Whether the effect of an action is learned from the same outcome and of the same kind."""
    return learned_as(document, action) is not None and learned_as(document, action) == learned_as(before, action)


def learned_as(policy: Policy, action: str) -> tuple[str, str] | None:
    """The kind and the outcome of an action's learned effect; None where it has none."""
    effect = policy.actions[action].effect if action in policy.actions else None
    if effect is None or effect.learned is None:
        return None
    outcome = effect.learned.outcome or (policy.learning.outcome if policy.learning else "")
    return ("reduces" if effect.learned.changes is None else "changes"), outcome


def _same_texts(document: Policy, before: Policy, action: str, variant: str) -> bool:
    texts = _texts(document, action, variant)
    return texts is not None and texts == _texts(before, action, variant)


def _texts(policy: Policy, action: str, variant: str) -> Mapping[str, Mapping[str, str]] | None:
    messages = policy.messages.get(action)
    return next((each.texts for each in messages.variants if each.name == variant), None) if messages else None
