"""Routes as YAML files: reading what people wrote, strictly, and writing what they could have written."""

from collections.abc import Hashable
from typing import Any

import yaml
from pydantic import ValidationError

from scoreline_registry.documents import problems_of
from scoreline_registry.errors import InvalidError
from scoreline_registry.planning import spec_of
from scoreline_registry.route import RouteDocument, RouteSpec


def read_route(text: str, *, source: str) -> RouteSpec:
    """Reads a route from YAML; ``source`` names the text in errors. Raises InvalidError with everything wrong."""
    try:
        raw = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - it is a SafeLoader
    except yaml.MarkedYAMLError as error:
        raise InvalidError(source, [_where_and_what(error)]) from error
    except RecursionError as error:
        raise InvalidError(source, ["it nests too deep"]) from error
    except yaml.YAMLError as error:
        raise InvalidError(source, [f"it is not YAML: {error}".splitlines()[0]]) from error
    if not isinstance(raw, dict):
        raise InvalidError(source, ["a route is a mapping with the keys route, schema and rules"])
    try:
        return RouteSpec.model_validate(raw)
    except ValidationError as error:
        raise InvalidError(source, problems_of(error)) from error


def write_route(document: RouteDocument) -> str:
    """A stored route as YAML that ``read_route`` reads and that applies without a change."""
    text: str = yaml.safe_dump(spec_of(document), sort_keys=False, allow_unicode=True, width=120)
    return text


class _StrictLoader(yaml.SafeLoader):
    """Refuses what plain YAML lets pass in silence: repeated keys, and keys that are not text (``no``, ``7``)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise _fault(key_node, f"the key {key_node.value} is not text: put quotes around it")
            if key in seen:
                raise _fault(key_node, f"the key {key!r} stands twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


def _fault(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def _where_and_what(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    what = error.problem or error.context or "it is not YAML"
    return f"line {mark.line + 1}: {what}" if mark is not None else what
