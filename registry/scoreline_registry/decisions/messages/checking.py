"""Checks templates before a policy is stored: each finding is one line. Pure.

A template has text, placeholders, ``if``/``elif``/``else``, comparisons and the filters listed here; no loops, calls,
macros, assignments, includes or arithmetic. A placeholder whose value a case may lack stands in a branch where it is
known to be there, or has a default.
"""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from jinja2 import nodes

from scoreline_registry.decisions.facts import BAND, CONTEXT, HOUR, POINTS, SCORE, WEEKDAY
from scoreline_registry.decisions.message_texts import MAX_TEMPLATE
from scoreline_registry.decisions.messages.filter_arguments import FILTERS, argument_error, result_kind
from scoreline_registry.decisions.messages.formats import unsafe_in
from scoreline_registry.decisions.messages.languages import locale_of
from scoreline_registry.decisions.messages.placeholders import (
    ACTION,
    COST,
    VALUE,
    FactKind,
    KnownFact,
    TemplateError,
    is_reason,
    name_of,
    parse_template,
)
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.names import hint

_SHOWN = 80
_ORDERED = ("lt", "lteq", "gt", "gteq")
_OWN: Mapping[str, KnownFact] = {
    ACTION: KnownFact("text", is_sure=True),
    COST: KnownFact("number", is_sure=True),
    VALUE: KnownFact("number", is_sure=False),
    SCORE: KnownFact("number", is_sure=True),
    BAND: KnownFact("text", is_sure=False),
    POINTS: KnownFact("number", is_sure=False),
    HOUR: KnownFact("number", is_sure=True),
    WEEKDAY: KnownFact("text", is_sure=True),
}
_REASON = KnownFact("text", is_sure=False)

_REFUSED: Mapping[type[nodes.Node], str] = {
    nodes.For: "a loop",
    nodes.Call: "a call",
    nodes.CallBlock: "a call",
    nodes.Macro: "a macro",
    nodes.Assign: "an assignment",
    nodes.AssignBlock: "an assignment",
    nodes.With: "an assignment",
    nodes.Include: "an include",
    nodes.Import: "an import",
    nodes.FromImport: "an import",
    nodes.Extends: "an `extends`",
    nodes.Block: "a block",
    nodes.FilterBlock: "a block",
    nodes.CondExpr: "an `if` within a placeholder",
    nodes.Concat: "`~`",
    nodes.BinExpr: "arithmetic",
    nodes.UnaryExpr: "arithmetic",
}

_Known: TypeAlias = frozenset[str]
_NOTHING: _Known = frozenset()


def message_problems(policy: Policy, facts: Mapping[str, KnownFact]) -> list[str]:
    """Why messages of a policy must be refused; empty where all are right.

    ``facts`` are those that a case of its route may have. ``score``, ``hour`` and ``weekday`` are always there; what
    ``facts`` says of ``score``, ``band`` and ``points`` goes before what is assumed of them.
    """
    problems: list[str] = []
    for action, messages in policy.messages.items():
        for template in messages.templates(action):
            variant = f".{template.variant}" if template.variant else ""
            where = f"messages.{action}{variant}.{template.language}.{template.channel}"
            if locale_of(template.language) is None:
                problems.append(f"{where}: there is no language {template.language!r}: write a tag such as en or pt-BR")
            found = template_problems(template.text, facts, has_currency=policy.currency is not None)
            problems += [f"{where}: {problem}" for problem in found]
    return list(dict.fromkeys(problems))


def template_problems(text: str, facts: Mapping[str, KnownFact] | None, *, has_currency: bool) -> list[str]:
    """Why a template must be refused; empty where it is right.

    Without ``facts`` any may be named, and none is missing.
    """
    if len(text) > MAX_TEMPLATE:
        return [f"it has {len(text):,} characters; at most {MAX_TEMPLATE:,} are allowed"]
    if (unsafe := unsafe_in(text)) is not None:
        return [f"it has the control character U+{ord(unsafe):04X}: remove it"]
    try:
        tree = parse_template(text)
    except TemplateError as error:
        return [f"it is not a template: {error}"]
    known = None if facts is None else {**_OWN, **facts}
    return list(_Check(known, has_currency=has_currency).body(tree.body, _NOTHING))


