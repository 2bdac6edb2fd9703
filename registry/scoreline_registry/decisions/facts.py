"""The facts of a case that conditions, amounts and placeholders of a policy name."""

from typing import Annotated, TypeAlias

from pydantic import AfterValidator

from scoreline_registry.names import check_feature_name
from scoreline_registry.routing.conditions import Context, ContextValue

FactValue: TypeAlias = ContextValue
Facts: TypeAlias = Context
"""The facts of one case by name. A fact that is absent, None or NaN is missing."""

SCORE, BAND, POINTS, HOUR, WEEKDAY = "score", "band", "points", "hour", "weekday"
PLAIN_FACTS = (SCORE, BAND, POINTS, HOUR, WEEKDAY)

FEATURE, CONTEXT, PROFILE, EVENT, EXTRA, FLAG = "feature.", "context.", "profile.", "event.", "extra.", "flag."
FACT_PREFIXES = (FEATURE, CONTEXT, PROFILE, EVENT, EXTRA, FLAG)

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
"""The values of the fact ``weekday``, as ``datetime.weekday`` counts them."""

FLAG_NEW, FLAG_UNREACHABLE, FLAG_FALLBACK = "profile_new", "profile_unreachable", "fallback"
BUILT_IN_FLAGS = (FLAG_NEW, FLAG_UNREACHABLE, FLAG_FALLBACK)
"""Flags of every case: a profile of the route does not know the entity, could not be read, the fallback answered."""


def check_fact(text: str) -> str:
    """Returns the name of a fact; raises ValueError for a text that cannot be one."""
    if text in PLAIN_FACTS:
        return text
    prefix = next((prefix for prefix in FACT_PREFIXES if text.startswith(prefix)), None)
    if prefix is None:
        prefixed = ", ".join(f"{prefix}<name>" for prefix in FACT_PREFIXES)
        raise ValueError(f"{text!r} is no fact: write {', '.join(PLAIN_FACTS)}, {prefixed}")
    check_feature_name(text.removeprefix(prefix))
    return text


FactName = Annotated[str, AfterValidator(check_fact)]
