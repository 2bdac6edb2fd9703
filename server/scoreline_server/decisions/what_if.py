"""What interventions would change for one scored row: every set is scored at once, by the arm that scored the row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from scoreline_registry.decisions.facts import FactValue
from scoreline_registry.decisions.interventions import Intervention
from scoreline_registry.decisions.what_if import (
    MOST_SETS,
    Agreement,
    Names,
    Options,
    Valued,
    agreements,
    best,
    best_path,
    largest_gap,
    same_value,
    strongest,
    valued,
)
from scoreline_registry.recourse.derived import DerivedInput, update_all
from scoreline_server.decisions.changed_rows import ServedRow, raw_value
from scoreline_server.scoring.arrays import Float32
from scoreline_server.scoring.compiled_route import Arm

MEMBER_SCORES = "member_scores"
"""The extra output float32 [N, members] of ensembles."""

# The time that the sets of one row may take.
_SECONDS = 0.1
_FEWEST_SETS = 64


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is compared.

    Attributes:
        interventions: by name.
        scenarios: sets beside each intervention alone.
        budget: the most that the best set may cost; None for no limit.
        most: the most interventions of it.
        path: whether the steps to the best set are judged.
        rises: whether higher scores are wanted; None where that is not known.
    """

    interventions: Mapping[str, Intervention]
    scenarios: Sequence[Names] = ()
    budget: float | None = None
    most: int = 5
    path: bool = False
    rises: bool | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One input before and after; derived where it follows from others."""

    feature: str
    before: FactValue
    after: FactValue
    derived: bool


@dataclass(frozen=True, slots=True)
class Compared:
    """One set of interventions.

    Attributes:
        valued: with its score, or why it was not scored in ``problem``.
    """

    valued: Valued
    changes: Sequence[Change] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class JudgedPath:
    """The steps to the best set, and how many judges agree with each; ``judges`` are "members" or "versions"."""

    steps: Sequence[Valued]
    agreements: Sequence[Agreement]
    confidence: float
    judges: str
    judge_count: int


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The result for one row.

    Attributes:
        scenarios: each intervention alone, then the sets that were asked for.
        is_exact: whether all sets were tried.
        gap: see ``largest_gap``; None where it is exact or unknown.
    """

    before: float
    scenarios: Sequence[Compared]
    best_single: Compared | None = None
    best_set: Compared | None = None
    path: JudgedPath | None = None
    is_exact: bool = True
    gap: float | None = None


