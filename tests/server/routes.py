"""The route of most server tests: ``credit`` to the champion of the model linear."""

from scoreline_registry.registry import Registry
from scoreline_registry.routing.route_file import read_route

ROUTE = """
route: credit
schema:
  features: {income: number, age: number, debt: number}
rules:
  - split: {linear@champion: 100}
"""


def apply(registry: Registry, text: str = ROUTE) -> None:
    """Applies a route from its YAML; without one, ROUTE."""
    registry.apply_route(read_route(text, source="test"), author="tester", message="apply")
