"""A version that passed the gate, and its publication."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from scoreline_registry.documents.manifest import Manifest
from scoreline_registry.errors import RefusedError, RegistryError
from scoreline_registry.registry import Registry
from scoreline_registry.routing.route_spec import RouteSpec
from scoreline_trainers.family import Fitted
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.reports.training_report import TrainingReport


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version that passed the gate and is not published yet. ``files`` are all but the manifest."""

    fitted: Fitted
    manifest: Manifest
    files: dict[str, bytes]
    report: TrainingReport


def publish_candidate(
    candidate: Candidate,
    recipe: Recipe,
    registry: Registry,
    *,
    author: str,
    message: str = "",
    aliases: Sequence[str] = ("champion",),
) -> TrainingReport:
    """Publishes a version and applies the recipe's route, where it has one.

    Raises:
        RegistryError: the version cannot be published, or its route cannot be applied; then it is published all the
            same, and the error says so.
    """
    message = message or f"trained {recipe.family}"
    version = registry.publish(
        recipe.name,
        files=candidate.files,
        manifest=candidate.manifest,
        author=author,
        message=message,
        aliases=tuple(aliases),
    )
    route = recipe.route_spec()
    if route is not None:
        _apply(route, registry, f"{recipe.name}@{version}", author=author, message=message)
    return replace(
        candidate.report,
        version=version,
        aliases=tuple(aliases),
        route=None if route is None else route.route,
        revision=registry.latest().revision,
    )


def _apply(route: RouteSpec, registry: Registry, published: str, *, author: str, message: str) -> None:
    try:
        registry.apply_route(route, author=author, message=message)
    except RegistryError as error:
        problem = (
            f"{published} is published, but route {route.route} was not applied: mend it, then `scoreline route apply`"
        )
        raise RefusedError(problem, [str(error)]) from error