@dataclass(slots=True)
class _Sets:
    """The sets of one row that have been scored."""

    row: ServedRow
    options: Options
    derived: Sequence[DerivedInput]
    before: float
    worth: float | None
    known: dict[Names, Valued] = field(default_factory=dict)
    features: dict[Names, Float32] = field(default_factory=dict)
    problems: dict[Names, str] = field(default_factory=dict)
    values: dict[Names, dict[str, FactValue]] = field(default_factory=dict)
    present: dict[str, FactValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        changes = (change for each in self.options.interventions.values() for change in each.changes)
        self.present = {change.feature: self.row.value(change.feature) for change in changes}

    def score(self, sets: Sequence[Names]) -> None:
        """Scores sets together, each once."""
        new = [names for names in dict.fromkeys(sets) if names not in self.known and names not in self.problems]
        for names in new:
            if problem := self.options.problem(names):
                self.problems[names] = problem
        new = [names for names in new if names not in self.problems]
        if not new:
            return
        changes = [self._changed(names) for names in new]
        rows, errors = self.row.bound(changes)
        fits = _derived_fit(self.derived, rows, self.row.features, changes, self._columns)
        sound = [place for place in range(len(new)) if place not in errors and fits[place]]
        for place in set(range(len(new))) - set(sound):
            error = errors.get(place)
            self.problems[new[place]] = (
                error.message if error else "an input that follows from others leaves its limits"
            )
        if not sound:
            return
        for place, score in zip(sound, self.row.scores(rows[sound]).tolist(), strict=True):
            names = new[place]
            self.known[names] = valued(self.options, names, score, before=self.before, worth=self.worth)
            self.features[names] = rows[place]

    def compared(self, names: Names) -> Compared:
        """One set as it was scored."""
        if names in self.problems:
            cost = sum(self.options.costs.get(name, 0.0) for name in names)
            return Compared(Valued(names, 0.0, cost, 0.0), problem=self.problems[names])
        return Compared(self.known[names], self._changes(names))

    def _changed(self, names: Names) -> dict[str, FactValue]:
        """The inputs that a set changes; the sets that it begins with are computed once."""
        every = self._every(names)
        return {name: value for name, value in every.items() if not same_value(value, self.present[name])}

    def _every(self, names: Names) -> dict[str, FactValue]:
        if not names:
            return {}
        if names not in self.values:
            self.values[names] = self.options.with_next(self.present, self._every(names[:-1]), names[-1])
        return self.values[names]

    def _changes(self, names: Names) -> list[Change]:
        """The inputs of the model that differ, as they come in, and those that follow from them."""
        changed = self._changed(names)
        found = [Change(name, self.present[name], value, derived=False) for name, value in changed.items()]
        contract = self.row.arm.model.manifest.inputs.features
        for each in self.derived:
            feature = contract[each.column]
            after, before = self.features[names][each.column], self.row.features[each.column]
            if feature.name not in changed and after != before:
                found.append(Change(feature.name, raw_value(feature, float(before)), float(after), derived=True))
        return found

    @property
    def _columns(self) -> Mapping[str, int]:
        return {each.name: column for column, each in enumerate(self.row.arm.model.manifest.inputs.features)}


def _derived_fit(
    derived: Sequence[DerivedInput],
    rows: Float32,
    base: Float32,
    changes: Sequence[Mapping[str, FactValue]],
    columns: Mapping[str, int],
) -> npt.NDArray[np.bool_]:
    """Computes derived inputs in rows that do not change them themselves; bool [N], which keep to their limits."""
    set_by_themselves = [{columns[name] for name in each if name in columns} for each in changes]
    fits = np.ones(len(rows), bool)
    for each in derived:
        places = [place for place, own in enumerate(set_by_themselves) if each.column not in own]
        part = rows[places]
        fits[places] &= update_all([each], part, base)
        rows[places] = part
    return fits


def what_if(
    row: ServedRow,
    wanted: Wanted,
    facts: Mapping[str, FactValue],
    *,
    worth: float | None,
    derived: Sequence[DerivedInput] = (),
    versions: Sequence[Arm] = (),
) -> WhatIf:
    """Compares interventions for one row.

    Args:
        row: the row.
        wanted: what is compared.
        facts: that costs name.
        worth: the value of a score of 1 against one of 0; None where it is not known.
        derived: inputs that move with others.
        versions: other versions of the model, which judge a path where the model has no members.
    """
    options = Options.of(wanted.interventions, facts)
    before = float(row.scores(row.features[None])[0])
    sets = _Sets(row, options, derived, before, worth)
    singles: list[Names] = [(name,) for name in wanted.interventions]
    scenarios = [options.ordered(names) for names in wanted.scenarios]
    every = options.sets(budget=wanted.budget, most=wanted.most)
    limit = most_sets(row.arm)
    together = every if every is not None and len(every) <= limit else None
    sets.score([(), *singles, *scenarios, *(together or ())])
    found = WhatIf(before, [sets.compared(names) for names in (*singles, *scenarios)])
    if worth is None or not options.costs:
        return found
    budget = np.inf if wanted.budget is None else wanted.budget
    alone = [sets.known[names] for names in singles if names in sets.known and sets.known[names].cost <= budget]
    if together is None:
        some = strongest(options, alone, most=wanted.most, limit=limit)
        together = options.sets(budget=wanted.budget, most=wanted.most, among=some) or []
        sets.score(together)
        found = replace(found, is_exact=False)
    single, whole = best(alone), best(sets.known[names] for names in together if names in sets.known)
    if not found.is_exact:
        is_probability = row.arm.model.manifest.score.kind == "probability"
        gap = largest_gap(whole, alone, before=before, worth=worth, is_probability=is_probability)
        found = replace(found, gap=gap)
    return replace(
        found,
        best_single=None if single is None else sets.compared(single.names),
        best_set=None if whole is None else sets.compared(whole.names),
        path=_path(sets, whole, wanted, versions) if whole is not None and wanted.path else None,
    )


def most_sets(arm: Arm) -> int:
    """The sets of one row that an arm scores in a tenth of a second, as it was timed at load."""
    seconds = max(arm.model.row_microseconds, 1.0) / 1e6
    return min(MOST_SETS, max(_FEWEST_SETS, int(_SECONDS / seconds)))


def _path(sets: _Sets, target: Valued, wanted: Wanted, versions: Sequence[Arm]) -> JudgedPath | None:
    """The steps to a set; None where limits of derived inputs allow none that leads there step by step."""

    def scored(parts: Sequence[Names]) -> list[Valued]:
        sets.score(parts)
        return [sets.known[names] for names in parts if names in sets.known]

    steps = best_path(target, sets.options, scored)
    if steps is None:
        return None
    scores, judges = _judged(sets, [(), *(step.names for step in steps)], versions)
    rises = (sets.worth or 0.0) > 0 if wanted.rises is None else wanted.rises
    each, confidence = agreements(scores.tolist(), rises=rises)
    return JudgedPath(steps, each, confidence, judges, scores.shape[1])


def _judged(sets: _Sets, after: Sequence[Names], versions: Sequence[Arm]) -> tuple[npt.NDArray[np.float64], str]:
    """The scores of each judge, float64 [steps + 1, judges], and what they are."""
    rows = np.array([sets.features[names] for names in after], np.float32)
    if MEMBER_SCORES in sets.row.arm.model.manifest.score.extras:
        members = sets.row.extra_output(rows, MEMBER_SCORES).astype(np.float64)
        return members.reshape(len(after), -1), "members"
    own = np.array([sets.known[names].score for names in after])
    contract = sets.row.arm.model.manifest.inputs.features
    changes = [
        {
            feature.name: raw_value(feature, float(value))
            for feature, value, present in zip(contract, row, sets.row.features, strict=True)
            if value != present
        }
        for row in rows
    ]
    others = [sets.row.scores_by(arm, changes) for arm in versions]
    judges = [own, *(each for each in others if not np.isnan(each).any())]
    return np.column_stack(judges), "versions"
