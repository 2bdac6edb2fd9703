"""The real tables that families and libraries are compared on, each with what a recipe says of its columns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from scoreline_trainers.data.tables import read_table
from scoreline_trainers.training.recipe import find_recipe
from scoreline_trainers.training.sources import recipe_table


@dataclass(frozen=True)
class Source:
    """A table and its columns.

    Attributes:
        file: below the data folder; empty for a table that ``recipe`` makes of an event log.
        columns: the part of a recipe that says what the columns mean.
        recipe: a packaged recipe that makes the table.
        time: whether folds run forward in time; otherwise they are stratified.
        metric: by which versions are compared.
        aim: what the best version should reach.
    """

    file: str = ""
    columns: Mapping[str, Any] = field(default_factory=dict)
    recipe: str = ""
    time: bool = False
    metric: str = "auc"
    aim: float | None = None


_BANK = {
    "label": "y",
    "positive": "yes",
    "features": "auto",
    # Known only after the call.
    "exclude": ["duration"],
}

TABLES: Mapping[str, Source] = {
    "uci_credit_default": Source(
        "uci_credit_default/UCI_Credit_Card.csv.gz",
        {"label": "class", "features": "auto", "exclude": ["ID"]},
        aim=0.783,
    ),
    "telco_churn": Source(
        "telco_churn/Telco-Customer-Churn.csv",
        {"label": "Churn", "positive": "Yes", "features": "auto", "exclude": ["customerID"]},
        aim=0.848,
    ),
    "bank_marketing": Source("bank_marketing/bank-additional-full.csv.gz", _BANK, aim=0.804),
    "bank_marketing_by_time": Source("bank_marketing/bank-additional-full.csv.gz", _BANK, time=True),
    "online_shoppers": Source(
        "online_shoppers/online_shoppers_intention.csv.gz",
        {"label": "Revenue", "positive": True, "features": "auto"},
        aim=0.93,
    ),
    "german_credit": Source(
        "german_credit/germancredit.csv",
        {"label": "creditability", "positive": "bad", "features": "auto"},
        aim=0.79,
    ),
    "credit_record": Source(recipe="credit-record-lightgbm", time=True, aim=0.895),
    "cdnow": Source(recipe="cdnow-lightgbm", time=True, aim=0.816),
    "handbook_fraud": Source(recipe="handbook-fraud-lightgbm", time=True, metric="average_precision", aim=0.60),
}


def load(source: Source, folder: Path) -> tuple[pl.DataFrame, dict[str, Any]]:
    """The table below ``folder`` and its part of a recipe. Raises DataError, RecipeError."""
    if source.file:
        return read_table(folder / source.file)[0], dict(source.columns)
    recipe, home = find_recipe(source.recipe)
    frame, _ = recipe_table(recipe, folder=home)
    columns = recipe.model_dump(mode="json", exclude_unset=True)
    for key in ("name", "description", "data", "family", "config", "validation", "score", "route", "test"):
        columns.pop(key, None)
    return frame, columns
