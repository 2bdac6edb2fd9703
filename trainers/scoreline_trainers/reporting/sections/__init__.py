"""The sections of a report, each a function of its document."""

from scoreline_trainers.reporting.blocks import Section
from scoreline_trainers.reporting.document import VersionReport
from scoreline_trainers.reporting.sections import data, explanation, groups, quality, summary, training, validation

_SECTIONS = (
    summary.warnings,
    summary.intended_use,
    summary.limits,
    summary.score,
    quality.quality,
    quality.cuts,
    training.champion,
    validation.validation,
    groups.segments,
    groups.over_time,
    groups.fairness,
    groups.lead_time,
    explanation.explanation,
    data.data,
    training.training,
    training.search,
    training.selection,
    data.inputs,
    training.proof,
    training.stages,
)


def report_sections(report: VersionReport) -> tuple[Section, ...]:
    """The sections in the order of reading; those without content are left out."""
    return tuple(section for make in _SECTIONS if (section := make(report)).blocks)
