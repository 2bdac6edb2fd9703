"""Generators of synthetic tables for trials, demonstrations and tests; equal seeds give equal tables."""

from collections.abc import Mapping
from typing import Protocol

import polars as pl

from scoreline_trainers.synthetic.delinquency import delinquency
from scoreline_trainers.synthetic.propensity import propensity


class Generator(Protocol):
    """Makes a table about ``rows`` people."""

    def __call__(self, rows: int, *, seed: int = 0) -> pl.DataFrame:
        """The table."""


GENERATORS: Mapping[str, Generator] = {"propensity": propensity, "delinquency": delinquency}
