"""Policies of the server's tests, and decisions without a registry or a wire."""

from collections.abc import Mapping, Sequence

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.decisions.deciding.compiled import compile_policy
from scoreline_registry.decisions.messages.rendering import CompiledMessages
from scoreline_registry.decisions.policy import Policy
from scoreline_registry.decisions.reservations import Grant, Reservation
from scoreline_registry.decisions.specs.policy_file import policy_of
from scoreline_server.decisions.cases import refuse_without_unit
from scoreline_server.decisions.deciding import Asked, Decided, Reserve, decide
from scoreline_server.scoring.catalog import Catalog
from scoreline_server.scoring.compiled_route import Arm
from scoreline_server.scoring.decoding import decode_request, decode_rows
from scoreline_server.scoring.engine import score_rows
from scoreline_server.scoring.facts import FactReader, Scored
from scoreline_server.scoring.served_policy import ServedPolicy

GUARDIAN = """
policy: guardian
route: credit
salt: test
actions:
  block: {cost: 2, benefit: {feature: debt}, effect: {reduces: 0.5}, channel: push}
  nudge: {cost: 0.5, benefit: 20, effect: {reduces: 0.5}, channel: email}
strategies:
  strict:
    rules:
      - {name: high, when: {score: {gte: 0.8}}, action: block}
      - {name: middle, when: {score: {gte: 0.6}}, choose: [nudge, block]}
      - {name: otherwise, action: none}
messages:
  nudge:
    en: {default: "You owe {{ feature.debt | default(0) | number }}."}
    de: {default: "Es fehlen {{ feature.debt | default(0) | number }}."}
"""
ASKED = Asked()


def policy(text: str = GUARDIAN, *, more: str = "") -> Policy:
    """A policy from its YAML, with further sections."""
    return policy_of(text + more, source="test")


def served(document: Policy, catalog: Catalog, uplifts: Mapping[str, str] | None = None) -> ServedPolicy:
    """The policy over its route in a catalog; ``uplifts`` are references of models that the catalog has, by name."""
    route = catalog.route(document.route)
    compiled = compile_policy(document)
    models = {f"{name}@{version}": model for (name, version), model in catalog.models.items()}
    return ServedPolicy(
        name=document.policy,
        revision=catalog.revision,
        digest="",
        compiled=compiled,
        messages=CompiledMessages(document),
        route=route,
        uplifts={ref: Arm.of(ref, models[name], route.layout) for ref, name in (uplifts or {}).items()},
        facts=FactReader(compiled.facts, route),
    )


def scored_rows(request: pb.ScoreRequest, catalog: Catalog) -> Scored:
    """The scored rows of one call."""
    return Scored(*score_rows([decode_request(request, catalog.route(request.route))]))


def decided(
    policy: ServedPolicy, *entities: pb.Entity, reserve: Reserve | None = None, asked: Asked = ASKED,
    request_id: str = "", time_ns: int = 1_700_000_000_000_000_000,
) -> Decided:  # fmt: skip
    """What a policy decides for the entities of one call; without ``reserve`` every limit has room."""
    request = pb.ScoreRequest(route=policy.route.name, entities=entities, request_id=request_id)
    decoded = decode_rows(request, policy.route, policy.facts.extras)
    refuse_without_unit(policy, decoded.rows)
    return decide(policy, Scored(*score_rows([decoded])), asked, reserve or all_granted, time_ns=time_ns)


def all_granted(reservations: Sequence[Reservation], _now_us: int) -> list[Grant]:
    """Grants each the first that it asks for."""
    return [Grant(reservation.claims[0].action if reservation.claims else None) for reservation in reservations]
