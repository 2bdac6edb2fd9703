"""Reads profiles from YAML, strictly, and writes stored profiles as YAML."""

from typing import Any

import yaml
from pydantic import ValidationError

from scoreline_registry.documents.documents import validation_errors
from scoreline_registry.errors import InvalidError
from scoreline_registry.profiles.feature import ProfileFeature
from scoreline_registry.profiles.profile import Profile
from scoreline_registry.profiles.spec import SPAN_OPTIONS, ProfileSpec
from scoreline_registry.routing.durations import duration_text
from scoreline_registry.strict_yaml import read_yaml


def read_profile(text: str, *, source: str) -> Profile:
    """Reads a profile from YAML; ``source`` names the text in errors. Raises InvalidError with everything wrong."""
    raw = read_yaml(text, source=source)
    if not isinstance(raw, dict):
        raise InvalidError(source, ["a profile is a mapping with the keys profile, events and features"])
    try:
        return ProfileSpec.model_validate(raw).document
    except ValidationError as error:
        raise InvalidError(source, [_HINTS.get(text, text) for text in validation_errors(error)]) from error


_HINTS = {
    "events: is missing": "events: is missing: write at least `events: {click: {}}`",
    "features: is missing": "features: is missing: write at least `features: {clicks: {aggregate: count}}`",
}


def write_profile(document: Profile) -> str:
    """A stored profile as YAML that ``read_profile`` reads and that applies without a change."""
    text: str = yaml.safe_dump(written(document), sort_keys=False, allow_unicode=True, width=120)
    return text


def written(document: Profile) -> dict[str, Any]:
    """A stored profile as YAML data, defaults that depend on other options written out."""
    dumped = document.model_dump(mode="json", include={"profile", "description", "timezone_offset_minutes"})
    spans = {name: duration_text(getattr(document, f"{name}_seconds")) for name in ("lateness", "future", "keep")}
    return {
        **dumped,
        **spans,
        "events": {name: {"fields": dict(event.fields)} for name, event in document.events.items()},
        "features": {feature.name: _written_feature(feature) for feature in document.features},
    }


def _written_feature(feature: ProfileFeature) -> dict[str, Any]:
    """Its options in the order of ``ProfileFeature``, durations under the names that people write."""
    known = set(ProfileFeature.model_fields) - {"name"}
    options = feature.model_dump(mode="json", include=known)
    stored = {f"{option}_seconds": option for option in SPAN_OPTIONS}
    return {
        stored.get(name, name): duration_text(value) if name in stored else value for name, value in options.items()
    }
