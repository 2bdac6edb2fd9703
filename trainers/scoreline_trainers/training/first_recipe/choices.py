"""A recipe's keys as they were chosen, and their YAML with the reasons as comments."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

_WIDTH = 110


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a list, and why it is there."""

    value: Any
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """One key of a recipe.

    Attributes:
        key: of the recipe.
        value: what stands there; a tuple of Items where each has its own reason.
        reason: why; empty where the value speaks for itself.
    """

    key: str
    value: Any
    reason: str = ""

    @property
    def plain(self) -> Any:
        """The value without reasons."""
        if isinstance(self.value, tuple):
            return [item.value for item in self.value]
        return self.value

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons of the value and of its items, each with what it is the reason of."""
        items = self.value if isinstance(self.value, tuple) else ()
        own = [f"{self.key}: {self.reason}"] if self.reason else []
        return (*own, *(f"{self.key} {_flow(item.value)}: {item.reason}" for item in items if item.reason))


def document(choices: Sequence[Choice]) -> dict[str, Any]:
    """The recipe as the mapping that its YAML holds."""
    return {choice.key: choice.plain for choice in choices}


def yaml_text(choices: Sequence[Choice], head: Sequence[str] = ()) -> str:
    """The recipe as YAML, reasons as comments; ``head`` are comments in front of it."""
    comments = [line for text in head for line in _comment(text)]
    return "\n".join([*comments, *(line for choice in choices for line in _lines(choice))]) + "\n"


def _lines(choice: Choice) -> Iterator[str]:
    yield from _comment(choice.reason)
    if not isinstance(choice.value, tuple):
        yield from _entry(choice.key, choice.value)
        return
    yield f"{choice.key}:"
    for item in choice.value:
        reason = f"  # {_one_line(item.reason)}" if item.reason else ""
        yield f"  - {_flow(item.value)}{reason}"


def _entry(key: str, value: Any) -> Iterator[str]:
    """A key with its value: in one line, or a mapping that is too long for it with a line for each of its keys."""
    line = f"{key}: {_flow(value)}"
    if len(line) <= _WIDTH or not isinstance(value, dict):
        yield line
        return
    yield f"{key}:"
    for inner, part in value.items():
        yield from (f"  {each}" for each in _entry(inner, part))


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(_one_line(text), _WIDTH)]


def _one_line(text: str) -> str:
    """Text as a comment of YAML can hold it: names of columns may hold line ends and other control characters."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _flow(value: Any) -> str:
    written: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=10**6)
    return written.removesuffix("\n").removesuffix("\n...")
