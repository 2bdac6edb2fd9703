"""Handlers of GetSchema, GetAssignment and GetStatus."""

from scoreline.v1 import scoring_pb2 as pb
from scoreline.version import __version__
from scoreline_registry.documents.contract import Feature
from scoreline_registry.routing.assignment import unit_of
from scoreline_server.rpc.authority import ANONYMOUS, Caller
from scoreline_server.scoring.catalog import Catalog
from scoreline_server.scoring.enrichment import with_profile_context
from scoreline_server.scoring.model import VersionKey
from scoreline_server.scoring.results import ASSIGNMENT_REASONS
from scoreline_server.scoring.rows import MAX_ENTITIES, context_of

_KINDS = {"number": pb.FEATURE_KIND_NUMBER, "category": pb.FEATURE_KIND_CATEGORY}


def schema(request: pb.GetSchemaRequest, catalog: Catalog, _caller: Caller = ANONYMOUS) -> pb.GetSchemaResponse:
    """The schema of a route: what callers send and which extra outputs they may ask for."""
    route = catalog.policy(request.policy).route if request.policy else catalog.route(request.route)
    layout, profiles = route.layout, route.profiles
    sources = profiles.sources if profiles else {}
    ragged_sources = profiles.ragged_sources if profiles else {}
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
            profile=sources.get(name, ""),
        )
    for each in layout.ragged:
        part = getattr(response, each.name)
        part.features.extend(each.features)
        setattr(part, each.kind.limit, each.max_items)
        part.profile = ragged_sources.get(each.name, "")
        for name, names in each.vocabularies.items():
            part.vocabularies.add(feature=name, names=names)
    return response


def _vocabulary(name: str, contracts: list[tuple[Feature, ...]]) -> list[str]:
    """The categories that at least one arm knows, in order of first appearance."""
    names = {text: None for features in contracts for f in features if f.name == name for text in f.vocabulary}
    return list(names)


def assignment(
    request: pb.GetAssignmentRequest, catalog: Catalog, _caller: Caller = ANONYMOUS
) -> pb.GetAssignmentResponse:
    """The arm that a unit is assigned to and why, as scoring it would say unless the arm's model fails."""
    route = catalog.route(request.route)
    context = context_of(request.context)
    if route.profiles is not None:
        context = with_profile_context(request.entity_id, context, route.profiles)
    unit = unit_of(route.document.unit, request.entity_id, context)
    if not unit and route.assigner.needs_unit:
        raise route.missing_unit_error()
    assigned = route.assigner.assign(unit, context)
    arm = next(arm for arm in route.arms if arm.ref == assigned.arm)
    return pb.GetAssignmentResponse(
        arm=arm.ref,
        model=arm.model.name,
        version=arm.model.version,
        reason=ASSIGNMENT_REASONS[assigned.reason],
        rule=assigned.rule,
        bucket=assigned.bucket,
        revision=route.revision,
    )


def status(_request: pb.GetStatusRequest, catalog: Catalog, _caller: Caller = ANONYMOUS) -> pb.GetStatusResponse:
    """Every route, every policy, and every version that is loaded or failed to load."""
    response = pb.GetStatusResponse(revision=catalog.revision, server_version=__version__, problem=catalog.problem)
    for name in sorted({*catalog.routes, *catalog.problems}):
        route = catalog.routes.get(name)
        response.routes.add(
            route=name,
            adopted_revision=route.revision if route else 0,
            problem=catalog.problems.get(name, ""),
        )
    for name in sorted({*catalog.policies, *catalog.policy_problems}):
        policy = catalog.policies.get(name)
        response.policies.add(
            policy=name,
            adopted_revision=policy.revision if policy else 0,
            problem=catalog.policy_problems.get(name, ""),
        )
    response.models.extend(model_status(key, catalog) for key in sorted({*catalog.models, *catalog.failures}))
    return response


def model_status(key: VersionKey, catalog: Catalog) -> pb.ModelStatus:
    """The status of one version: loaded, or why not."""
    name, version = key
    model = catalog.models.get(key)
    if model is None:
        error = catalog.failures.get(key)
        problem = error.detail if error else ""
        return pb.ModelStatus(model=name, version=version, state=pb.MODEL_STATE_FAILED, problem=problem)
    return pb.ModelStatus(
        model=name,
        version=version,
        state=pb.MODEL_STATE_READY,
        model_digest=model.digest,
        row_microseconds=model.row_microseconds,
        memory_bytes=model.memory_bytes,
        on_request=key in catalog.on_request,
    )
