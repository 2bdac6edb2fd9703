"""Answers about the server itself: a route's schema, and what is loaded."""

from scoreline.v1 import scoring_pb2 as pb
from scoreline.version import __version__
from scoreline_registry.documents.contract import Feature
from scoreline_registry.routing.assignment import unit_of
from scoreline_server.errors import ScoringError
from scoreline_server.reasons import Reason
from scoreline_server.rpc.authority import NOBODY, Caller
from scoreline_server.scoring.catalog import Catalog, Key
from scoreline_server.scoring.compiled_route import ServedRoute
from scoreline_server.scoring.rows import MAX_ENTITIES, context_of

REASONS = {
    "STATIC": pb.REASON_STATIC,
    "SPLIT": pb.REASON_SPLIT,
    "RULE_MATCH": pb.REASON_RULE_MATCH,
    "HOLDOUT": pb.REASON_HOLDOUT,
    "OVERRIDE": pb.REASON_OVERRIDE,
}

_KINDS = {"number": pb.FEATURE_KIND_NUMBER, "category": pb.FEATURE_KIND_CATEGORY}


def route_of(name: str, catalog: Catalog) -> ServedRoute:
    """The adopted route of that name. Raises ScoringError that tells an unknown route from one that is not ready."""
    if name in catalog.routes:
        return catalog.routes[name]
    if name in catalog.problems:
        raise ScoringError(
            Reason.ROUTE_NOT_READY, f"route {name} cannot be served: {catalog.problems[name]}", route=name
        )
    known = ", ".join(sorted(catalog.routes)[:10]) or "none yet"
    raise ScoringError(
        Reason.ROUTE_NOT_FOUND, f"route {name[:80]!r} is not served here; served: {known}", route=name[:200]
    )


def schema(request: pb.GetSchemaRequest, catalog: Catalog, _caller: Caller = NOBODY) -> pb.GetSchemaResponse:
    """What a route expects from its callers."""
    route = route_of(request.route, catalog)
    layout = route.layout
    contracts = [arm.model.manifest.inputs.features for arm in route.arms]
    response = pb.GetSchemaResponse(
        route=route.name,
        revision=route.revision,
        schema_digest=layout.digest,
        unit=route.document.unit,
        extras=route.extras,
        max_entities=MAX_ENTITIES,
    )
    for name, kind in layout.features.items():
        response.features.add(
            name=name,
            kind=_KINDS[kind],
            required=name in route.required,
            vocabulary=_vocabulary(name, contracts),
        )
    for each in layout.ragged:
        part = getattr(response, each.name)
        part.features.extend(each.features)
        setattr(part, each.kind.limit, each.max_items)
    return response


def _vocabulary(name: str, contracts: list[tuple[Feature, ...]]) -> list[str]:
    """The categories that at least one arm knows, in the order in which they first appear."""
    names = {text: None for features in contracts for f in features if f.name == name for text in f.vocabulary}
    return list(names)


def assignment(
    request: pb.GetAssignmentRequest, catalog: Catalog, _caller: Caller = NOBODY
) -> pb.GetAssignmentResponse:
    """Which arm a unit would get, and why; the same that scoring it would say, fallbacks apart."""
    route = route_of(request.route, catalog)
    context = context_of(request.context)
    unit = unit_of(route.document.unit, request.entity_id, context)
    if not unit and route.assigner.needs_unit:
        raise missing_unit(route)
    assigned = route.assigner.assign(unit, context)
    arm = next(arm for arm in route.arms if arm.ref == assigned.arm)
    return pb.GetAssignmentResponse(
        arm=arm.ref,
        model=arm.model.name,
        version=arm.model.version,
        reason=REASONS[assigned.reason],
        rule=assigned.rule,
        bucket=assigned.bucket,
        revision=route.revision,
    )


def missing_unit(route: ServedRoute) -> ScoringError:
    """The error of an entity that lacks what its route splits by."""
    unit = route.document.unit
    return ScoringError(
        Reason.MISSING_UNIT, f"route {route.name} splits by {unit}: send it with every entity", unit=unit
    )


def status(_request: pb.GetStatusRequest, catalog: Catalog, _caller: Caller = NOBODY) -> pb.GetStatusResponse:
    """Every route and version that is loaded or was refused."""
    response = pb.GetStatusResponse(revision=catalog.revision, server_version=__version__, problem=catalog.problem)
    for name in sorted({*catalog.routes, *catalog.problems}):
        route = catalog.routes.get(name)
        response.routes.add(
            route=name,
            adopted_revision=route.revision if route else 0,
            problem=catalog.problems.get(name, ""),
        )
    response.models.extend(model_status(key, catalog) for key in sorted({*catalog.models, *catalog.failures}))
    return response


def model_status(key: Key, catalog: Catalog) -> pb.ModelStatus:
    """One version: loaded, or why not."""
    name, version = key
    model = catalog.models.get(key)
    if model is None:
        return pb.ModelStatus(
            model=name, version=version, state=pb.MODEL_STATE_FAILED, problem=catalog.failures.get(key, "")
        )
    return pb.ModelStatus(
        model=name,
        version=version,
        state=pb.MODEL_STATE_READY,
        model_digest=model.digest,
        row_microseconds=model.row_microseconds,
        memory_bytes=model.memory_bytes,
        on_request=key in catalog.on_request,
    )
