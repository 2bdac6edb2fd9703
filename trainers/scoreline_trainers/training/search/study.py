"""Trials of a search by Optuna: what to try next, and which trials to stop early."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scoreline_trainers.errors import DataError, FitError, RecipeError
from scoreline_trainers.reporting.document import TrialState
from scoreline_trainers.spaces import Dimension, Range, Space
from scoreline_trainers.training.search.storage import journal, optuna_module

Measure = Callable[[str, Mapping[str, Any]], Iterator[float]]

_OWN = "own options"
_FAMILY, _OPTIONS, _FOLDS, _SECONDS, _STATE, _PROBLEM = "family", "options", "folds", "seconds", "state", "problem"
_STARTUP_TRIALS = 10
_UNPRUNED_TRIALS = 5


@dataclass(frozen=True, slots=True)
class Outcome:
    """One trial that has ended.

    Attributes:
        family: of the trial.
        options: by path; empty for a family's own options.
        folds: the metric of each fold that was run.
        seconds: of the trial.
        state: "complete", "pruned" after a fold that was worse than the median, or "failed".
        problem: why it failed.
    """

    family: str
    options: Mapping[str, Any]
    folds: tuple[float, ...]
    seconds: float
    state: TrialState = "complete"
    problem: str = ""

    @property
    def value(self) -> float | None:
        """The mean over the folds of a trial that ran to its end."""
        return float(np.mean(self.folds)) if self.state == "complete" else None


class Study:
    """Trials that are drawn by a tree-structured Parzen estimator (Bergstra et al., NIPS 2011).

    The draws of a trial depend on ``seed``, on its number and on the trials before it alone, so that a study that was
    stopped and resumed equals one that ran through.

    Args:
        name: identifies what is searched; a file of other trials is refused.
        spaces: by family.
        folds: how many a trial has.
        maximise: whether higher values are better.
        seed: of what is drawn.
        path: the file that keeps the trials, if any.
        recipe: named by errors.

    Raises:
        RecipeError: Optuna is not installed, or the file is of another study or cannot be read.
    """

    def __init__(
        self,
        name: str,
        spaces: Mapping[str, Space],
        *,
        folds: int,
        maximise: bool,
        seed: int,
        path: Path | None,
        recipe: str,
    ) -> None:
        self._optuna: Any = optuna_module(recipe)
        self._spaces, self._folds, self._seed = spaces, folds, seed
        self._study = self._optuna.create_study(
            study_name=name,
            storage=None if path is None else journal(path, name, recipe=recipe),
            direction="maximize" if maximise else "minimize",
            pruner=self._optuna.pruners.MedianPruner(n_startup_trials=_UNPRUNED_TRIALS),
            load_if_exists=True,
        )
        self._drop_unfinished()

    def own(self, family: str) -> Outcome | None:
        """The kept outcome of a family's own options."""
        kept = self._study.user_attrs.get(f"{_OWN}: {family}")
        return None if kept is None else Outcome(family, {}, tuple(kept[_FOLDS]), kept[_SECONDS])

    def keep_own(self, outcome: Outcome) -> None:
        """Keeps the outcome of a family's own options."""
        facts = {_FOLDS: list(outcome.folds), _SECONDS: outcome.seconds}
        self._study.set_user_attr(f"{_OWN}: {outcome.family}", facts)

    def finished(self) -> tuple[Outcome, ...]:
        """The trials that have ended, in their order."""
        return tuple(_outcome(trial) for trial in self._study.trials if _STATE in trial.user_attrs)

    def run(
        self, measure: Measure, *, clock: Callable[[], float], is_over: Callable[[], bool] = lambda: False
    ) -> Outcome | None:
        """Runs the next trial.

        Args:
            measure: the metric of each fold in turn, of a family with options by path.
            clock: seconds.
            is_over: whether the time for trials has run out.

        Returns:
            Its outcome, None where time ran out before its last fold; such a trial is not kept.
        """
        self._study.sampler = self._sampler()
        trial, started = self._study.ask(), clock()
        family, options = self._suggested(trial)
        values: list[float] = []
        state: TrialState = "complete"
        problem = ""
        try:
            for value in measure(family, options):
                values.append(value)
                trial.report(float(np.mean(values)), len(values) - 1)
                if len(values) < self._folds and is_over():
                    self._tell(trial, None)
                    return None
                if len(values) < self._folds and trial.should_prune():
                    state = "pruned"
                    break
        except (RecipeError, DataError, FitError) as error:
            state, problem = "failed", str(error)
        outcome = Outcome(family, options, tuple(values), round(clock() - started, 3), state, problem)
        self._keep(trial, outcome)
        return outcome

    def _sampler(self) -> Any:
        draw = np.random.default_rng((self._seed, len(self.finished()))).integers(2**31)
        return self._optuna.samplers.TPESampler(seed=int(draw), n_startup_trials=_STARTUP_TRIALS)

    def _suggested(self, trial: Any) -> tuple[str, dict[str, Any]]:
        families = list(self._spaces)
        family = trial.suggest_categorical("family", families) if len(families) > 1 else families[0]
        space = self._spaces[family]
        return family, {path: _suggested(trial, f"{family}.{path}", space[path]) for path in space}

    def _keep(self, trial: Any, outcome: Outcome) -> None:
        for name, value in ((_FAMILY, outcome.family), (_OPTIONS, outcome.options), (_FOLDS, list(outcome.folds))):
            trial.set_user_attr(name, value)
        trial.set_user_attr(_SECONDS, outcome.seconds)
        trial.set_user_attr(_PROBLEM, outcome.problem)
        trial.set_user_attr(_STATE, outcome.state)
        self._tell(trial, outcome)

    def _tell(self, trial: Any, outcome: Outcome | None) -> None:
        states = self._optuna.trial.TrialState
        if outcome is None or outcome.state == "failed":
            self._study.tell(trial, state=states.FAIL)
        elif outcome.state == "pruned":
            self._study.tell(trial, state=states.PRUNED)
        else:
            self._study.tell(trial, outcome.value)

    def _drop_unfinished(self) -> None:
        """Ends the trials of a process that was stopped while it ran them; they have no outcome."""
        for trial in self._study.get_trials(deepcopy=False):
            if not trial.state.is_finished():
                self._study.tell(trial.number, state=self._optuna.trial.TrialState.FAIL)


def _suggested(trial: Any, name: str, dimension: Dimension) -> Any:
    if not isinstance(dimension, Range):
        return dimension.choices[trial.suggest_categorical(name, list(range(len(dimension.choices))))]
    if dimension.is_whole:
        return trial.suggest_int(name, int(dimension.low), int(dimension.high), log=dimension.log)
    # Rounded, so that a recipe as run is readable and gives the same model.
    return float(f"{trial.suggest_float(name, dimension.low, dimension.high, log=dimension.log):.6g}")


def _outcome(trial: Any) -> Outcome:
    facts = trial.user_attrs
    return Outcome(
        facts[_FAMILY], facts[_OPTIONS], tuple(facts[_FOLDS]), facts[_SECONDS], facts[_STATE], facts[_PROBLEM]
    )
