"""Applications with dates, whose rule of being late may change, and a champion of the first of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from scoreline_registry.registry import Registry
from scoreline_registry.storage import MemoryStorage
from scoreline_trainers.training.candidate import publish_candidate
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train

START = datetime(2026, 1, 1, tzinfo=UTC)
RECIPE: dict[str, Any] = {
    "name": "credit",
    "data": "applications.parquet",
    "label": "late",
    "time": "applied",
    "features": ["income", "debt", "region"],
    "family": "logistic",
    "validation": {"kind": "time", "fraction": 0.2},
    "retrain": {"min_rows": 200, "compare": 0.25},
}


def applications(days: range, *, seed: int = 0, flipped: bool = False, richer: float = 0.0) -> pl.DataFrame:
    """Eight applications a day; ``flipped`` turns round what debt says, ``richer`` moves incomes."""
    draws, rows = np.random.default_rng(seed), 8 * len(days)
    income, debt = draws.normal(richer, 1, rows), draws.normal(0, 1, rows)
    pull = 1.6 * debt * (-1 if flipped else 1) - 0.8 * (income - richer)
    at = [(START + timedelta(days=day)).date() for day in days for _ in range(8)]
    return pl.DataFrame(
        {
            "applied": at,
            "income": income,
            "debt": debt,
            "region": draws.choice(["north", "south"], rows),
            "late": (draws.random(rows) < 1 / (1 + np.exp(1 - pull))).astype(np.int8),
        }
    )


def registry_with_champion(recipe: dict[str, Any] | None = None, *, days: range = range(100)) -> Registry:
    """A registry whose clock stands a week after the champion's training, which read ``days``."""
    registry = Registry.create(MemoryStorage(), clock=lambda: START + timedelta(days=7))
    publish(registry, recipe or RECIPE, days=days)
    return registry


def publish(registry: Registry, recipe: dict[str, Any], *, days: range = range(100)) -> None:
    """Trains and publishes a champion."""
    parsed = Recipe.parse(recipe)
    publish_candidate(train(parsed, applications(days), clock=lambda: START), parsed, registry, author="anna")
