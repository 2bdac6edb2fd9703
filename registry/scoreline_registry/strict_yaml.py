"""YAML that people wrote, read so that nothing they meant is lost in silence."""

from collections.abc import Hashable
from typing import Any

import yaml

from scoreline_registry.errors import InvalidError


def read_yaml(text: str, *, source: str) -> Any:
    """The value that the text holds; ``source`` names it in errors.

    Raises:
        InvalidError: it is not YAML, a duplicate key in one mapping, or a key is not text.
    """
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - it is a SafeLoader
    except yaml.MarkedYAMLError as error:
        raise InvalidError(source, [_where_and_what(error)]) from error
    except RecursionError as error:
        raise InvalidError(source, ["it nests too deep"]) from error
    except yaml.YAMLError as error:
        raise InvalidError(source, [f"it is not YAML: {error}".splitlines()[0]]) from error


class _StrictLoader(yaml.SafeLoader):
    """Refuses what plain YAML lets pass in silence: repeated keys, and keys that are not text (``no``, ``7``)."""

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
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def _where_and_what(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    what = error.problem or error.context or "it is not YAML"
    return f"line {mark.line + 1}: {what}" if mark is not None else what
