"""Reads YAML strictly: duplicate keys and keys that are not text are errors."""

from collections.abc import Hashable
from typing import Any

import yaml

from scoreline_registry.errors import InvalidError

# A server reads what callers send, so a document costs it a few seconds at the most.
MAX_CHARACTERS = 1024 * 1024
MAX_VALUES = 50_000
MAX_DEPTH = 32
MAX_NUMBER_CHARACTERS = 400
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


def read_yaml(text: str, *, source: str) -> Any:
    """The value that the text holds; ``source`` names it in errors.

    Raises:
        InvalidError: it is not YAML, a duplicate key in one mapping, a key is not text, or it is larger or nests deeper
            than the limits allow. An alias counts as all the values that it repeats, and may not contain itself.
    """
    if len(text) > MAX_CHARACTERS:
        raise InvalidError(source, [f"it has {len(text):,} characters; at most {MAX_CHARACTERS:,} are allowed"])
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - it is a SafeLoader
    except yaml.MarkedYAMLError as error:
        raise InvalidError(source, [_where_and_what(error)]) from error
    except RecursionError as error:
        raise InvalidError(source, ["it nests too deep"]) from error
    except yaml.YAMLError as error:
        raise InvalidError(source, [f"it is not YAML: {error}".splitlines()[0]]) from error
    except ValueError as error:
        raise InvalidError(source, [f"it holds a value that cannot be: {error}"]) from error


class _StrictLoader(yaml.SafeLoader):
    """Refuses what plain YAML lets pass in silence: repeated keys, and keys that are not text (``no``, ``7``).

    Limits are checked while nodes are composed, before any value is made of them.
    """

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = self._values = 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """One node, its values counted."""
        before, mark = self._values, self.peek_event().start_mark  # type: ignore[no-untyped-call]
        is_alias = self.check_event(yaml.AliasEvent)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _fault_at(mark, f"it nests deeper than {MAX_DEPTH} levels")
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        if is_alias and id(node) not in self._sizes:
            raise _fault_at(mark, "an alias contains itself")
        self._values += self._sizes[id(node)] if is_alias else 1
        if self._values > MAX_VALUES:
            raise _fault_at(mark, f"it has more than {MAX_VALUES:,} values, those of aliases included")
        if not is_alias:
            self._sizes[id(node)] = self._values - before
        if isinstance(node, yaml.ScalarNode) and node.tag in _NUMBERS and len(node.value) > MAX_NUMBER_CHARACTERS:
            raise _fault_at(mark, f"a number of more than {MAX_NUMBER_CHARACTERS} characters")
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise _fault(key_node, f"the key {key_node.value} is not text: put quotes around it")
            if key in seen:
                raise _fault(key_node, f"duplicate key {key!r}")
            seen.add(key)
        return super().construct_mapping(node, deep)


def _fault(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return _fault_at(node.start_mark, problem)


def _fault_at(mark: yaml.Mark, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _where_and_what(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    what = error.problem or error.context or "it is not YAML"
    return f"line {mark.line + 1}: {what}" if mark is not None else what
