"""Routes as YAML files: reading what people wrote, strictly, and writing what they could have written."""

import yaml
from pydantic import ValidationError

from scoreline_registry.documents.documents import validation_errors
from scoreline_registry.errors import InvalidError
from scoreline_registry.routing.planning import spec_of
from scoreline_registry.routing.route import RouteDocument, RouteSpec
from scoreline_registry.strict_yaml import read_yaml


def read_route(text: str, *, source: str) -> RouteSpec:
    """Reads a route from YAML; ``source`` names the text in errors. Raises InvalidError with everything wrong."""
    raw = read_yaml(text, source=source)
    if not isinstance(raw, dict):
        raise InvalidError(source, ["a route is a mapping with the keys route, schema and rules"])
    try:
        return RouteSpec.model_validate(raw)
    except ValidationError as error:
        raise InvalidError(source, validation_errors(error)) from error


def write_route(document: RouteDocument) -> str:
    """A stored route as YAML that ``read_route`` reads and that applies without a change."""
    text: str = yaml.safe_dump(spec_of(document), sort_keys=False, allow_unicode=True, width=120)
    return text
