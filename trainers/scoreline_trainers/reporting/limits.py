"""Intended use and limits of a version, from its recipe's words, or else from its facts."""

from collections.abc import Iterator, Mapping
from typing import Any

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.reporting.document import RunReport, VersionReport

_KINDS_IN_TIME = frozenset({"time", "walk_forward"})


def intended_use(report: VersionReport) -> str:
    """The recipe's words; without any, what the score is, of what, and from which data it was learned."""
    if report.run is not None and report.run.intended_use:
        return report.run.intended_use
    manifest, training = report.manifest, report.manifest.training
    if manifest.tensors is not None:
        return "The recipe does not say. The graph takes and gives raw tensors; no route can name it."
    recipe = (training and training.recipe) or {}
    unit = recipe.get("unit") or "row"
    text = (
        f"The recipe does not say. By its facts: one score per {unit}, {manifest.score.meaning} ({manifest.score.kind})"
    )
    if training is not None:
        text += f", for rows like the {training.rows:,} that it learned from"
    return f"{text}{_period(report.run)}."


def limits(report: VersionReport) -> tuple[str, ...]:
    """The recipe's words, followed by what its facts say was not measured, or cannot be said."""
    said = report.run.limits if report.run is not None else ()
    return (*said, *_derived(report))


def _period(run: RunReport | None) -> str:
    if run is None or run.data_from is None or run.data_until is None:
        return ""
    return f" between {run.data_from:%Y-%m-%d} and {run.data_until:%Y-%m-%d}"


def _derived(report: VersionReport) -> Iterator[str]:
    training = report.manifest.training
    recipe: Mapping[str, Any] = (training and training.recipe) or {}
    if training is None:
        yield "Where the model was learned, and on what, is not known to the registry."
    yield from _validation(recipe)
    yield from _groups(report)
    yield from _inputs(report.manifest.inputs)
    if training is not None:
        yield "Of other populations than the training rows' nothing was measured, nor of what decisions change."


def _validation(recipe: Mapping[str, Any]) -> Iterator[str]:
    kind = (recipe.get("validation") or {}).get("kind")
    if kind is not None and kind not in _KINDS_IN_TIME:
        text = f"Validation is of kind {kind!r}, not by time"
        yield f"{text}: how the score holds up on later rows was not measured."


def _groups(report: VersionReport) -> Iterator[str]:
    run = report.run
    if run is None or run.evaluation is None:
        return
    if not run.evaluation.fairness:
        yield "Differences between groups of people were not measured: the recipe names no column for fairness."
    few = [
        f"{column} = {group.name}"
        for column, groups in run.evaluation.by_segment.items()
        for group in groups
        if "few" in group.note
    ]
    if few:
        shown = ", ".join(few[:5]) + (", ..." if len(few) > 5 else "")
        yield f"Of some segments there are too few rows to say how good the score is: {shown}."


def _inputs(inputs: InputContract) -> Iterator[str]:
    required = [feature.name for feature in inputs.features if feature.required]
    if required:
        shown = ", ".join(required[:8]) + (f" and {len(required) - 8} more" if len(required) > 8 else "")
        yield f"Rows without these features get no score: {shown}."
    if any(feature.vocabulary and feature.unseen == "other" for feature in inputs.features):
        yield "Names of categories that training did not see are all treated alike."
