"""Small problems of recourse: contracts, rules and scores."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scoreline_registry.attributions.trees import TreeArrays
from scoreline_registry.documents.contract import InputContract
from scoreline_registry.recourse.arrays import Float32, Float64
from scoreline_registry.recourse.levers import InputFacts
from scoreline_registry.recourse.problem import RecourseRules

SPREAD = InputFacts((0.0, 1.0, 2.0))
"""Of an input whose training data spread over two."""


def contract(*features: Mapping[str, Any]) -> InputContract:
    """A contract of these features."""
    return InputContract.model_validate({"features": list(features)})


def rules(*features: Mapping[str, Any], facts: Mapping[str, InputFacts] | None = None) -> RecourseRules:
    """The rules of a contract of these features, whose spread is two where ``facts`` do not say otherwise."""
    made = contract(*features)
    return RecourseRules.of(made, {each.name: SPREAD for each in made.features} | dict(facts or {}), {})


def probability(margins: Float64) -> Float32:
    """Scores of margins in log odds."""
    return (1 / (1 + np.exp(-margins))).astype(np.float32)


def random_trees(seed: int, *, columns: int, count: int, depth: int = 3) -> TreeArrays:
    """Full trees with random tests at multiples of 1/8 and random leaves."""
    rng = np.random.default_rng(seed)
    inner, size = 2**depth - 1, 2 ** (depth + 1) - 1
    column = np.full((count, size), -1, np.int32)
    column[:, :inner] = rng.integers(0, columns, (count, inner))
    places = np.arange(size, dtype=np.int32)
    start = (np.arange(count, dtype=np.int32) * size)[:, None]
    yes, no = np.where(places < inner, 2 * places + 1, 0), np.where(places < inner, 2 * places + 2, 0)
    return TreeArrays(
        column=column.ravel(),
        threshold=(rng.integers(-16, 17, count * size) / 8).astype(np.float32),
        missing=np.zeros(count * size, bool),
        yes=(yes + start).astype(np.int32).ravel(),
        no=(no + start).astype(np.int32).ravel(),
        value=rng.normal(size=count * size),
        roots=start.ravel(),
    )


def thresholds(trees: TreeArrays, names: Sequence[str]) -> dict[str, InputFacts]:
    """What trees compare each input with."""
    return {
        name: InputFacts(SPREAD.edges, np.unique(trees.threshold[trees.column == place]))
        for place, name in enumerate(names)
    }
