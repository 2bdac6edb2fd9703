"""The sections of a stored route, such as ``experiment`` and ``ramp``, as YAML data. Pure."""

from typing import Any

from pydantic import BaseModel

from scoreline_registry.routing.allocation import Allocation
from scoreline_registry.routing.answer_cache import AnswerCache
from scoreline_registry.routing.bucketing import percent_of
from scoreline_registry.routing.durations import duration_text
from scoreline_registry.routing.experiment import Experiment
from scoreline_registry.routing.ramp import Ramp
from scoreline_registry.routing.route import RouteDocument


def written_sections(document: RouteDocument) -> dict[str, Any]:
    """The sections from which this document would be made, without those that it does not have."""
    written: dict[str, Any] = {}
    if document.outcomes is not None:
        written["outcomes"] = _known(document.outcomes)
    if document.experiment is not None:
        written["experiment"] = _experiment(document.experiment)
    if document.ramp is not None:
        written["ramp"] = _ramp(document.ramp)
    if document.allocate is not None:
        written["allocate"] = _allocation(document.allocate)
    if document.cache is not None:
        written["cache"] = _cache(document.cache)
    if document.profiles:
        written["profiles"] = {name: inputs.written for name, inputs in document.profiles.items()}
    return written


def _experiment(experiment: Experiment) -> dict[str, Any]:
    return _known(experiment) | {"metrics": {name: _known(metric) for name, metric in experiment.metrics.items()}}


def _ramp(ramp: Ramp) -> dict[str, Any]:
    return {
        "arm": ramp.arm,
        "steps": [percent_of(step) for step in ramp.steps_millionths],
        "hold": duration_text(ramp.hold_seconds),
        "alpha": ramp.alpha,
        "prove": ramp.prove,
        "guards": ramp.guards.written,
    }


def _allocation(allocation: Allocation) -> dict[str, Any]:
    return {
        "by": allocation.by,
        "metric": allocation.metric,
        "every": duration_text(allocation.every_seconds),
        "floor": percent_of(allocation.floor_millionths),
    }


def _cache(cache: AnswerCache) -> dict[str, Any]:
    return {"keep": duration_text(cache.keep_seconds), "from_microseconds": cache.from_microseconds}


def _known(section: BaseModel) -> dict[str, Any]:
    """The fields that this Scoreline knows, which are those that it reads back."""
    return section.model_dump(mode="json", include=set(type(section).model_fields))
