"""Soft voting: the mean of the members' scores."""

from typing import Self

import numpy as np
from pydantic import Field, model_validator

from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.families import BuiltIn
from scoreline_trainers.families.ensembles.ensemble import (
    Ensemble,
    EnsembleConfig,
    WeightedMean,
    chosen_facts,
    fit_members,
)
from scoreline_trainers.families.ensembles.out_of_fold import held_out
from scoreline_trainers.progress import Progress


class VotingConfig(EnsembleConfig):
    """Options of the family.

    Attributes:
        measuring_fraction: share of the training rows on which members are measured, by models that are trained on the
            rest and discarded; 0 saves that training, and the card then has no facts about the members.
    """

    measuring_fraction: float = Field(default=0.2, ge=0, lt=1)

    @model_validator(mode="after")
    def _measured(self) -> Self:
        if self.choose is not None and not self.measuring_fraction:
            raise ValueError("'choose' needs a measuring_fraction above 0")
        return self


class Voting(BuiltIn):
    """The family."""

    name = "voting"
    config_type = VotingConfig
    libraries = ()

    def fit(self, data: Dataset, config: VotingConfig, *, seed: int, progress: Progress) -> Ensemble:
        """Trains the members, or those chosen, on all rows."""
        places, facts = tuple(range(len(config.members))), {}
        if config.measuring_fraction:
            evidence = held_out(
                config.members,
                data,
                fraction=config.measuring_fraction,
                ensemble=self.name,
                seed=seed,
                progress=progress,
            )
            places = evidence.places(config.choose)
            facts = dict(chosen_facts(evidence, places))
        members = fit_members(config, places, data, ensemble=self.name, seed=seed, progress=progress)
        return Ensemble(data.inputs, members, WeightedMean(np.full(len(members), 1 / len(members))), facts)