class _Check:
    """Walks one tree. ``known`` are the placeholders that have a value wherever the walk is."""

    def __init__(self, facts: Mapping[str, KnownFact] | None, *, has_currency: bool) -> None:
        self._facts = facts or {}
        self._is_open = facts is None
        self._has_currency = has_currency

    def body(self, parts: list[nodes.Node], known: _Known) -> Iterator[str]:
        """The problems of statements one after another."""
        for part in parts:
            if isinstance(part, nodes.Output):
                for each in part.nodes:
                    if not isinstance(each, nodes.TemplateData):
                        yield from self._value(each, known)
            elif isinstance(part, nodes.If):
                yield from self._branches(part, known)
            else:
                yield _refusal(part)

    def _branches(self, part: nodes.If, known: _Known) -> Iterator[str]:
        for branch in (part, *part.elif_):
            yield from self._condition(branch.test, known)
            yield from self.body(branch.body, known | _where(branch.test, holds=True))
            known |= _where(branch.test, holds=False)
        yield from self.body(part.else_, known)

    def _condition(self, node: nodes.Node, known: _Known) -> Iterator[str]:
        if isinstance(node, nodes.And | nodes.Or):
            yield from self._condition(node.left, known)
            after_left = _where(node.left, holds=isinstance(node, nodes.And))
            yield from self._condition(node.right, known | after_left)
        elif isinstance(node, nodes.Not):
            yield from self._condition(node.node, known)
        elif isinstance(node, nodes.Compare):
            yield from self._comparison(node, known)
        elif isinstance(node, nodes.Test):
            yield from self._test(node)
        else:
            yield from self._value(node, known)

    def _comparison(self, node: nodes.Compare, known: _Known) -> Iterator[str]:
        sides = [node.expr, *(operand.expr for operand in node.ops)]
        for side in sides:
            if not _is_list(side):
                yield from self._value(side, known)
        for left, operand in zip(sides, node.ops, strict=False):
            if (operand.op in ("in", "notin")) != _is_list(operand.expr) or _is_list(left):
                yield 'a list in brackets goes with `in`, such as context.segment in ["new", "loyal"]'
            elif operand.op in _ORDERED:
                kinds = {self._kind(left), self._kind(operand.expr)} - {None}
                if len(kinds) > 1 or "flag" in kinds:
                    yield f"{_text(left)} and {_text(operand.expr)} cannot be compared: one of them is no number"

    def _test(self, node: nodes.Test) -> Iterator[str]:
        if node.name != "defined" or node.args or node.kwargs or node.dyn_args or node.dyn_kwargs:
            yield f"the test `is {node.name}` is not allowed: use `is defined`"
        elif (name := name_of(node.node)) is None:
            yield "`is defined` goes with a placeholder"
        else:
            yield from self._unknown(name)

    def _value(self, node: nodes.Node, known: _Known) -> Iterator[str]:
        """The problems of an expression that must have a value."""
        name = name_of(node)
        if name is not None:
            yield from self._placeholder(name, known)
        elif isinstance(node, nodes.Filter):
            yield from self._filter(node, known)
        elif isinstance(node, nodes.Name | nodes.Getattr | nodes.Getitem):
            yield f"{_text(node)!r} is no placeholder: write one such as score, feature.<name> or reasons[0].text"
        elif not _is_constant(node):
            yield _refusal(node)

    def _placeholder(self, name: str, known: _Known) -> Iterator[str]:
        problem = next(self._unknown(name), None)
        if problem:
            yield problem
        elif name not in known and not self._fact(name).is_sure:
            name = _cut(name)
            guard = f"{{{{ {name} | default(...) }}}} or within {{% if {name} is defined %}}"
            yield f"{name} may be missing: write {guard}"

    def _filter(self, node: nodes.Filter, known: _Known) -> Iterator[str]:
        name = node.name
        if name not in FILTERS or node.node is None:
            yield f"there is no filter {name!r}; {hint(name, FILTERS, 'filter')}"
            return
        if name == "money" and not self._has_currency:
            yield "the filter money needs the policy's `currency`, such as EUR"
        if (error := argument_error(node)) is not None:
            yield error
        if name == "default":
            yield from self._defaulted(node)
            return
        yield from self._value(node.node, known)
        kind, wanted = self._kind(node.node), FILTERS[name]
        if wanted is not None and kind not in (None, wanted):
            yield f"{_text(node.node)} is a {kind}, and the filter {name} takes a {wanted}"

    def _defaulted(self, node: nodes.Filter) -> Iterator[str]:
        inner = node.node
        if inner is None or (name := name_of(inner)) is None:
            yield "the filter default goes directly after a placeholder"
        else:
            yield from self._unknown(name)

    def _unknown(self, name: str) -> Iterator[str]:
        if self._is_open or name in self._facts or is_reason(name) or name.startswith(CONTEXT):
            return
        known = [each for each in self._facts if each.partition(".")[0] == name.partition(".")[0]]
        yield f"{_cut(name)} is no fact of the route; {hint(name, known or self._facts, 'fact')}"

    def _fact(self, name: str) -> KnownFact:
        if self._is_open:
            return KnownFact(None, is_sure=True)
        return _REASON if is_reason(name) else self._facts.get(name, KnownFact(None, is_sure=False))

    def _kind(self, node: nodes.Node | None) -> FactKind | None:
        """The kind of an expression's value; None where it is not known."""
        if node is None:
            return None
        if (name := name_of(node)) is not None:
            return self._fact(name).kind
        if isinstance(node, nodes.Filter):
            return result_kind(node, self._kind(node.node))
        return _constant_kind(node)


