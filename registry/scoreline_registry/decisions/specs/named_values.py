"""A policy as named values, so that two definitions can be compared line by line."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from scoreline_registry.decisions.cuts import AdaptiveCut
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.specs.written_policy import written
from scoreline_registry.documents.documents import canonical_json

NamedValue: TypeAlias = str | dict[str, Any]
"""One of them: a text, or options by name."""

_SECTIONS = {
    "actions": "action",
    "cuts": "cut",
    "flags": "flag",
    "interventions": "intervention",
    "recourse": "recourse of",
}
_LONGEST = 100


def named_values(policy: Policy) -> dict[str, NamedValue]:
    """Each value of a policy by a name such as "action nudge", bucket ranges aside."""
    return dict(_values(policy))


def difference_text(old: NamedValue | None, new: NamedValue | None) -> str:
    """The difference of two values of one name; None where it is not there."""
    if old is None:
        return f"added {_shown(new)}"
    if new is None:
        return f"removed (was {_shown(old)})"
    if isinstance(old, dict) and isinstance(new, dict):
        names = [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
        return ", ".join(f"{name} {_shown(old.get(name))} -> {_shown(new.get(name))}" for name in names)
    return f"{_shown(old)} -> {_shown(new)}"


def _values(policy: Policy) -> Iterator[tuple[str, NamedValue]]:
    data = written(policy)
    listed = {"policy", "strategies", "rules", "limits", "messages", *_SECTIONS}
    for name, value in data.items():
        if name not in listed:
            yield name, _value(value)
    for section, kind in _SECTIONS.items():
        for name, value in data.get(section, {}).items():
            yield f"{kind} {name}", _value(value)
    for name, strategy in data["strategies"].items():
        yield from _strategy_values(f"strategy {name}", strategy)
    for position, rule in enumerate(data["rules"], start=1):
        yield f"rule {position}", rule
    for limit in data.get("limits", ()):
        yield f"limit {limit['name']}", {name: value for name, value in limit.items() if name != "name"}
    yield from _message_values(policy, data.get("messages", {}))
    yield from _found(policy)


def _strategy_values(place: str, strategy: Mapping[str, Any]) -> Iterator[tuple[str, NamedValue]]:
    for rule in strategy["rules"]:
        yield f"{place} rule {rule['name']}", {name: value for name, value in rule.items() if name != "name"}
    yield f"{place} order of rules", ", ".join(rule["name"] for rule in strategy["rules"])
    for name in ("explore", "description"):
        if name in strategy:
            yield f"{place} {name}", _value(strategy[name])


def _message_values(policy: Policy, data: Mapping[str, Any]) -> Iterator[tuple[str, NamedValue]]:
    for action, messages in policy.messages.items():
        for template in messages.templates(action):
            words = (template.variant, template.language, template.channel)
            yield f"message {' '.join([action, *(word for word in words if word)])}", repr(template.text)
        chosen = {name: data[action][name] for name in ("by", "split", "floor") if name in data[action]}
        if chosen and len(messages.variants) > 1:
            yield f"message {action} variants", chosen


def _found(policy: Policy) -> Iterator[tuple[str, NamedValue]]:
    """What controllers found out."""
    for name, cut in policy.cuts.items():
        if isinstance(cut, AdaptiveCut) and name in policy.cuts_state:
            found = policy.cuts_state[name]
            yield f"cut {name} in force", f"{found.value:g} from {found.cases:,} cases"
    if policy.effects_state is None:
        return
    for name, effect in policy.effects_state.effects.items():
        yield f"effect of {name}", f"{effect.mean:g} +- {effect.spread:.2g} from {effect.cases:,} cases"
    for action, counts in policy.effects_state.variants.items():
        for name, count in counts.items():
            yield f"variant {name} of {action}", f"{count.successes:g} of {count.successes + count.failures:g} cases"


def _value(value: Any) -> NamedValue:
    return value if isinstance(value, dict) else _shown(value)


def _shown(value: Any) -> str:
    """A value in one line of at most so many characters; ``none`` where there is no value."""
    if value is None:
        return "none"
    if isinstance(value, str):
        text = value
    elif isinstance(value, list) and all(isinstance(each, str) for each in value):
        text = ", ".join(value)
    else:
        text = canonical_json(value).decode().strip().replace('"', "")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
