"""Reads policies from YAML, strictly, and writes stored policies as YAML."""

import yaml
from pydantic import ValidationError

from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.specs.policy_planning import next_policy
from scoreline_registry.decisions.specs.policy_spec import PolicySpec
from scoreline_registry.decisions.specs.written_policy import written
from scoreline_registry.documents.documents import validation_errors
from scoreline_registry.errors import InvalidError
from scoreline_registry.strict_yaml import read_yaml


def read_policy(text: str, *, source: str) -> PolicySpec:
    """Reads a policy from YAML; ``source`` names the text in errors. Raises InvalidError with everything wrong."""
    raw = read_yaml(text, source=source)
    if not isinstance(raw, dict):
        raise InvalidError(source, ["a policy is a mapping with the keys policy, route, actions and strategies"])
    try:
        spec = PolicySpec.model_validate(raw)
        next_policy(spec, before=None)
    except ValidationError as error:
        raise InvalidError(source, [_HINTS.get(text, text) for text in validation_errors(error)]) from error
    return spec


_HINTS = {
    "actions: is missing": "actions: is missing: write at least `actions: {nudge: {channel: push}}`",
    "strategies: is missing": (
        "strategies: is missing: write at least `strategies: {usual: {rules: [{name: otherwise, action: none}]}}`"
    ),
}


def policy_of(text: str, *, source: str) -> Policy:
    """The policy of a YAML text, as a registry without an earlier definition stores it. Raises InvalidError."""
    return next_policy(read_policy(text, source=source), before=None)


def write_policy(document: Policy) -> str:
    """A stored policy as YAML that ``read_policy`` reads and that applies without a change."""
    text: str = yaml.safe_dump(written(document), sort_keys=False, allow_unicode=True, width=120)
    return text
