"""The shared part of the families of boosted trees: options, rows that decide when to stop, progress and refusals."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import Field, model_validator

from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.splits import hold_out
from scoreline_trainers.families import BuiltIn
from scoreline_trainers.family import Fitted, LibraryConfig, features_only
from scoreline_trainers.progress import Progress

# Called after each round with the log loss on the rows that decide when to stop, where there are any.
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


class BoosterConfig(LibraryConfig):
    """Options of all families of boosted trees.

    Attributes:
        n_estimators: largest number of trees.
        learning_rate: factor of each tree's leaves.
        stopping_fraction: share of the training rows, whole units of them, that is held out to decide when to stop. The
            trees do not learn from these rows.
        early_stopping_rounds: stops after this many rounds without a better log loss on them; 0 never stops early, and
            the trees then learn from all training rows.
        threads: how many cores training may use; 0 or less uses all. The model may depend on it in the last digits.
        seed: of the rows held out and of what the library draws; by default the recipe's.
        params: any other parameter of the library, by its name.
    """

    n_estimators: int = Field(default=500, ge=1)
    learning_rate: float = Field(default=0.05, gt=0)
    stopping_fraction: float = Field(default=0.1, gt=0, lt=1)
    early_stopping_rounds: int = Field(default=50, ge=0)
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

    def own_parameters(self) -> dict[str, Any]:
        """The learning rate, the options that are this library's alone, and ``params``, by the library's names."""
        shared = BoosterConfig.model_fields.keys() - {"learning_rate"}
        return {**self.model_dump(exclude=set(shared)), **self.params}


ConfigT = TypeVar("ConfigT", bound=BoosterConfig)


class BoosterFamily(BuiltIn, Generic[ConfigT]):
    """A family of one library's boosted trees. Subclasses name it and boost."""

    config_type: type[ConfigT]
    libraries: Sequence[str]

    @abstractmethod
    def boost(
        self, train: Dataset, stop: Dataset | None, config: ConfigT, *, seed: int, after_round: AfterRound
    ) -> Fitted:
        """Boosts over ``train``, until the log loss on ``stop`` no longer falls where there is one."""

    def fit(self, data: Dataset, config: ConfigT, *, seed: int, progress: Progress) -> Fitted:
        """Boosts until the log loss on held-out training rows stops falling. Raises FitError."""
        features_only(data, family=self.name)
        drawn = seed if config.seed is None else config.seed
        progress.begin("boost trees", total=config.n_estimators)

        def after_round(loss: float | None) -> None:
            progress.advance("" if loss is None else f"log loss {loss:.5f}")

        return self.boost(*_parted(data, config, seed=drawn), config, seed=drawn, after_round=after_round)


def _parted(data: Dataset, config: BoosterConfig, *, seed: int) -> tuple[Dataset, Dataset | None]:
    if not config.early_stopping_rounds:
        return data, None
    train, stop = hold_out(len(data), fraction=config.stopping_fraction, seed=seed, unit=data.unit)
    return data.take(train), data.take(stop)
