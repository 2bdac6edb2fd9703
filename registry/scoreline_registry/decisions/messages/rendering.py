"""Writes the messages of a policy: its templates compiled, chosen by action, variant, language and channel. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from jinja2 import StrictUndefined, Template, nodes
from jinja2 import TemplateError as RenderError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from scoreline_registry.decisions.actions import ANY_CHANNEL
from scoreline_registry.decisions.facts import CONTEXT, Facts
from scoreline_registry.decisions.message_texts import DEFAULT_LANGUAGE, MessageVariant
from scoreline_registry.decisions.messages.checking import template_problems
from scoreline_registry.decisions.messages.filter_arguments import FILTERS
from scoreline_registry.decisions.messages.formats import filters_of, shown_value
from scoreline_registry.decisions.messages.languages import best_language, locale_of, normal_tag
from scoreline_registry.decisions.messages.placeholders import (
    ACTION,
    COST,
    OWN_FACTS,
    REASON_PARTS,
    VALUE,
    is_reason,
    name_of,
    parse_template,
    placeholders,
    reason_name,
    reasons_in,
)
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.errors import first_line

MAX_MESSAGE = 4000
"""The characters of a message; a longer one is cut off, with an ellipsis."""

_FACTS = "facts"


class ChosenAction(Protocol):
    """An action with the variant of its message, "" for the only one."""

    @property
    def action(self) -> str: ...
    @property
    def variant(self) -> str: ...
    @property
    def cost(self) -> float: ...
    @property
    def expected_value(self) -> float | None: ...


class MessageReason(Protocol):
    """A reason of a score, as messages name it."""

    @property
    def text(self) -> str: ...
    @property
    def input(self) -> str: ...
    @property
    def direction(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was written.

    Attributes:
        language: the tag of its template.
        problem: why there is no text, such as a placeholder without a value; "" where there is one.
    """

    text: str
    language: str
    problem: str = ""


class CompiledMessages:
    """The messages of one policy, ready to be written."""

    def __init__(self, policy: Policy) -> None:
        self._language = policy.language
        environments: dict[str, ImmutableSandboxedEnvironment] = {}
        self._texts: dict[tuple[str, str], _Texts] = {}
        self.reasons = 0
        for action, messages in policy.messages.items():
            for template in messages.templates(action):
                self.reasons = max(self.reasons, reasons_in(template.text))
                if template.language not in environments:
                    environments[template.language] = _environment(template.language, policy.currency)
            for variant in messages.variants:
                self._texts[action, variant.name] = _compiled(variant, environments)

    reasons: int
    """How many reasons of a score the templates can name."""

    def write(
        self,
        chosen: ChosenAction,
        facts: Facts,
        *,
        language: str = "",
        channel: str | None = None,
        reasons: Sequence[MessageReason] = (),
    ) -> Message | None:
        """The message of an action; None where the policy has none for it in any language that suits.

        ``language`` is the caller's wish; without it, and where it has no message, the policy says which. What a
        channel has no message for is that of any channel. ``reasons`` are the first ones of the score, most important
        first. Never raises for a value: a message that cannot be written has a ``problem``.
        """
        texts = self._texts.get((chosen.action, chosen.variant))
        if texts is None:
            return None
        found = texts.find(self._languages(language, facts), channel or ANY_CHANNEL)
        return None if found is None else found.write(_values(found, chosen, facts, reasons))

    def _languages(self, wanted: str, facts: Facts) -> tuple[str, ...]:
        context = self._language.context
        named = facts.get(CONTEXT + context) if context else None
        return (wanted, named if isinstance(named, str) else "", self._language.default)


