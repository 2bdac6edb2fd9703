"""A comparison's report as one JSON document, which ``docs/reference/comparison.md`` describes."""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from scoreline_registry.statistics.figures import Estimate, TooFew
from scoreline_server.analysis.report.comparison import Comparison, MetricValue
from scoreline_server.journal.format.times import time_text

SCHEMA_VERSION = 1
"""Of the JSON form. Fields may be added to a version; a field that changes its meaning or goes needs the next."""


def document(comparison: Comparison) -> dict[str, Any]:
    """The report as JSON has it: times in ISO 8601, None for what is not finite, figures with their ``kind``."""
    return {"schema_version": SCHEMA_VERSION, **_fields(comparison)}


TIMES = frozenset({"since", "until", "first", "last", "time", "made_at"})
MAPPINGS = frozenset({"shares", "exposures", "expected", "observed", "versions", "shadow_versions", "primary_versions",
                       "weights", "auc_difference", "outcome_rates"})  # fmt: skip
_KINDS: Mapping[type, str] = {Estimate: "estimate", TooFew: "too_few"}


def plain(value: Any, name: str = "") -> Any:
    """A value as JSON has it; pairs under some names become an object."""
    if is_dataclass(value):
        return _fields(value)
    if isinstance(value, tuple):
        if name in MAPPINGS:
            return {str(key): plain(item) for key, item in value}
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return time_text(value) if name in TIMES and isinstance(value, int) else value


def _fields(value: Any) -> dict[str, Any]:
    known = {"kind": _KINDS[type(value)]} if type(value) in _KINDS else {}
    known |= {field.name: plain(getattr(value, field.name), field.name) for field in fields(value)}
    if isinstance(value, MetricValue):
        known["coverage"] = plain(value.coverage)
    return known
