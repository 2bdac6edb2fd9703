"""The templates of a policy, compiled by the template library, and the texts that they give. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import StrictUndefined, Template, nodes
from jinja2 import TemplateError as RenderError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from scoreline_registry.decisions.actions import ANY_CHANNEL
from scoreline_registry.decisions.facts import Facts
from scoreline_registry.decisions.message_texts import DEFAULT_LANGUAGE, MessageVariant
from scoreline_registry.decisions.messages.checking import template_problems
from scoreline_registry.decisions.messages.filter_arguments import FILTERS
from scoreline_registry.decisions.messages.formats import filters_of, one_space, shown_value
from scoreline_registry.decisions.messages.languages import best_language, locale_of, normal_tag
from scoreline_registry.decisions.messages.message import ChosenAction, Message, MessageReason
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

COMPILED_AT_ONCE = 200
"""Policies with more templates compile each when it is first written, a millisecond or so."""

_FACTS = "facts"


def compile_templates(policy: Policy) -> dict[tuple[str, str], "Texts"]:
    """The templates of each action and variant. Of policies with many, each is compiled when it is first written."""
    environments: dict[str, ImmutableSandboxedEnvironment] = {}
    compiled: dict[tuple[str, str], Texts] = {}
    for action, messages in policy.messages.items():
        for variant in messages.variants:
            for language in variant.texts:
                if language not in environments:
                    environments[language] = _environment(language, policy.currency)
            compiled[action, variant.name] = _texts(variant, environments)
    texts = [text for each in compiled.values() for channels in each.by_language.values() for text in channels.values()]
    for text in texts if len(texts) <= COMPILED_AT_ONCE else ():
        text.compile()
    return compiled


def reasons_named(policy: Policy) -> int:
    """How many reasons of a score the templates of a policy can name."""
    texts = (template.text for action, each in policy.messages.items() for template in each.templates(action))
    return max(map(reasons_in, texts), default=0)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A template and what it reads; without one ``problem`` says why it never runs."""

    template: Template | None
    facts: tuple[str, ...] = ()
    has_reasons: bool = False
    problem: str = ""


class Text:
    """One template."""

    def __init__(self, language: str, text: str, environment: ImmutableSandboxedEnvironment) -> None:
        self.language = language
        self._text, self._environment = text, environment
        self._compiled: _Compiled | None = None

    def compile(self) -> _Compiled:
        """The template, compiled once; by two threads at once perhaps twice."""
        if self._compiled is None:
            self._compiled = _compiled(self._text, self._environment)
        return self._compiled

    def write(self, chosen: ChosenAction, facts: Facts, reasons: Sequence[MessageReason]) -> Message:
        """The message for a case."""
        compiled = self.compile()
        if compiled.template is None:
            return Message("", self.language, compiled.problem)
        try:
            text = one_space(compiled.template.render({_FACTS: _values(compiled, chosen, facts, reasons)}))
        except (RenderError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            return Message("", self.language, first_line(error))
        return Message(text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…", self.language)


@dataclass(frozen=True, slots=True)
class Texts:
    """The templates of one variant by normal language tag, then channel."""

    by_language: Mapping[str, Mapping[str, Text]]

    def find(self, languages: Sequence[str], channel: str) -> Text | None:
        """The template of the best language that has one for the channel, or for any."""
        tags = [tag for tag, texts in self.by_language.items() if channel in texts or ANY_CHANNEL in texts]
        tag = best_language(tags, *languages)
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


def _texts(variant: MessageVariant, environments: Mapping[str, ImmutableSandboxedEnvironment]) -> Texts:
    by_language: dict[str, dict[str, Text]] = {}
    for language, texts in variant.texts.items():
        compiled = {channel: Text(language, text, environments[language]) for channel, text in texts.items()}
        by_language[normal_tag(language)] = compiled
    return Texts(by_language)


def _compiled(text: str, environment: ImmutableSandboxedEnvironment) -> _Compiled:
    """A template, compiled. What a check before it was stored would have refused is a problem, and never runs."""
    problems = template_problems(text, None, has_currency="money" in environment.filters)
    if problems:
        return _Compiled(None, problem=problems[0])
    tree = parse_template(text)
    names = tuple(dict.fromkeys(placeholders(tree)))
    facts = tuple(name for name in names if name not in OWN_FACTS and not is_reason(name))
    flat: nodes.Template = _Flat().visit(tree)
    flat.set_environment(environment)
    return _Compiled(environment.from_string(flat), facts, any(map(is_reason, names)))


def _values(
    compiled: _Compiled, chosen: ChosenAction, facts: Facts, reasons: Sequence[MessageReason]
) -> dict[str, Any]:
    """What the placeholders read; those without a value are absent."""
    values: dict[str, Any] = {ACTION: chosen.action, COST: chosen.cost}
    if chosen.expected_value is not None:
        values[VALUE] = chosen.expected_value
    for name in compiled.facts:
        value = facts.get(name)
        if value is not None and (not isinstance(value, float) or math.isfinite(value)):
            values[name] = value
    for place, reason in enumerate(reasons if compiled.has_reasons else ()):
        values |= {reason_name(place, part): getattr(reason, part) for part in REASON_PARTS}
    return values


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
