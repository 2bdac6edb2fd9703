"""Figures by the values of a column."""

from scoreline_trainers.errors import DataError
from scoreline_trainers.evaluation.document import GroupFigures
from scoreline_trainers.evaluation.groups.figures import group_figures
from scoreline_trainers.evaluation.groups.grouping import groups_of
from scoreline_trainers.evaluation.scored import Scored


def segment_figures(scored: Scored, column: str) -> tuple[GroupFigures, ...]:
    """A group for each value or range of the column. Raises DataError for a column that is not there."""
    if scored.columns is None or column not in scored.columns.columns:
        raise DataError(column, "is not in the table, so figures cannot be shown by it")
    return tuple(group_figures(name, scored.take(mask)) for name, mask in groups_of(scored.columns[column]))
