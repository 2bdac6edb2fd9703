"""Soft voting: the mean of the members' scores."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from pydantic import model_validator

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.families.ensembles.means import MeanConfig, MeanFamily
from scoreline_trainers.families.ensembles.out_of_fold import OutOfFold


class VotingConfig(MeanConfig):
    """Options of the family."""

    @model_validator(mode="after")
    def _measured(self) -> Self:
        if self.choose is not None and not self.measuring_fraction:
            raise ValueError("'choose' needs a measuring_fraction above 0")
        return self


class Voting(MeanFamily[VotingConfig]):
    """The model family ``voting``."""

    name = "voting"
    config_type = VotingConfig

    def weights(
        self, measured: OutOfFold | None, places: Sequence[int], data: Dataset, config: VotingConfig
    ) -> Float64:
        """Equal ones."""
        del measured, data, config
        return np.ones(len(places))
