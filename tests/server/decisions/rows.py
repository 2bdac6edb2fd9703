"""A route over a linear model with a category, and its rows as the server scores them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.documents.contract import Band, Feature
from scoreline_registry.registry import Registry
from scoreline_registry.routing.route_file import read_route
from scoreline_server.decisions.changed_rows import ServedRow
from scoreline_server.loading.loader import load
from scoreline_server.scoring.compiled_route import CompiledRoute, compile_route
from scoreline_server.scoring.row_form import read_named
from scoreline_server.scoring.rows import concatenate
from tests.server.toys import publish_linear

FEATURES = (
    Feature.model_validate({"name": "income", "required": True, "recourse": {"direction": "up"}}),
    Feature(name="age", default=40.0, min=18, max=99),
    Feature.model_validate({"name": "debt", "recourse": {"direction": "down", "min": 0}}),
    Feature.model_validate(
        {"name": "city", "kind": "category", "vocabulary": ["oslo", "rome"], "unseen": "refuse", "recourse": {}}
    ),
)
WEIGHTS = (-1.0, 0.01, 2.0, 0.5)
BANDS = (Band(name="low", from_score=0.0), Band(name="medium", from_score=0.3), Band(name="high", from_score=0.7))
ROUTE = """
route: credit
schema:
  features: {debt: number, city: category, income: number, age: number}
rules:
  - split: {linear@champion: 100}
"""


def compiled(folder: Path, *, features: Sequence[Feature] = FEATURES) -> CompiledRoute:
    """The route with its only arm."""
    registry = Registry.create(str(folder / "registry"))
    publish_linear(registry, "linear", WEIGHTS, features=tuple(features), aliases=("champion",), bands=BANDS)
    registry.apply_route(read_route(ROUTE, source="test"), author="tester", message="apply")
    stored = registry.latest().routes["credit"]
    return compile_route(stored, 1, {"linear@champion": load(registry, "linear", 1)})


def served(route: CompiledRoute, **features: float | str) -> ServedRow:
    """The last of two rows that the route takes, with these features."""
    rows = [pb.Entity(entity_id="first"), pb.Entity(entity_id="second")]
    rows[0].features["city"].text = "elsewhere"
    for name, value in features.items():
        if isinstance(value, str):
            rows[1].features[name].text = value
        else:
            rows[1].features[name].number = value
    block = concatenate([read_named(rows, route.layout)], route.layout)
    return ServedRow(route.arms[0], block, 1, route.layout)


def score(income: float, age: float, debt: float, city: float) -> float:
    """The score of the model."""
    return float(1 / (1 + np.exp(-np.dot(WEIGHTS, (income, age, debt, city)))))
