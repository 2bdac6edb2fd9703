"""The outcomes of decisions, joined by their ids: one column per name, with the cases that have matured."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scoreline_server.analysis.decisions.cases import Bool, Cases, Float64
from scoreline_server.analysis.report.parts import OutcomeCounts, RowCounts
from scoreline_server.analysis.rows.exposures import Exposures
from scoreline_server.analysis.rows.labels import LabelSource, Reports, RowIndex, UnitIndex


@dataclass(frozen=True, slots=True, eq=False)
class CaseOutcome:
    """What was reported of one name.

    Attributes:
        values: float64 [N], the sum of weight times value; 0 where nothing was reported.
        known: bool [N], whether anything was.
        counts: of the reports.
    """

    name: str
    values: Float64
    known: Bool
    counts: OutcomeCounts

    @property
    def is_binary(self) -> bool:
        """Whether every value is 0 or 1, and there is one."""
        known = self.values[self.known]
        return bool(len(known)) and bool(((known == 0) | (known == 1)).all())


class CaseOutcomes:
    """Joins the outcomes of one route to cases. Raises OSError where they cannot be read."""

    def __init__(
        self, folders: Sequence[Path], cases: Cases, *, maturity: int = 0, now: int | None = None, of_units: bool = True
    ) -> None:
        """``maturity`` is in ns: an outcome observed later does not count, a younger case is not mature.

        ``of_units`` says that the units of cases are those of the route's outcomes.
        """
        self._cases, self._maturity = cases, maturity
        self._now = time.time_ns() if now is None else now
        self._sources = [self._source(tuple(folders), route, of_units=of_units) for route in cases.routes]

    @property
    def names(self) -> tuple[str, ...]:
        """The names that were reported, the most frequent first."""
        counts: dict[str, int] = {}
        for source in self._sources:
            for name, count in source.reports.names.items():
                counts[name] = counts.get(name, 0) + count
        return tuple(sorted(counts, key=lambda name: (-counts[name], name)))

    @property
    def is_mature(self) -> Bool:
        """bool [N]: the cases old enough for their outcomes to have come."""
        return np.asarray(self._cases.times <= self._now - self._maturity)

    def of(self, name: str) -> CaseOutcome:
        """The outcomes of one name."""
        values, known = np.zeros(len(self._cases)), np.zeros(len(self._cases), bool)
        counts = OutcomeCounts(name, 0, 0, 0, 0, 0)
        for source in self._sources:
            labels = source.labels(name)
            values += labels.totals
            known |= labels.labelled
            counts = _added(counts, labels.counts)
        return CaseOutcome(name, values, known, counts)

    def _source(self, folders: tuple[Path, ...], route: str, *, of_units: bool) -> LabelSource:
        cases, everything = self._cases, np.arange(len(self._cases), dtype=np.int32)
        reports = Reports.of(folders, route)
        return LabelSource(
            folders=folders,
            route=route,
            reports=reports,
            times=cases.times,
            exposures=Exposures(everything, everything, RowCounts()),
            index=RowIndex(cases.keys),
            units=UnitIndex(cases.units, cases.times) if reports.has_units and of_units else None,
            maturity=self._maturity,
        )


def _added(first: OutcomeCounts, second: OutcomeCounts) -> OutcomeCounts:
    return OutcomeCounts(
        name=first.name,
        read=first.read + second.read,
        superseded=first.superseded + second.superseded,
        matched=first.matched + second.matched,
        unmatched=first.unmatched + second.unmatched,
        late=first.late + second.late,
    )
