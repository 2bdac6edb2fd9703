"""The filters that templates may have: what they take and give. Pure."""

from collections.abc import Mapping

from jinja2 import nodes

from scoreline_registry.decisions.messages.formats import DATE_FORMATS, MAX_DECIMALS
from scoreline_registry.decisions.messages.placeholders import FactKind

FILTERS: Mapping[str, FactKind | None] = {
    "default": None,
    "money": "number",
    "number": "number",
    "percent": "number",
    "date": None,
    "upper": "text",
    "lower": "text",
    "capitalize": "text",
    "title": "text",
    "trim": "text",
}
"""The filters by name, and the kind of value that each takes; None for any."""

_WITH_DECIMALS = ("money", "number", "percent")


def argument_error(node: nodes.Filter) -> str | None:
    """Why the arguments of a filter are refused; None where they are right."""
    if node.kwargs or node.dyn_args or node.dyn_kwargs:
        return f"the filter {node.name} takes its argument without a name"
    values = [each.value for each in node.args if isinstance(each, nodes.Const)]
    if len(values) != len(node.args):
        return f"the argument of the filter {node.name} is a constant"
    return _default_error(values) if node.name == "default" else _format_error(node.name, values)


def _default_error(values: list[object]) -> str | None:
    fits = len(values) == 1 and isinstance(values[0], str | int | float) and not isinstance(values[0], bool)
    return None if fits else 'the filter default takes one constant, such as default("there")'


def _format_error(name: str, values: list[object]) -> str | None:
    if not values:
        return None
    if name in _WITH_DECIMALS:
        decimals = values[0]
        fits = len(values) == 1 and type(decimals) is int and 0 <= decimals <= MAX_DECIMALS
        return None if fits else f"the filter {name} takes a number of decimals from 0 to {MAX_DECIMALS}"
    if name == "date":
        fits = len(values) == 1 and values[0] in DATE_FORMATS
        return None if fits else f"the filter date takes {_either(DATE_FORMATS)}"
    return f"the filter {name} takes no argument"


def result_kind(node: nodes.Filter, kind: FactKind | None) -> FactKind | None:
    """The kind of value that a filter gives for one of a kind; None where that is not known."""
    if node.name != "default":
        return "text"
    value = node.args[0].value if node.args and isinstance(node.args[0], nodes.Const) else None
    default: FactKind = "text" if isinstance(value, str) else "number"
    return kind if kind in (None, default) else "text"


def _either(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"
