"""One row, what may change of it, and the score that it is to reach."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from scoreline_registry.documents.actionability import Actionability, check_actionability, derived_order
from scoreline_registry.documents.contract import InputContract
from scoreline_registry.recourse.arrays import Bools, Choices, Float32, Float64
from scoreline_registry.recourse.derived import DerivedInput, update_all
from scoreline_registry.recourse.levers import UNKNOWN, InputFacts, Lever, lever_of
from scoreline_registry.recourse.target import Target


@dataclass(frozen=True, slots=True, eq=False)
class RecourseRules:
    """What may change of the rows of one version, compiled once.

    Attributes:
        rules: of the inputs that may change, by column.
        facts: what is known of the numbers, by name.
    """

    contract: InputContract
    rules: Mapping[int, Actionability]
    derived: tuple[DerivedInput, ...]
    facts: Mapping[str, InputFacts]

    @classmethod
    def of(
        cls, contract: InputContract, facts: Mapping[str, InputFacts], overrides: Mapping[str, Actionability]
    ) -> Self:
        """The contract's own declarations, with others in their place where ``overrides`` has them.

        Sensitive inputs never change. Raises ValueError where the overrides do not fit the contract.
        """
        given = {**contract.actionability, **overrides}
        check_actionability(given, contract.vocabularies)
        fixed = {feature.name for feature in contract.features if feature.sensitive}
        columns = {feature.name: column for column, feature in enumerate(contract.features)}
        rules = {
            columns[name]: rule
            for name, rule in given.items()
            if not rule.immutable and rule.formula is None and name not in fixed
        }
        derived = tuple(
            DerivedInput.of(name, formula, given[name], contract)
            for name in derived_order(given)
            if (formula := given[name].formula) is not None
        )
        return cls(contract, rules, derived, facts)

    def levers(self, row: Float32, known: Bools, kept: Collection[str] = ()) -> tuple[Lever, ...]:
        """The levers of a row float32 [F]: of inputs that are ``known``, bool [F], and not ``kept`` as they are."""
        found = []
        for column, rule in sorted(self.rules.items()):
            feature = self.contract.features[column]
            if not known[column] or feature.name in kept or not np.isfinite(row[column]):
                continue
            facts = self.facts.get(feature.name, UNKNOWN)
            lever = lever_of(column, feature, rule, float(row[column]), facts)
            if lever is not None:
                found.append(lever)
        return tuple(found)


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What a search is given.

    Attributes:
        row: float32 [F], as the model takes it.
        most_changes: the most levers that may change together.
    """

    row: Float32
    levers: tuple[Lever, ...]
    derived: tuple[DerivedInput, ...]
    target: Target
    most_changes: int

    @classmethod
    def of(
        cls,
        rules: RecourseRules,
        row: Float32,
        target: Target,
        *,
        known: Bools | None = None,
        kept: Collection[str] = (),
        most_changes: int | None = None,
    ) -> Self:
        """The problem of one row; ``known`` bool [F] says which inputs the caller sent, by default all."""
        levers = rules.levers(row, np.ones(len(row), bool) if known is None else known, kept)
        most = len(levers) if most_changes is None else min(most_changes, len(levers))
        return cls(row, levers, rules.derived, target, most)

    @property
    def is_whole(self) -> bool:
        """Whether no values but those of the levers could do better, so that trying all of them is a proof."""
        parts = {part for each in self.derived for part in each.parts}
        return all(lever.is_whole and not (lever.by_thresholds and lever.column in parts) for lever in self.levers)

    def rows(self, choices: Choices) -> tuple[Float32, Bools]:
        """The rows float32 [N, F] of some choices, and bool [N], which of them keep to the limits of derived inputs."""
        values = np.full(choices.shape, np.nan, np.float32)
        for place, lever in enumerate(self.levers):
            values[:, place] = np.append(lever.values, np.float32(np.nan))[choices[:, place]]
        return self.moved(values)

    def moved(self, values: Float32) -> tuple[Float32, Bools]:
        """The same for new values float32 [N, levers], NaN where a lever stays as it is."""
        rows = np.repeat(self.row[None], len(values), axis=0)
        columns = [lever.column for lever in self.levers]
        rows[:, columns] = np.where(np.isnan(values), rows[:, columns], values)
        return rows, update_all(self.derived, rows, self.row)

    def costs(self, choices: Choices) -> Float64:
        """float64 [N]: the cost of each choice, the sum of those of its changes."""
        total = np.zeros(len(choices))
        for place, lever in enumerate(self.levers):
            total += np.append(lever.costs, 0.0)[choices[:, place]]
        return total

    def costs_of(self, values: Float32) -> Float64:
        """The same for new values float32 [N, levers], NaN where a lever stays as it is."""
        total = np.zeros(len(values))
        for place, lever in enumerate(self.levers):
            moved = np.abs(values[:, place].astype(np.float64) - float(self.row[lever.column]))
            cost = np.where(moved > 0, lever.unit_cost, 0.0) if lever.is_category else moved * lever.unit_cost
            total += np.nan_to_num(cost, nan=0.0)
        return total


def no_choice(problem: Problem, count: int = 1) -> Choices:
    """int32 [count, levers]: nothing changes."""
    return np.full((count, len(problem.levers)), -1, np.int32)


Sets = Sequence[frozenset[int]]
"""Sets of levers, by their places."""


def lever_set(choice: Choices) -> frozenset[int]:
    """The levers that one choice int32 [levers] changes."""
    return frozenset(np.flatnonzero(choice >= 0).tolist())


def covers(choices: Choices, sets: Sets) -> Bools:
    """bool [N]: which choices change all levers of one of some sets."""
    found = np.zeros(len(choices), bool)
    for each in sets:
        found |= (choices[:, sorted(each)] >= 0).all(axis=1)
    return found
