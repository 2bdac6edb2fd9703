"""The shared part of the families of boosted trees: options, the number of rounds, progress and refusals."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
from pydantic import Field, model_validator

from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.splits import hold_out, unit_numbers
from scoreline_trainers.errors import FitError
from scoreline_trainers.families import BuiltIn
from scoreline_trainers.families.trees.trees import FittedTrees
from scoreline_trainers.family import LibraryConfig, Start, features_only
from scoreline_trainers.progress import Progress

# Called after each round with the loss on the rows that decide when to stop, where there are any.
AfterRound = Callable[[float | None], None]

ALIASES = {
    **dict.fromkeys(("num_iterations", "num_iteration", "num_boost_round", "num_round", "num_rounds"), "n_estimators"),
    **dict.fromkeys(("num_trees", "iterations", "max_iter"), "n_estimators"),
    **dict.fromkeys(("num_threads", "nthread", "n_jobs", "thread_count"), "threads"),
    **dict.fromkeys(("random_state", "random_seed"), "seed"),
    **dict.fromkeys(("eta", "shrinkage_rate"), "learning_rate"),
    **dict.fromkeys(("early_stopping_round", "n_iter_no_change"), "early_stopping_rounds"),
}
"""Names of the shared options in LightGBM, XGBoost, CatBoost and scikit-learn."""

# Below so many rows one held-out part is too small to tell rounds apart, and five of them are averaged.
FEW_ROWS = 20_000
_FOLDS = 5


class BoosterConfig(LibraryConfig):
    """Options of all families of boosted trees.

    Attributes:
        n_estimators: largest number of trees; of those added to a published version's, with ``warm_start``.
        learning_rate: factor of each tree's leaves.
        early_stopping_rounds: stops after this many rounds without a better loss (log loss, or squared error of
            amounts) on held-out rows; 0 never stops early and trains all trees on all rows.
        stopping_fraction: share of the training rows, whole units of them, that is held out to decide when to stop.
        stopping_folds: how often that is done, each time on other rows, to average the numbers of rounds; null takes 5
            below 20,000 training rows, else 1.
        refit: trains the final trees on all training rows, with the number of rounds found; false keeps the trees that
            stopped early, which have not learned from the held-out rows.
        threads: how many cores training may use; 0 or less uses all. The model may depend on it in the last digits.
        seed: of the rows held out and of what the library draws; by default the recipe's.
        params: any other parameter of the library, by its name.
    """

    n_estimators: int = Field(default=1000, ge=1)
    learning_rate: float = Field(default=0.05, gt=0)
    early_stopping_rounds: int = Field(default=50, ge=0)
    stopping_fraction: float = Field(default=0.1, gt=0, lt=1)
    stopping_folds: int | None = Field(default=None, ge=1)
    refit: bool = True
    threads: int = Field(default=1, ge=-1)
    seed: int | None = Field(default=None, ge=0)
    params: dict[str, bool | int | float | str] = Field(default_factory=dict)

    decided: ClassVar[frozenset[str]] = frozenset()
    """Parameters of the library that the family decides."""

    inexact: ClassVar[frozenset[str]] = frozenset()
    """Parameters of the library that no exact graph exists for."""

    @model_validator(mode="after")
    def _exportable(self) -> Self:
        for name in self.params:
            option = self.aliases.get(name, name)
            if name in self.inexact:
                raise ValueError(f"{name!r} cannot be exported exactly")
            if option in type(self).model_fields:
                raise ValueError(f"{name!r} does not go under 'params': it is the option {option!r}")
            if name in self.decided:
                raise ValueError(f"{name!r} does not go under 'params': the family decides it")
        return self

    @model_validator(mode="after")
    def _averages_what_is_refitted(self) -> Self:
        if not self.refit and (self.stopping_folds or 1) > 1:
            raise ValueError("'stopping_folds' above 1 find a number of rounds to refit with: leave 'refit' on")
        return self

    def folds(self, rows: int) -> int:
        """How often rows are held out to decide when to stop."""
        if not self.refit:
            return 1
        return self.stopping_folds or (_FOLDS if rows < FEW_ROWS else 1)

    def own_parameters(self) -> dict[str, Any]:
        """The learning rate, the options that are this library's alone, and ``params``, by the library's names."""
        shared = BoosterConfig.model_fields.keys() - {"learning_rate"}
        return {**self.model_dump(exclude=set(shared)), **self.params}


class FittedBooster(FittedTrees):
    """A model of boosted trees."""

    @property
    @abstractmethod
    def rounds(self) -> int:
        """How many trees there are."""


ConfigT = TypeVar("ConfigT", bound=BoosterConfig)
FittedT = TypeVar("FittedT", bound=FittedBooster)


class BoosterFamily(BuiltIn, Generic[ConfigT, FittedT]):
    """A family of one library's boosted trees. Subclasses name it, boost, and read a published version's trees."""

    config_type: type[ConfigT]
    libraries: Sequence[str]

    @abstractmethod
    def boost(
        self,
        train: Dataset,
        stop: Dataset | None,
        config: ConfigT,
        *,
        seed: int,
        after_round: AfterRound,
        first: FittedT | None,
    ) -> FittedT:
        """Boosts over ``train``, behind the trees of ``first``, until the loss on ``stop`` no longer falls."""

    @abstractmethod
    def published(self, start: Start) -> FittedT:
        """The trees of a published version. Raises FitError where it has no such file."""

    def fit(self, data: Dataset, config: ConfigT, *, seed: int, progress: Progress) -> FittedT:
        """Boosts as many rounds as lower the loss on held-out rows, then as many on all rows. Raises FitError."""
        return self._fit(data, config, seed=seed, progress=progress, first=None)

    def fit_from(self, start: Start, data: Dataset, config: ConfigT, *, seed: int, progress: Progress) -> FittedT:
        """The same, behind the trees of a published version. Raises FitError."""
        return self._fit(data, config, seed=seed, progress=progress, first=self.published(start))

    def _fit(self, data: Dataset, config: ConfigT, *, seed: int, progress: Progress, first: FittedT | None) -> FittedT:
        features_only(data, family=self.name)
        drawn = seed if config.seed is None else config.seed

        def after_round(loss: float | None) -> None:
            progress.advance("" if loss is None else f"loss {loss:.5f}")

        def boosted(train: Dataset, stop: Dataset | None, rounds: int, stage: str) -> FittedT:
            progress.begin(stage, total=rounds)
            limited = config.model_copy(update={"n_estimators": rounds})
            return self.boost(train, stop, limited, seed=drawn, after_round=after_round, first=first)

        if not config.early_stopping_rounds:
            return boosted(data, None, config.n_estimators, "boost trees")
        found = [
            boosted(data.take(train), data.take(stop), config.n_estimators, "boost trees")
            for train, stop in _parts(data, config, seed=drawn)
        ]
        if not config.refit:
            return found[0]
        given = 0 if first is None else first.rounds
        rounds = max(1, round(float(np.mean([each.rounds - given for each in found]))))
        return boosted(data, None, rounds, "boost trees on all rows")


def _parts(data: Dataset, config: BoosterConfig, *, seed: int) -> Iterator[tuple[Any, Any]]:
    """Training rows and those that decide when to stop, each time others."""
    folds = config.folds(len(data))
    if folds == 1 or folds > _units(data):
        yield hold_out(len(data), fraction=config.stopping_fraction, seed=seed, unit=data.unit)
        return
    unit = unit_numbers(data.unit, len(data))
    fold = np.random.default_rng(seed).permutation(int(unit.max()) + 1)[unit] % folds
    for each in range(folds):
        yield np.flatnonzero(fold != each), np.flatnonzero(fold == each)


def _units(data: Dataset) -> int:
    return len(np.unique(unit_numbers(data.unit, len(data))))


def missing_start(family: str, start: Start, file: str) -> FitError:
    """The error of a version without the file that training continues from."""
    return FitError(family, f"cannot continue from {start.name}: the version has no {file}; train it again once")
