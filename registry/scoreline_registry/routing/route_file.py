"""Reads routes from YAML, strictly, and writes stored routes as YAML."""

import yaml
from pydantic import ValidationError

from scoreline_registry.documents.documents import validation_errors
from scoreline_registry.errors import InvalidError
from scoreline_registry.routing.planning import spec_of
from scoreline_registry.routing.route import RouteDocument
from scoreline_registry.routing.route_spec import RouteSpec
from scoreline_registry.strict_yaml import read_yaml


def read_route(text: str, *, source: str) -> RouteSpec:
    """Reads a route from YAML; ``source`` names the text in errors. Raises InvalidError with everything wrong."""
    raw = read_yaml(text, source=source)
    if not isinstance(raw, dict):
        raise InvalidError(source, ["a route is a mapping with the keys route, schema and rules"])
    try:
        return RouteSpec.model_validate(raw)
    except ValidationError as error:
        raise InvalidError(source, [_HINTS.get(text, text) for text in validation_errors(error)]) from error


_HINTS = {
    "schema: is missing": "schema: is missing: list the `features` that callers send, or write `like: model@alias`",
    "rules: is missing": "rules: is missing: write at least `rules: [{split: {model@alias: 100}}]`",
}


def write_route(document: RouteDocument) -> str:
    """A stored route as YAML that ``read_route`` reads and that applies without a change."""
    text: str = yaml.safe_dump(spec_of(document), sort_keys=False, allow_unicode=True, width=120)
    return text