def _where(test: nodes.Node, *, holds: bool) -> _Known:
    """The placeholders that have a value where a condition holds, or where it does not."""
    if isinstance(test, nodes.Not):
        return _where(test.node, holds=not holds)
    if isinstance(test, nodes.And | nodes.Or):
        left, right = _where(test.left, holds=holds), _where(test.right, holds=holds)
        return left | right if isinstance(test, nodes.And) == holds else left & right
    if isinstance(test, nodes.Test) and test.name == "defined" and holds:
        return _with_siblings(name_of(test.node))
    return _NOTHING


def _with_siblings(name: str | None) -> _Known:
    """A placeholder that is there; of a reason all parts are."""
    if name is None:
        return _NOTHING
    if not is_reason(name):
        return frozenset({name})
    place = name.rpartition(".")[0]
    return frozenset(f"{place}.{part}" for part in ("text", "input", "direction"))


def _is_constant(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Const) or (isinstance(node, nodes.Neg) and _constant_kind(node.node) == "number")


def _is_list(node: nodes.Node) -> bool:
    return isinstance(node, nodes.List | nodes.Tuple) and all(map(_is_constant, node.items))


def _constant_kind(node: nodes.Node) -> FactKind | None:
    value = node.value if isinstance(node, nodes.Const) else None
    if isinstance(node, nodes.Neg):
        return "number"
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else None


def _refusal(node: nodes.Node) -> str:
    what = next((text for kind, text in _REFUSED.items() if isinstance(node, kind)), f"`{type(node).__name__.lower()}`")
    return f"{what} is not allowed: a message has placeholders, filters and if/elif/else"


def _text(node: nodes.Node) -> str:
    """An expression for an error."""
    match node:
        case nodes.Const():
            text = repr(node.value)
        case nodes.Name():
            text = str(node.name)
        case nodes.Getattr():
            text = f"{_text(node.node)}.{node.attr}"
        case nodes.Getitem():
            text = f"{_text(node.node)}[{_text(node.arg)}]"
        case nodes.Filter() if node.node is not None:
            text = f"{_text(node.node)} | {node.name}"
        case _:
            text = f"<{type(node).__name__.lower()}>"
    return _cut(text)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
