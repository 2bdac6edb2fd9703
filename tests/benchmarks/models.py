"""What the benchmarks serve."""

from pathlib import Path

from scoreline_registry.documents.contract import Feature
from scoreline_registry.registry import Registry
from scoreline_registry.routing.route_file import read_route
from tests.server.toys import publish_linear

ROUTE = "credit"
COLUMNS = 30


def prepare_linear(folder: Path) -> None:
    """A registry with a linear model of 30 features f0 to f29, behind a route that splits 90/10."""
    names = [f"f{index}" for index in range(COLUMNS)]
    registry = Registry.create(str(folder))
    features = tuple(Feature(name=name) for name in names)
    publish_linear(registry, "linear", [0.1] * COLUMNS, features=features, aliases=("champion",))
    schema = ", ".join(f"{name}: number" for name in names)
    split = "{linear@champion: 90, linear@1: 10}"
    text = f"route: {ROUTE}\nschema: {{features: {{{schema}}}}}\nrules:\n- split: {split}\n"
    registry.apply_route(read_route(text, source="bench"), author="bench", message="route")
