"""Out-of-fold scores of members, by which they are selected, weighted and described."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from pydantic import Field

from scoreline_trainers.data.batch import Float64, Int64, RowIndices
from scoreline_trainers.data.columns import Spec
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.splits import unit_numbers
from scoreline_trainers.errors import FitError
from scoreline_trainers.evaluation.amounts.metrics import root_mean_squared_error
from scoreline_trainers.evaluation.diversity import choose_members, diversity
from scoreline_trainers.evaluation.metrics import Label, auc
from scoreline_trainers.families.ensembles.members import MemberSpec, fit_member
from scoreline_trainers.families.ensembles.recency import Recency, recent
from scoreline_trainers.progress import Progress

_MEASURES = {
    "q_statistic": "Q-statistic",
    "disagreement": "disagreement",
    "double_fault": "double fault",
    "correlation": "correlation",
}


class Choice(Spec):
    """Takes only the members that do best together, see ``diversity.choose_members``.

    Attributes:
        members: how many.
        diversity: what it counts that members disagree, 0 to 1; the rest is the AUC of their mean.
    """

    members: int = Field(ge=1)
    diversity: float = Field(default=0.2, ge=0, le=1)


@dataclass(frozen=True, slots=True, eq=False)
class OutOfFold:
    """Scores of R rows by M members that were not trained on them.

    Attributes:
        names: of the members.
        rows: int [R], which training rows.
        scores: float64 [R, M].
        label: int8 [R], both values; all 0 in a regression.
        amount: float64 [R], in a regression.
        weight: float64 [R], what each row counts; None where all count alike.
        population_weight: float64 [R], the same without the weights of classes.
    """

    names: tuple[str, ...]
    rows: RowIndices
    scores: Float64
    label: Label
    amount: Float64 | None = None
    weight: Float64 | None = None
    population_weight: Float64 | None = None

    @classmethod
    def of(cls, specs: Sequence[MemberSpec], rows: RowIndices, scores: Float64, held: Dataset) -> "OutOfFold":
        """For the rows ``held``, which are those at ``rows``."""
        names = tuple(spec.title for spec in specs)
        return cls(names, rows, scores, held.label, held.amount, held.weight, held.population_weight)

    @property
    def counts(self) -> Float64:
        """float64 [R]: what each row counts."""
        return np.ones(len(self.label)) if self.weight is None else self.weight

    def places(self, choice: Choice | None, *, ensemble: str = "") -> tuple[int, ...]:
        """The members to take, ascending; all of them without a choice. Raises FitError for a choice by amounts."""
        if choice is None:
            return tuple(range(len(self.names)))
        if self.amount is not None:
            raise FitError(ensemble, "selects members by AUC, which amounts have none of: leave 'choose' out")
        taken = choose_members(self.scores, self.label, choice.members, weight=choice.diversity)
        return tuple(sorted(taken))

    def only(self, places: Sequence[int]) -> "OutOfFold":
        """The same of fewer members."""
        names = tuple(self.names[place] for place in places)
        return replace(self, names=names, scores=self.scores[:, list(places)])

    def facts(self) -> Mapping[str, str | int | float]:
        """AUC of each member, and how they differ: means over their pairs, and the pair that is most alike.

        Of amounts, the root mean squared error of each member.
        """
        if self.amount is not None:
            return self._errors(self.amount)
        each = [f"{name} {auc(self.label, score):.4f}" for name, score in zip(self.names, self.scores.T, strict=True)]
        facts: dict[str, str | int | float] = {
            "rows held out from members": len(self.label),
            "member AUC on held-out training rows": ", ".join(each),
        }
        if len(self.names) < 2:
            return facts
        found = diversity(self.scores, self.label)
        means = {f"mean {_MEASURES[measure]}": round(mean, 4) for measure, mean in found.means().items()}
        pairs = np.where(np.tri(len(self.names), dtype=np.bool_), -np.inf, found.correlation)
        first, second = np.unravel_index(pairs.argmax(), pairs.shape)
        alike = f"{self.names[first]} and {self.names[second]}, correlation {pairs.max():.3f}"
        return {**facts, **means, "most alike": alike}

    def _errors(self, amount: Float64) -> Mapping[str, str | int | float]:
        errors = zip(self.names, self.scores.T, strict=True)
        each = [f"{name} {root_mean_squared_error(amount, score):.6g}" for name, score in errors]
        held = {"rows held out from members": len(amount)}
        return {**held, "member RMSE on held-out training rows": ", ".join(each)}


def held_out(
    specs: Sequence[MemberSpec],
    data: Dataset,
    *,
    fraction: float,
    ensemble: str,
    seed: int,
    progress: Progress,
    recency: Recency | None = None,
) -> OutOfFold:
    """Trains every member on part of the rows and scores the rest, split by unit as folds are. Raises FitError."""
    turn = _turns(data, seed=seed)
    last = np.floor((turn + 1) * fraction) > np.floor(turn * fraction)
    train, held = data.take(np.flatnonzero(~last)), data.take(np.flatnonzero(last))
    if held.is_constant:
        raise FitError(ensemble, f"has {len(held)} rows of one label to measure members on: give it more rows")
    scores = [
        fit_member(
            spec,
            recent(train, recency, ensemble=ensemble, seed=seed + place),
            ensemble=ensemble,
            seed=seed + place,
            progress=progress,
        ).predict(held.batch)
        for place, spec in enumerate(specs)
    ]
    return OutOfFold.of(specs, np.flatnonzero(last), np.stack(scores, axis=1), held)


def out_of_fold(
    specs: Sequence[MemberSpec], data: Dataset, fold: Int64, *, ensemble: str, seed: int, progress: Progress
) -> OutOfFold:
    """Every row scored by members that were trained on the other folds. Raises FitError.

    Args:
        specs: of the members.
        data: N rows.
        fold: int64 [N], see ``folds_of``.
        ensemble: what errors call the ensemble.
        seed: of member k is ``seed + k``.
        progress: shows every training.
    """
    scores = np.empty((len(data), len(specs)))
    for each in np.unique(fold):
        train, held = (data.take(np.flatnonzero(side)) for side in (fold != each, fold == each))
        for place, spec in enumerate(specs):
            member = fit_member(spec, train, ensemble=ensemble, seed=seed + place, progress=progress)
            scores[fold == each, place] = member.predict(held.batch)
    return OutOfFold.of(specs, np.arange(len(data)), scores, data)


def folds_of(data: Dataset, *, folds: int, seed: int) -> Int64:
    """int64 [N], 0 to ``folds`` - 1: rows of one unit share a fold, and each fold has its share of label 1."""
    return _turns(data, seed=seed) % folds


def _turns(data: Dataset, *, seed: int) -> Int64:
    """int64 [N]: the place of each row's unit in a line, from 0: those without label 1 first, else at random."""
    unit = unit_numbers(data.unit, len(data))
    positive = np.bincount(unit, weights=data.label) > 0
    shuffled = np.random.default_rng(seed).permutation(len(positive))
    line = shuffled[np.argsort(positive[shuffled], kind="stable")]
    return np.argsort(line)[unit]
