"""What the registry knows of a route's experiment: its present section, and the changes of the route over time."""

from collections.abc import Iterator
from itertools import islice

from scoreline_registry.errors import RegistryError
from scoreline_registry.registry import Registry
from scoreline_registry.routing.bucketing import percent_of
from scoreline_registry.routing.experiment import Experiment
from scoreline_registry.routing.route import RouteDocument
from scoreline_server.analysis.report.parts import RampMove
from scoreline_server.journal.format.times import nanoseconds_of

MAX_MOVES = 200


def experiment_of(registry: Registry, route: str) -> Experiment | None:
    """The experiment section of a route in the newest revision; None where either is missing."""
    document = registry.latest().routes.get(route)
    return document.experiment if document is not None else None


def moves_of(registry: Registry, route: str) -> tuple[RampMove, ...]:
    """The newest MAX_MOVES revisions that changed a route, the oldest first, with the weights of its last rule."""
    return tuple(reversed([*islice(_moves(registry, route), MAX_MOVES)]))


def _moves(registry: Registry, route: str) -> Iterator[RampMove]:
    for entry in registry.history():
        if any(event.kind == "route" and event.name == route for event in entry.events):
            time = nanoseconds_of(entry.created_at)
            document = _document(registry, route, entry.revision)
            weights = _weights(document) if document is not None else ()
            allocates = document is not None and document.allocate is not None
            yield RampMove(time, entry.revision, entry.message, weights, allocates)


def _document(registry: Registry, route: str, revision: int) -> RouteDocument | None:
    """The route in a revision; None where the revision has no such route, or is gone."""
    try:
        return registry.at(revision).routes.get(route)
    except RegistryError:
        return None


def _weights(document: RouteDocument) -> tuple[tuple[str, float], ...]:
    """The arms of the last rule with their percent."""
    return tuple((arm.ref, float(percent_of(arm.millionths))) for arm in document.rules[-1].arms)
