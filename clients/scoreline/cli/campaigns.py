"""Totals of scenarios over many entities, and what a budget of all of them buys."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from scoreline.decoding.changes import Scenario, WhatIf

BEST = "best of each"
"""The scenario in which every entity gets its own best set."""


@dataclass(slots=True)
class ScenarioTotals:
    """One scenario over entities.

    Attributes:
        name: its interventions, or ``BEST``.
        refused: entities for which it cannot be done.
        values: (net value, cost) of the entities that it would pay for.
    """

    name: str
    rows: int = 0
    refused: int = 0
    score_before: float = 0.0
    score_after: float = 0.0
    cost: float = 0.0
    benefit: float = 0.0
    values: list[tuple[float, float]] = field(default_factory=list)

    def add(self, scenario: Scenario) -> None:
        """Adds it for one entity."""
        if scenario.problem:
            self.refused += 1
            return
        self.rows += 1
        self.score_before += scenario.score_before
        self.score_after += scenario.score_after
        self.cost += scenario.cost
        self.benefit += scenario.benefit
        if scenario.net_value > 0:
            self.values.append((scenario.net_value, scenario.cost))

    @property
    def net_value(self) -> float:
        """Benefit less cost over all entities."""
        return self.benefit - self.cost

    @property
    def benefit_cost_ratio(self) -> float | None:
        """Benefit per cost; None where it costs nothing."""
        return None if self.cost == 0 else self.benefit / self.cost

    def campaign(self, budget: float | None) -> "Campaign":
        """What doing it pays for, among those for whom it pays: the highest net value per cost first."""
        left = float("inf") if budget is None else budget
        chosen = Campaign()
        for net_value, cost in sorted(self.values, key=_by_return):
            if cost <= left:
                left -= max(cost, 0.0)
                chosen = Campaign(chosen.rows + 1, chosen.cost + cost, chosen.net_value + net_value)
        return chosen


@dataclass(frozen=True, slots=True)
class Campaign:
    """The entities that a scenario is done for."""

    rows: int = 0
    cost: float = 0.0
    net_value: float = 0.0


def _by_return(value: tuple[float, float]) -> tuple[bool, float]:
    """What costs nothing first, then the highest net value per cost."""
    net_value, cost = value
    return cost > 0, -(net_value / cost if cost > 0 else net_value)


class Totals:
    """The totals of all scenarios of a file."""

    def __init__(self) -> None:
        self.scenarios: dict[str, ScenarioTotals] = {}
        self.rows, self.failed = 0, 0

    def add(self, results: Iterable[WhatIf], *, wanted: Iterable[Sequence[str]] = ()) -> None:
        """Adds entities: the wanted sets of interventions; where there are none all, and the best set of each."""
        names = {frozenset(each): name_of(each) for each in wanted}
        for result in results:
            self.rows += 1
            if result.error is not None:
                self.failed += 1
                continue
            for scenario in result.scenarios:
                name = names.get(frozenset(scenario.interventions))
                if name is not None or not names:
                    self._of(name or name_of(scenario.interventions)).add(scenario)
            if not names and result.score is not None:
                self._of(BEST).add(result.best_set or _nothing(result.score.score))

    def _of(self, name: str) -> ScenarioTotals:
        return self.scenarios.setdefault(name, ScenarioTotals(name))


def name_of(interventions: Sequence[str]) -> str:
    """The name of a scenario: its interventions, joined by plus signs."""
    return "+".join(interventions) or "nothing"


def _nothing(score: float) -> Scenario:
    return Scenario(
        interventions=(),
        score_before=score,
        score_after=score,
        band_before=None,
        band_after=None,
        cost=0.0,
        benefit=0.0,
        net_value=0.0,
        benefit_cost_ratio=None,
        changes=(),
        problem="",
    )
