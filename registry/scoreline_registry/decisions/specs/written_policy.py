"""Stored policies as people write them: the YAML data that a spec reads back into the same policy."""

from collections.abc import Mapping
from typing import Any

from scoreline_registry.decisions.actions import ANY_CHANNEL, Action, Effect
from scoreline_registry.decisions.amounts import ZERO
from scoreline_registry.decisions.cuts import AdaptiveCut, CostCut, Cut, FixedCut, ShareCut
from scoreline_registry.decisions.declared_limits import DeclaredLimit
from scoreline_registry.decisions.interventions import CHANGES_BY, Intervention
from scoreline_registry.decisions.message_texts import ActionMessages, LanguageChoice, MessageVariant
from scoreline_registry.decisions.policy import Learning, Policy, ZoneChoice
from scoreline_registry.decisions.specs.limit_specs import LIMIT_SPECS, clock
from scoreline_registry.decisions.strategies import Exploration, SplitRule, Strategy, StrategyRule
from scoreline_registry.routing.bucketing import percent_of
from scoreline_registry.routing.durations import duration_text

_EMPTY: tuple[Any, ...] = (None, "", (), [], {})


def written(document: Policy) -> dict[str, Any]:
    """A stored policy as YAML data, in the order of the reference."""
    every = {
        "policy": document.policy,
        "description": document.description,
        "route": document.route,
        "unit": document.unit,
        "salt": document.salt,
        "timezone": _zone(document.timezone),
        "language": _language(document.language),
        "currency": document.currency,
        "control": percent_of(document.control_millionths),
        "actions": {name: _action(action) for name, action in document.actions.items()},
        "cuts": {name: _cut(cut) for name, cut in document.cuts.items()},
        "flags": dict(document.flags),
        "strategies": {name: _strategy(strategy) for name, strategy in document.strategies.items()},
        "rules": [_split(rule) for rule in document.rules],
        "shadows": list(document.shadows),
        "limits": [_limit(limit) for limit in document.limits],
        "limits_unavailable": None if document.limits_unavailable == "hold" else document.limits_unavailable,
        "messages": {action: _messages(messages) for action, messages in document.messages.items()},
        "interventions": {name: _intervention(each) for name, each in document.interventions.items()},
        "score_value": None if document.score_value is None else document.score_value.written,
        "recourse": {name: each.model_dump(mode="json") for name, each in document.recourse.items()},
        "learning": None if document.learning is None else _learning(document.learning),
    }
    return _given(every)


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are not empty. A number of 0 is not empty."""
    return {name: value for name, value in values.items() if value not in _EMPTY}


def _zone(zone: ZoneChoice) -> str | dict[str, str]:
    return zone.default if zone.context is None else {"context": zone.context, "default": zone.default}


def _language(language: LanguageChoice) -> str | dict[str, str]:
    if language.context is None:
        return language.default
    return {"context": language.context, "default": language.default}


def _action(action: Action) -> dict[str, Any]:
    plain = {name: getattr(action, name) for name in ("description", "channel", "category", "exclusive")}
    amounts = {
        name: amount.written for name, amount in (("cost", action.cost), ("benefit", action.benefit)) if amount != ZERO
    }
    effect = {} if action.effect is None else _effect(action.effect)
    return _given({"description": plain.pop("description"), **amounts, "effect": effect, **plain})


def _effect(effect: Effect) -> dict[str, Any]:
    if effect.learned is None:
        return _given(effect.model_dump(mode="json", include={"reduces", "changes", "uplift"}))
    names = {"reduces", "changes", "weight", "outcome"}
    return {"learned": _given(effect.learned.model_dump(mode="json", include=names))}


def _cut(cut: Cut) -> float | dict[str, Any]:
    if isinstance(cut, FixedCut):
        return cut.value
    return _given({**_computed_by(cut), **_adapts(cut)})


def _computed_by(cut: ShareCut | CostCut) -> dict[str, Any]:
    if isinstance(cut, ShareCut):
        return {"share": cut.share}
    costs = {"false_positive": cut.false_positive, "false_negative": cut.false_negative}
    return {"costs": costs, "outcome": cut.outcome, "matured": duration_text(cut.matured_seconds)}


def _adapts(cut: AdaptiveCut) -> dict[str, Any]:
    return {
        "start": cut.start,
        "window": duration_text(cut.window_seconds),
        "of": cut.of,
        "lowest": cut.lowest,
        "highest": cut.highest,
    }


def _strategy(strategy: Strategy) -> dict[str, Any]:
    return _given(
        {
            "description": strategy.description,
            "rules": [_rule(rule) for rule in strategy.rules],
            "explore": {} if strategy.explore is None else _exploration(strategy.explore),
        }
    )


def _rule(rule: StrategyRule) -> dict[str, Any]:
    always = {"always": True} if rule.always else {}
    return _given({"name": rule.name, "when": rule.when, "action": rule.action, "choose": list(rule.choose)}) | always


def _exploration(explore: Exploration) -> dict[str, Any]:
    shares = {name: value for name, value in (("share", explore.share), ("floor", explore.floor)) if value}
    return _given({"by": explore.by, "among": list(explore.among), **shares, "outcome": explore.outcome})


def _split(rule: SplitRule) -> dict[str, Any]:
    split = {each.strategy: percent_of(each.millionths) for each in rule.strategies}
    return _given({"when": rule.when, "layer": rule.layer}) | {"split": split}


def _limit(limit: DeclaredLimit) -> dict[str, Any]:
    """The limit in the order of its spec: name and kind, then its own options, then the actions it covers."""
    spec = LIMIT_SPECS[limit.kind]
    found: dict[str, Any] = {}
    for name, field in spec.model_fields.items():
        stored = spec.renamed.get(name, name)
        found[field.alias or name] = _plain(stored, getattr(limit, stored))
    general = ("when", "actions", "channels", "categories")
    return _given({name: value for name, value in found.items() if name not in general}) | _given(
        {name: found[name] for name in general}
    )


def _plain(stored: str, value: Any) -> Any:
    if stored.endswith("_seconds"):
        return duration_text(value)
    if stored.endswith("_minute"):
        return clock(value)
    return list(value) if isinstance(value, tuple) else value


def _messages(messages: ActionMessages) -> dict[str, Any]:
    if len(messages.variants) == 1 and not messages.variants[0].name:
        return _texts(messages.variants[0])
    shares = {
        variant.name: percent_of(sum(part.millionths for part in variant.ranges)) for variant in messages.variants
    }
    chosen = {"split": shares} if messages.by == "bucket" else {"by": messages.by}
    floor = {"floor": messages.floor} if messages.floor else {}
    return {**chosen, **floor, "variants": {variant.name: _texts(variant) for variant in messages.variants}}


def _texts(variant: MessageVariant) -> dict[str, Any]:
    return {
        language: texts[ANY_CHANNEL] if set(texts) == {ANY_CHANNEL} else dict(texts)
        for language, texts in variant.texts.items()
    }


def _intervention(intervention: Intervention) -> dict[str, Any]:
    changes: dict[str, Any] = {
        kind: {change.feature: change.value for change in intervention.changes if change.by == kind}
        for kind in CHANGES_BY
    }
    cost: dict[str, Any] = {} if intervention.cost == ZERO else {"cost": intervention.cost.written}
    described = {"description": intervention.description, **changes}
    return _given(described) | cost | _given({"excludes": list(intervention.excludes)})


def _learning(learning: Learning) -> dict[str, Any]:
    window = None if learning.window_seconds is None else duration_text(learning.window_seconds)
    return _given({"outcome": learning.outcome, "matured": duration_text(learning.matured_seconds), "window": window})
