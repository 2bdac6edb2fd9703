"""Searches for the options of a recipe and gives the recipe with the best ones."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scoreline_trainers.data.partition import Partition
from scoreline_trainers.progress import Progress
from scoreline_trainers.reporting.document import SearchFacts, Trial
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.search.objective import Objective
from scoreline_trainers.training.search.space import FamilySpace, search_spaces
from scoreline_trainers.training.search.spec import Search
from scoreline_trainers.training.search.study import Outcome, Study
from scoreline_trainers.training.validation.inner import metric_of


def tuned(
    recipe: Recipe,
    rows: Partition,
    *,
    data_sha256: str,
    progress: Progress,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Recipe, SearchFacts | None]:
    """Searches as the recipe says; without ``search`` it is given back as it is.

    Every trial is measured on folds of the training rows of ``rows``. A family's own options are measured first, so the
    best are never worse on these folds.

    Returns:
        The recipe with the best family and options, and without ``search``; and the trials.

    Raises:
        DataError, FamilyError, FitError: the recipe's own options cannot be trained.
        RecipeError: the search cannot be run as written.
    """
    search = recipe.search
    if search is None:
        return recipe, None
    metric = metric_of(recipe, search.metric, key="search.metric")
    spaces = search_spaces(recipe, search)
    objective = Objective.over(rows, validation=recipe.validation, folds=search.folds, metric=metric, seed=recipe.seed)
    study = Study(
        _study_name(recipe, search, spaces, metric, data_sha256),
        {family: each.space for family, each in spaces.items()},
        folds=len(objective.folds),
        maximise=objective.is_maximised,
        seed=recipe.seed,
        path=None if search.resume is None else Path(search.resume).expanduser(),
        recipe=recipe.name,
    )
    started = clock()
    outcomes = _outcomes(search, spaces, objective, study, progress=progress, clock=clock)
    best = _best(outcomes, objective)
    chosen = spaces[outcomes[best].family].with_options(outcomes[best].options)
    facts = _facts(outcomes, best, metric=metric, spaces=spaces, seconds=clock() - started)
    return chosen.model_copy(update={"search": None}), facts


def _outcomes(
    search: Search,
    spaces: Mapping[str, FamilySpace],
    objective: Objective,
    study: Study,
    *,
    progress: Progress,
    clock: Callable[[], float],
) -> list[Outcome]:
    """The families' own options, then the trials, as far as time goes."""
    started, budget = clock(), np.inf if search.minutes is None else 60 * search.minutes

    def is_over() -> bool:
        return clock() - started >= budget

    def measure(family: str, options: Mapping[str, Any]) -> Iterator[float]:
        yield from objective.values(spaces[family].with_options(options))

    progress.begin("search options", total=len(spaces) + search.trials)
    outcomes: list[Outcome] = []

    def show(outcome: Outcome) -> None:
        outcomes.append(outcome)
        progress.advance(_note(outcomes, objective))

    for family, each in spaces.items():
        show(study.own(family) or _own(study, family, each, objective, clock))
    for outcome in study.finished()[: search.trials]:
        show(outcome)
    while len(outcomes) < len(spaces) + search.trials and not is_over():
        found = study.run(measure, clock=clock, is_over=is_over)
        if found is not None:
            show(found)
    return outcomes


def _own(study: Study, family: str, space: FamilySpace, objective: Objective, clock: Callable[[], float]) -> Outcome:
    started = clock()
    values = tuple(objective.values(space.recipe))
    outcome = Outcome(family, {}, values, round(clock() - started, 3))
    study.keep_own(outcome)
    return outcome


def _best(outcomes: list[Outcome], objective: Objective) -> int:
    """The number of the best outcome; of equal ones the first."""
    sign = 1 if objective.is_maximised else -1
    values = [-np.inf if each.value is None else sign * each.value for each in outcomes]
    return int(np.argmax(values))


def _note(outcomes: list[Outcome], objective: Objective) -> str:
    last, best = outcomes[-1], _best(outcomes, objective)
    shown = last.state if last.value is None else f"{last.value:.4f}"
    return f"{objective.metric} {shown}, best {outcomes[best].value:.4f} ({outcomes[best].family}, trial {best})"


def _facts(
    outcomes: list[Outcome], best: int, *, metric: str, spaces: Mapping[str, FamilySpace], seconds: float
) -> SearchFacts:
    several = len(spaces) > 1
    trials = tuple(
        Trial(
            number=number,
            config={"family": each.family, **each.options},
            value=each.value,
            deviation=None if each.value is None else float(np.std(each.folds, ddof=1)) if len(each.folds) > 1 else 0.0,
            seconds=each.seconds,
            state=each.state,
        )
        for number, each in enumerate(outcomes)
    )
    space = {
        f"{family}.{path}" if several else path: str(dimension)
        for family, each in spaces.items()
        for path, dimension in each.space.items()
    }
    return SearchFacts(metric=metric, trials=trials, best=best, seconds=round(seconds, 3), space=space)


def _study_name(
    recipe: Recipe, search: Search, spaces: Mapping[str, FamilySpace], metric: str, data_sha256: str
) -> str:
    """A digest of all that trials depend on, so that those of another search are not taken for its own."""
    parts = {
        "recipe": recipe.model_copy(update={"search": None}).with_defaults(),
        "data": data_sha256,
        "metric": metric,
        "folds": search.folds,
        "space": {family: {path: str(each.space[path]) for path in each.space} for family, each in spaces.items()},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
