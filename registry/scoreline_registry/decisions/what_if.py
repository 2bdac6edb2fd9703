"""What interventions would change for one case: which sets of them are possible, which is best, and in which order.

All of it is a function of the scores of the sets, so that the sets of a case can be scored together.
"""

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TypeAlias

from scoreline_registry.decisions.facts import Facts, FactValue
from scoreline_registry.decisions.interventions import InputChange, Intervention

MOST_SETS = 4096
"""Sets of interventions that are scored for one case."""
MOST_TOGETHER = 16

Names: TypeAlias = tuple[str, ...]
"""A set of interventions, in the order in which they are declared."""


@dataclass(frozen=True, slots=True)
class Options:
    """The interventions that can be compared for one case.

    Attributes:
        interventions: by name; changes are made in this order.
        costs: of those that have one here.
        problems: why the others cannot be compared.
        conflicts: pairs of which one excludes the other, both ways round.
    """

    interventions: Mapping[str, Intervention]
    costs: Mapping[str, float]
    problems: Mapping[str, str]
    conflicts: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, interventions: Mapping[str, Intervention], facts: Facts) -> "Options":
        """The interventions with their costs in a case."""
        costs, problems = {}, {}
        for name, each in interventions.items():
            cost = each.cost.of(facts)
            if cost is None:
                problems[name] = f"the cost of {name} is unknown: {each.cost.text} is missing"
            else:
                costs[name] = cost
        pairs = [(name, other) for name, each in interventions.items() for other in each.excludes]
        return cls(interventions, costs, problems, frozenset([*pairs, *((two, one) for one, two in pairs)]))

    def ordered(self, names: Iterable[str]) -> Names:
        """Names in the order of their declaration."""
        wanted = set(names)
        return tuple(name for name in self.interventions if name in wanted)

    def problem(self, names: Names) -> str:
        """Why a set is not possible; empty where it is."""
        for name in names:
            if name in self.problems:
                return self.problems[name]
        found = (
            next((pair for pair in combinations(names, 2) if pair in self.conflicts), None) if self.conflicts else None
        )
        return "" if found is None else f"{found[0]} and {found[1]} exclude each other"

    def cost(self, names: Names) -> float:
        """What a set costs."""
        return math.fsum(self.costs[name] for name in names)

    def values(self, features: Mapping[str, FactValue], names: Names) -> dict[str, FactValue]:
        """The inputs that a set changes, with their new values."""
        changed: dict[str, FactValue] = {}
        for name in names:
            changed = self.with_next(features, changed, name)
        return {name: value for name, value in changed.items() if not same_value(value, features.get(name))}

    def with_next(
        self, features: Mapping[str, FactValue], changed: Mapping[str, FactValue], name: str
    ) -> dict[str, FactValue]:
        """The inputs that were changed already, with one more intervention; some may be as they were."""
        more = {
            change.feature: changed_value(changed.get(change.feature, features.get(change.feature)), change)
            for change in self.interventions[name].changes
        }
        return {**changed, **more}

    def sets(self, *, budget: float | None, most: int, among: Sequence[str] | None = None) -> list[Names] | None:
        """All possible sets of at most ``most``, nothing first; None where they are more than ``MOST_SETS``."""
        names = self.ordered(self.costs if among is None else among)
        if sum(math.comb(len(names), size) for size in range(most + 1)) > MOST_SETS:
            return None
        limit = math.inf if budget is None else budget
        every = (each for size in range(most + 1) for each in combinations(names, size))
        return [each for each in every if self.cost(each) <= limit and not self.problem(each)]


def changed_value(value: FactValue, change: InputChange) -> FactValue:
    """An input after a change. What is missing stays missing, unless it is set."""
    if change.by == "set":
        return change.value
    if isinstance(value, str) or isinstance(change.value, str):
        return value
    if value is None or math.isnan(value):
        return None
    return _CHANGES[change.by](value, change.value)


_CHANGES: Mapping[str, Callable[[float, float], float]] = {
    "add": operator.add,
    "multiply": operator.mul,
    "cap": min,
    "floor": max,
}


