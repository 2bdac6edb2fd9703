"""Assembles the scores of many rows from parts, in columns allocated beforehand."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline.calls.chunks import ScoredRows
from scoreline.decoding.explanations import Explanation
from scoreline.decoding.results import ExtraColumn, Scores
from scoreline.errors import EntityFailedError, ScorelineError

_COLUMNS = tuple(field.name for field in fields(Scores) if field.name not in {"extras", "errors", "explanations"})
_GROWTH = 1.25


class ScoresBuilder:
    """Scores of ``count`` rows; the columns grow by a quarter where more rows are added."""

    def __init__(self, count: int = 0) -> None:
        blank = Scores.blank(count)
        self._columns: dict[str, npt.NDArray[Any]] = {name: getattr(blank, name).copy() for name in _COLUMNS}
        self._room, self._count = count, 0
        self._extras: dict[str, list[ExtraColumn]] = {}
        self._errors: dict[int, ScorelineError] = {}
        self._explanations: dict[int, Explanation] = {}

    def add(self, parts: Iterable[ScoredRows]) -> None:
        """Adds the rows of parts at their indices."""
        for part in parts:
            self._add(part.rows, part.scores)

    def _add(self, rows: npt.NDArray[np.int64], scores: Scores) -> None:
        if not len(rows):
            return
        self._reach(int(rows[-1]) + 1)
        place = slice(rows[0], rows[-1] + 1) if rows[-1] - rows[0] == len(rows) - 1 else rows
        for name, column in self._columns.items():
            column[place] = getattr(scores, name)
        for name, extra in scores.extras.items():
            self._extras.setdefault(name, []).append(ExtraColumn(rows[extra.rows], extra.values))
        for row, explanation in scores.explanations.items():
            self._explanations[int(rows[row])] = explanation
        for row, error in scores.errors.items():
            self._errors[int(rows[row])] = _at(error, int(rows[row]))

    def scores(self) -> Scores:
        """The scores of all rows. Raises the first row's error if no call succeeded."""
        errors = dict(sorted(self._errors.items()))
        if errors and len(errors) == self._count and not any(map(_is_of_entity, errors.values())):
            raise next(iter(errors.values()))
        return Scores(
            **{name: column[: self._count] for name, column in self._columns.items()},
            extras={name: ExtraColumn.joined(columns) for name, columns in self._extras.items()},
            errors=errors,
            explanations=self._explanations,
        )

    def _reach(self, count: int) -> None:
        self._count = max(self._count, count)
        if count <= self._room:
            return
        self._room = max(count, int(self._room * _GROWTH))
        for column in self._columns.values():
            # In place if the allocator can: a copy would need the memory of the column twice.
            column.resize(self._room, *column.shape[1:], refcheck=False)


def _is_of_entity(error: ScorelineError) -> bool:
    return isinstance(error, EntityFailedError)


def _at(error: ScorelineError, row: int) -> ScorelineError:
    """The same error, with the row that it has among all."""
    return EntityFailedError.of(error, row=row) if isinstance(error, EntityFailedError) else error
