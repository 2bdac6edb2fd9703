"""What the placeholders of templates name: facts of a case, its reasons, and the action itself. Pure.

A placeholder is a path such as ``feature.amount``, ``feature["monthly fee"]``, ``profile.spending.spent_30d`` or
``reasons[0].text``. It reads one value from a flat mapping by its name, so that no attribute of any object is ever
looked up.
"""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

from jinja2 import Environment, StrictUndefined, TemplateSyntaxError, nodes

from scoreline_registry.decisions.facts import CONTEXT, EVENT, EXTRA, FEATURE, FLAG, PLAIN_FACTS, PROFILE
from scoreline_registry.errors import first_line

FactKind: TypeAlias = Literal["number", "text", "flag"]

ACTION, COST, VALUE = "action", "cost", "value"
OWN_FACTS = (ACTION, COST, VALUE)
"""What placeholders name of the action itself: its name, what it costs and its expected value."""

REASONS = "reasons"
REASON_PARTS = ("text", "input", "direction")
MAX_REASONS = 20

MAX_DEPTH = 40
"""The levels of a syntax tree; an `if` in an `if` is one, and so is a filter of a filter."""

_TOO_DEEP = f"it nests deeper than {MAX_DEPTH} levels"

_ROOTS = {prefix.removesuffix("."): prefix for prefix in (FEATURE, CONTEXT, PROFILE, EVENT, EXTRA, FLAG)}
_PLAIN = frozenset((*PLAIN_FACTS, *OWN_FACTS))
_REASON = re.compile(r"reasons\[([0-9]+)\]\.[a-z]+", re.ASCII)

SYNTAX = Environment(autoescape=False, undefined=StrictUndefined)  # noqa: S701 - it only parses; texts are no HTML
"""Parses templates; the environments that render them have the same syntax."""


class KnownFact(NamedTuple):
    """A fact that cases of a route may have: its kind, None where callers choose it, and whether every case has it."""

    kind: FactKind | None
    is_sure: bool


class TemplateError(ValueError):
    """A template that cannot be parsed, or contains what none may contain."""


def parse_template(text: str) -> nodes.Template:
    """The syntax tree of a template. Raises TemplateError."""
    try:
        tree = SYNTAX.parse(text)
    except TemplateSyntaxError as error:
        raise TemplateError(f"line {error.lineno}: {first_line(error, most=150)}") from error
    except RecursionError as error:
        raise TemplateError(_TOO_DEEP) from error
    except ValueError as error:
        raise TemplateError("a number is too long") from error
    level: list[nodes.Node] = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in node.iter_child_nodes()]
    if level:
        raise TemplateError(_TOO_DEEP)
    return tree


def name_of(node: nodes.Node) -> str | None:
    """The name of what a placeholder reads; None for what is no placeholder.

    ``reasons[0]`` alone reads the reason's input, which each reason has.
    """
    if isinstance(node, nodes.Name):
        return node.name if node.name in _PLAIN else None
    parts = _parts(node)
    if not parts or not isinstance(parts[0], str):
        return None
    root, *rest = parts
    if root == REASONS:
        return _reason_name(rest)
    if root not in _ROOTS or not rest or not all(isinstance(part, str) and part for part in rest):
        return None
    return _ROOTS[root] + ".".join(map(str, rest))


def reason_name(place: int, part: str) -> str:
    """The name of a part of a reason, which are counted from 0."""
    return f"{REASONS}[{place}].{part}"


def is_reason(name: str) -> bool:
    """Whether a placeholder's name is that of a part of a reason."""
    return _REASON.fullmatch(name) is not None


def placeholders(node: nodes.Node) -> Iterator[str]:
    """The names of all placeholders in a tree, in order."""
    name = name_of(node)
    if name is not None:
        yield name
        return
    for child in node.iter_child_nodes():
        yield from placeholders(child)


def names_in(text: str) -> tuple[str, ...]:
    """The names of the placeholders of a template, each once; empty for a text that is no template."""
    try:
        return tuple(dict.fromkeys(placeholders(parse_template(text))))
    except TemplateError:
        return ()


def facts_in(text: str) -> tuple[str, ...]:
    """The facts of a case among the placeholders of a template, each once."""
    return tuple(name for name in names_in(text) if name not in OWN_FACTS and not is_reason(name))


def reasons_in(text: str) -> int:
    """How many reasons a template can name: one more than the last one's place."""
    found = (_REASON.fullmatch(name) for name in names_in(text))
    return max((int(match[1]) + 1 for match in found if match), default=0)


def _parts(node: nodes.Node) -> list[str | int]:
    """The name and the attributes or constant items of a path; empty for any other expression."""
    parts: list[str | int] = []
    while isinstance(node, nodes.Getattr | nodes.Getitem):
        if isinstance(node, nodes.Getattr):
            parts.append(node.attr)
        elif isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str | int):
            parts.append(node.arg.value)
        else:
            return []
        node = node.node
    if not isinstance(node, nodes.Name):
        return []
    return [node.name, *reversed(parts)]


def _reason_name(parts: list[str | int]) -> str | None:
    place = parts[0] if parts else None
    if isinstance(place, bool) or not isinstance(place, int) or not 0 <= place < MAX_REASONS:
        return None
    part = parts[1] if len(parts) == 2 else "input"
    return reason_name(place, part) if len(parts) <= 2 and isinstance(part, str) and part in REASON_PARTS else None