def same_value(one: FactValue, other: FactValue) -> bool:
    """Whether two values are equal; missing ones are."""
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return one == other


@dataclass(frozen=True, slots=True)
class Valued:
    """A set of interventions with what it would do.

    Attributes:
        score: after it.
        benefit: of the change of the score; 0 where the value of a score is not known.
    """

    names: Names
    score: float
    cost: float
    benefit: float

    @property
    def net_value(self) -> float:
        """Benefit less cost."""
        return self.benefit - self.cost

    @property
    def benefit_cost_ratio(self) -> float | None:
        """Benefit per cost; None where it costs nothing."""
        return None if self.cost == 0 else self.benefit / self.cost


def valued(options: Options, names: Names, score: float, *, before: float, worth: float | None) -> Valued:
    """Values a set by the score after it; ``worth`` is the value of a score of 1 against one of 0."""
    return Valued(names, score, options.cost(names), (worth or 0.0) * (score - before))


def best(sets: Iterable[Valued]) -> Valued | None:
    """The set with the highest net value, of equal ones the smallest and first; None where none is worth its cost."""
    worthwhile = [each for each in sets if each.names and each.net_value > 0]
    return min(worthwhile, key=lambda each: (-each.net_value, len(each.names)), default=None)


def strongest(options: Options, singles: Sequence[Valued], *, most: int, limit: int = MOST_SETS) -> Names:
    """The interventions with the highest net values by themselves, as many as leave no more than ``limit`` sets."""
    ranked = sorted(singles, key=lambda each: -each.net_value)
    count = len(ranked)
    while count and sum(math.comb(count, size) for size in range(most + 1)) > limit:
        count -= 1
    return options.ordered(each.names[0] for each in ranked[:count])


def largest_gap(
    found: Valued | None, singles: Sequence[Valued], *, before: float, worth: float, is_probability: bool
) -> float | None:
    """By how much the best of all sets can be better at most, where not all were tried; None where nothing bounds it.

    A probability cannot fall below 0 or rise above 1, and a set costs at least what its cheapest intervention does.
    """
    if not is_probability or not singles:
        return None
    costs = [each.cost for each in singles]
    cheapest = min(costs) if min(costs) >= 0 else math.fsum(cost for cost in costs if cost < 0)
    most = max(-worth * before, worth * (1 - before)) - cheapest
    return max(most - (0.0 if found is None else found.net_value), 0.0)


def best_path(
    target: Valued, options: Options, scored: Callable[[Sequence[Names]], Sequence[Valued]]
) -> list[Valued] | None:
    """The steps from nothing to a set, the sets after each step: each adds what then gains most.

    ``scored`` values those of some sets that can be scored. None where no step can be taken before the set is reached.
    """
    steps: list[Valued] = []
    taken: Names = ()
    while len(taken) < len(target.names):
        nexts = scored([options.ordered((*taken, name)) for name in target.names if name not in taken])
        if not nexts:
            return None
        steps.append(max(nexts, key=lambda each: each.net_value))
        taken = steps[-1].names
    return steps


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many judges agree with a step.

    Attributes:
        confidence: the share of judges for whom the step moves the score the wanted way.
        lowest: the smallest score after it among the judges.
        highest: the largest one.
    """

    confidence: float
    lowest: float
    highest: float


def agreements(scores: Sequence[Sequence[float]], *, rises: bool) -> tuple[list[Agreement], float]:
    """The agreement of judges with each step, and the share of those who agree with every step.

    Args:
        scores: [steps + 1][judges], before the first step and after each.
        rises: whether higher scores are wanted.
    """
    sign = 1 if rises else -1
    agreed = [
        [sign * (new - old) > 0 for old, new in zip(before, after, strict=True)] for before, after in pairwise(scores)
    ]
    steps = [
        Agreement(sum(each) / len(each), min(after), max(after)) for each, after in zip(agreed, scores[1:], strict=True)
    ]
    judges = len(scores[0])
    return steps, sum(all(each[judge] for each in agreed) for judge in range(judges)) / judges
