"""Generators of synthetic tables for trials, demonstrations and tests; equal seeds give equal tables.

``GENERATORS`` make one table, ``TABLE_SETS`` several that belong together, by name.
"""

from collections.abc import Mapping
from typing import Protocol

import polars as pl

from scoreline_trainers.synthetic.behaviour import behaviour
from scoreline_trainers.synthetic.churn import churn
from scoreline_trainers.synthetic.delinquency import delinquency
from scoreline_trainers.synthetic.guardian import guardian
from scoreline_trainers.synthetic.propensity import propensity
from scoreline_trainers.synthetic.spending import spending


class Generator(Protocol):
    """Makes a table about ``rows`` people."""

    def __call__(self, rows: int, *, seed: int = 0) -> pl.DataFrame:
        """The table."""


class TableSet(Protocol):
    """Makes the tables of one business with ``customers`` people."""

    def __call__(self, customers: int, *, seed: int = 0) -> Mapping[str, pl.DataFrame]:
        """The tables by name; the one with a row for each customer comes first."""


GENERATORS: Mapping[str, Generator] = {"propensity": propensity, "delinquency": delinquency}

TABLE_SETS: Mapping[str, TableSet] = {
    "behaviour": behaviour,
    "spending": spending,
    "churn": churn,
    "guardian": guardian,
}
