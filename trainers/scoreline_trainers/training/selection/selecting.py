"""Selects features within folds of the training rows, and gives the recipe without the others.

Each fold ranks the features on part of its training rows, fits sets of the best ones on all of them and measures those
on its validation rows, so that the rows that measure a set had no part in choosing it (Ambroise and McLachlan, PNAS 99,
2002). The smallest set within a standard error of the best is kept (Breiman et al., Classification and Regression
Trees, 1984, section 3.4.3).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.partition import Partition
from scoreline_trainers.data.splits import hold_out
from scoreline_trainers.progress import Progress, Step
from scoreline_trainers.reporting.document import Candidacy, SelectionFacts
from scoreline_trainers.training.fit import fit_model
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.selection.importance import check_selectable, permutation_importance, with_features
from scoreline_trainers.training.selection.recipes import pinned_features, recipe_without
from scoreline_trainers.training.validation.inner import inner_rows, is_maximised, measured, metric_of

_RANKING_FRACTION = 0.25
_SHRINK = 0.75


@dataclass(frozen=True, slots=True, eq=False)
class _Ladder:
    """Sets of features from all to few, measured on K folds.

    Attributes:
        names: of all features.
        sizes: of the sets, descending.
        values: float64 [K, len(sizes)], the metric of each set.
        importance: float64 [K, F].
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    values: Float64
    importance: Float64


def selected(recipe: Recipe, rows: Partition, *, progress: Progress) -> tuple[Recipe, SelectionFacts | None]:
    """Selects features as the recipe says; without ``select`` it is given back as it is.

    Returns:
        The recipe with the features that are kept, and without ``select``; and what became of each feature.

    Raises:
        DataError, FamilyError, FitError: the rows or the family do not allow it.
        RecipeError: the metric is not one of the task's.
    """
    select = recipe.select
    if select is None:
        return recipe, None
    metric = metric_of(recipe, select.metric, key="select.metric")
    inner = inner_rows(rows, recipe.validation, folds=select.folds, seed=recipe.seed)
    check_selectable(inner.fold(inner.plan.folds[0])[0])
    names = tuple(feature.name for feature in inner.training().inputs.features)
    pinned = pinned_features(recipe, names)
    given = select.count(len(names))
    sizes = _sizes(len(names), least=max(1, len(pinned))) if given is None else ()
    progress.begin("select features", total=len(inner.plan.folds) * (1 + len(sizes)))
    ladder = _ladder(recipe, inner, names, sizes, pinned=pinned, metric=metric, progress=progress)
    order = _order(names, ladder.importance.mean(axis=0), pinned)
    size, method = (given, "as many as the recipe keeps") if given is not None else _smallest(ladder, metric)
    kept = set(order[: max(size, len(pinned))])
    facts = _facts(
        ladder, order, kept, pinned, method=f"permutation importance on {len(ladder.importance)} folds: {method}"
    )
    left_out = [name for name in names if name not in kept]
    return recipe_without(recipe, left_out), facts


def _ladder(
    recipe: Recipe,
    inner: Partition,
    names: tuple[str, ...],
    sizes: tuple[int, ...],
    *,
    pinned: frozenset[str],
    metric: str,
    progress: Progress,
) -> _Ladder:
    values, importance = [], []
    for fold in inner.plan.folds:
        training, validation = inner.fold(fold)
        importance.append(_fold_importance(recipe, training, metric, progress=progress))
        order = _order(names, importance[-1], pinned)
        values.append(list(_measured_sets(recipe, training, validation, order, sizes, metric, progress)))
    return _Ladder(names, sizes, np.array(values), np.array(importance))


def _fold_importance(recipe: Recipe, training: Dataset, metric: str, *, progress: Progress) -> Float64:
    """Of each feature, on part of the training rows of a fold by a model of the others."""
    learned, ranking = hold_out(len(training), fraction=_RANKING_FRACTION, seed=recipe.seed, unit=training.unit)
    fitted = fit_model(recipe, training.take(learned), progress=Step(progress))
    importance = permutation_importance(fitted, training.take(ranking), metric, family=recipe.family, seed=recipe.seed)
    progress.advance("features ranked")
    return importance


def _measured_sets(
    recipe: Recipe,
    training: Dataset,
    validation: Dataset,
    order: Sequence[str],
    sizes: Sequence[int],
    metric: str,
    progress: Progress,
) -> Iterator[float]:
    for size in sizes:
        kept = order[:size]
        fitted = fit_model(recipe, with_features(training, kept), progress=Step(progress))
        value = measured(fitted, with_features(validation, kept), metric, family=recipe.family)
        progress.advance(f"{size} features: {metric} {value:.4f}")
        yield value


def _sizes(features: int, *, least: int) -> tuple[int, ...]:
    """From all features down by a quarter each time."""
    sizes = [features]
    while sizes[-1] > least:
        sizes.append(max(least, min(sizes[-1] - 1, round(sizes[-1] * _SHRINK))))
    return tuple(sizes)


def _order(names: Sequence[str], importance: Float64, pinned: frozenset[str]) -> list[str]:
    """The features that must be kept, then the others by descending importance; equal ones in the table's order."""
    places = sorted(range(len(names)), key=lambda place: (names[place] not in pinned, -importance[place]))
    return [names[place] for place in places]


def _smallest(ladder: _Ladder, metric: str) -> tuple[int, str]:
    """The size of the smallest set within a standard error of the best one, and why."""
    values = ladder.values if is_maximised(metric) else -ladder.values
    means = values.mean(axis=0)
    best = int(means.argmax())
    error = float(values[:, best].std(ddof=1) / np.sqrt(len(values)))
    place = max(place for place in range(len(means)) if means[place] >= means[best] - error)
    shown = ladder.values.mean(axis=0)
    method = (
        f"{metric} {shown[place]:.4f} with {ladder.sizes[place]} of {len(ladder.names)} features, within a standard "
        f"error ({error:.4f}) of the best, {shown[best]:.4f} with {ladder.sizes[best]}"
    )
    return ladder.sizes[place], method


def _facts(
    ladder: _Ladder, order: Sequence[str], kept: set[str], pinned: frozenset[str], *, method: str
) -> SelectionFacts:
    mean = dict(zip(ladder.names, ladder.importance.mean(axis=0).tolist(), strict=True))
    ranked = sorted(order, key=lambda name: -mean[name])
    features = tuple(
        Candidacy(name=name, importance=mean[name], kept=name in kept, reason=_reason(name, mean[name], kept, pinned))
        for name in ranked
    )
    return SelectionFacts(method=method, features=features)


def _reason(name: str, importance: float, kept: set[str], pinned: frozenset[str]) -> str:
    if name in pinned:
        return "the recipe names it in 'engineered' or 'config'"
    if name in kept:
        return "among the most important"
    return "shuffling it does not make the score worse" if importance <= 0 else "less important than those kept"
