"""The shared part of ensembles whose score is a weighted mean: members are measured first, then trained on all rows."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from pydantic import Field

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.families import BuiltIn
from scoreline_trainers.families.ensembles.ensemble import (
    Ensemble,
    EnsembleConfig,
    WeightedMean,
    chosen_facts,
    fit_members,
)
from scoreline_trainers.families.ensembles.out_of_fold import OutOfFold, held_out
from scoreline_trainers.families.ensembles.recency import Recency
from scoreline_trainers.progress import Progress


class MeanConfig(EnsembleConfig):
    """Options of a weighted mean.

    Attributes:
        measuring_fraction: share of the training rows on which members are measured, by models that are trained on the
            rest and discarded; 0 saves that training, and the card then has no facts about the members.
    """

    measuring_fraction: float = Field(default=0.2, ge=0, lt=1)

    @property
    def draws_by(self) -> Recency | None:
        """How newer training rows are preferred; None takes all rows alike."""
        return None


ConfigT = TypeVar("ConfigT", bound=MeanConfig)


class MeanFamily(BuiltIn, Generic[ConfigT]):
    """A family of weighted means. Subclasses name it and give the weights."""

    config_type: type[ConfigT]
    libraries: Sequence[str] = ()

    @abstractmethod
    def weights(self, measured: OutOfFold | None, places: Sequence[int], data: Dataset, config: ConfigT) -> Float64:
        """float64 [places], above 0: the weights of the members taken, by their scores where they were measured."""

    def fit(self, data: Dataset, config: ConfigT, *, seed: int, progress: Progress) -> Ensemble:
        """Measures the members on held-out rows, then trains those taken on all rows. Raises FitError."""
        places: Sequence[int] = range(len(config.members))
        facts: Mapping[str, str | int | float] = {}
        measured = None
        if config.measuring_fraction:
            every = held_out(
                config.members,
                data,
                fraction=config.measuring_fraction,
                ensemble=self.name,
                seed=seed,
                progress=progress,
                recency=config.draws_by,
            )
            places = every.places(config.choose, ensemble=self.name)
            measured, facts = every.only(places), chosen_facts(every, places)
        members = fit_members(
            config, places, data, ensemble=self.name, seed=seed, progress=progress, recency=config.draws_by
        )
        weights = self.weights(measured, places, data, config)
        return Ensemble(data.inputs, members, WeightedMean(weights / weights.sum()), facts)