@dataclass(frozen=True, slots=True)
class _Text:
    """One template."""

    language: str
    template: Template
    facts: tuple[str, ...]
    has_reasons: bool
    problem: str = ""

    def write(self, values: Mapping[str, Any]) -> Message:
        if self.problem:
            return Message("", self.language, self.problem)
        try:
            text = self.template.render(facts=values)
        except (RenderError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            return Message("", self.language, first_line(error))
        return Message(text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…", self.language)


@dataclass(frozen=True, slots=True)
class _Texts:
    """The templates of one variant by normal language tag, then channel."""

    by_language: Mapping[str, Mapping[str, _Text]]

    def find(self, languages: tuple[str, ...], channel: str) -> _Text | None:
        """The template of the best language that has one for the channel, or for any."""
        available = [tag for tag, texts in self.by_language.items() if channel in texts or ANY_CHANNEL in texts]
        tag = best_language(available, *languages)
        if tag is None:
            return None
        texts = self.by_language[tag]
        return texts.get(channel) or texts[ANY_CHANNEL]


class _Environment(ImmutableSandboxedEnvironment):
    """Reads items by their name alone. Templates that were checked look up nothing else, and call nothing."""

    def getitem(self, obj: Any, argument: Any) -> Any:
        """An item; undefined where it is missing."""
        try:
            return obj[argument]
        except LookupError:
            return self.undefined(obj=obj, name=argument)


class _Flat(NodeTransformer):
    """Replaces each placeholder by an item, of its name, of the one mapping that templates get."""

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> Any:
        """A node with its placeholders replaced."""
        name = name_of(node)
        if name is None:
            return super().visit(node, *args, **kwargs)
        return nodes.Getitem(nodes.Name(_FACTS, "load"), nodes.Const(name), "load").set_lineno(node.lineno)


def _compiled(variant: MessageVariant, environments: Mapping[str, ImmutableSandboxedEnvironment]) -> _Texts:
    by_language: dict[str, dict[str, _Text]] = {}
    for language, texts in variant.texts.items():
        compiled = {channel: _text(language, text, environments[language]) for channel, text in texts.items()}
        by_language[normal_tag(language)] = compiled
    return _Texts(by_language)


def _text(language: str, text: str, environment: ImmutableSandboxedEnvironment) -> _Text:
    """A template, compiled. What a check before it was stored would have refused is a problem, and never runs."""
    problem = next(iter(template_problems(text, None, has_currency="money" in environment.filters)), "")
    if problem:
        return _Text(language, environment.from_string(""), (), has_reasons=False, problem=problem)
    tree = parse_template(text)
    names = tuple(dict.fromkeys(placeholders(tree)))
    facts = tuple(name for name in names if name not in OWN_FACTS and not is_reason(name))
    flat: nodes.Template = _Flat().visit(tree)
    flat.set_environment(environment)
    return _Text(language, environment.from_string(flat), facts, any(map(is_reason, names)))


def _environment(language: str, currency: str | None) -> ImmutableSandboxedEnvironment:
    locale = locale_of(language) or locale_of(DEFAULT_LANGUAGE)
    assert locale is not None  # noqa: S101 - Babel has English
    environment = _Environment(
        undefined=StrictUndefined, autoescape=False, optimized=False, finalize=shown_value(locale), cache_size=0
    )
    own = {**environment.filters, **filters_of(locale, currency)}
    environment.filters = {name: own[name] for name in FILTERS if name in own}
    environment.tests = {"defined": environment.tests["defined"]}
    environment.globals = {}
    return environment


def _values(text: _Text, chosen: ChosenAction, facts: Facts, reasons: Sequence[MessageReason]) -> dict[str, Any]:
    """What the placeholders of a template read; those without a value are absent."""
    values: dict[str, Any] = {ACTION: chosen.action, COST: chosen.cost}
    if chosen.expected_value is not None:
        values[VALUE] = chosen.expected_value
    for name in text.facts:
        value = facts.get(name)
        if value is not None and value == value and value not in (math.inf, -math.inf):  # noqa: PLR0124 - NaN
            values[name] = value
    if text.has_reasons:
        for place, reason in enumerate(reasons):
            for part in REASON_PARTS:
                values[reason_name(place, part)] = getattr(reason, part)
    return values
