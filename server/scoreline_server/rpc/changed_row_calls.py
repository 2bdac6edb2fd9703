"""What WhatIf and Recourse share: they score the entities of a call without journaling them, then changed copies."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from scoreline.v1 import decisions_pb2 as pb
from scoreline.v1 import scoring_pb2
from scoreline_registry.decisions.facts import FactValue
from scoreline_registry.routing.route_validation import contract_errors
from scoreline_server.decisions.changed_rows import ServedRow
from scoreline_server.decisions.what_if import Change
from scoreline_server.errors import CallError, ErrorReason
from scoreline_server.gil_switching import background_work
from scoreline_server.rpc.admission import Admission
from scoreline_server.rpc.decision_messages import value_of
from scoreline_server.rpc.methods import Arrival
from scoreline_server.rpc.thread_slots import ThreadSlots
from scoreline_server.scoring.catalog import Catalog
from scoreline_server.scoring.compiled_route import Arm, CompiledRoute
from scoreline_server.scoring.decoding import decode_request
from scoreline_server.scoring.engine import score_rows
from scoreline_server.scoring.facts import Scored
from scoreline_server.scoring.model import LoadedModel

_BUSY = "other calls search for changes: try again"
_MOST_VERSIONS = 4

Request = pb.WhatIfRequest | pb.RecourseRequest


class Searches:
    """Admits calls that score many changed copies of few entities, and leaves a thread free for all others."""

    def __init__(self, *, admission: Admission, slots: ThreadSlots) -> None:
        self._admission, self._slots = admission, slots

    @contextmanager
    def admitted(self, seconds: float, arrival: Arrival) -> Iterator[None]:
        """Runs the block as admitted work of so many estimated seconds. Raises CallError with OVERLOADED."""
        with self._slots.taken(_BUSY):
            self._admission.take(seconds, arrival.deadline, waits=True)
            try:
                with background_work():
                    yield
            finally:
                self._admission.done(seconds, waits=True)


def check_deadline(arrival: Arrival) -> None:
    """Raises CallError where the caller has given up by now."""
    if arrival.deadline is not None and time.time() > arrival.deadline:
        raise CallError(ErrorReason.DEADLINE_EXCEEDED, "the deadline passed while changes were searched: send fewer")


def count_of(request: Request, most: int) -> int:
    """How many entities there are. Raises CallError unless they are 1 to ``most``."""
    count = len(request.packed.entity_ids) if request.HasField("packed") else len(request.entities)
    if count < 1:
        raise CallError(ErrorReason.NO_ENTITIES, f"send 1 to {most} entities", found=0)
    if count > most:
        problem = f"a call carries at most {most} entities, this one has {count}: send several calls"
        raise CallError(ErrorReason.TOO_MANY_ENTITIES, problem, found=count, most=most)
    return count


def scored_entities(route: CompiledRoute, request: Request, extras: Sequence[str], arrival: Arrival) -> Scored:
    """The entities of a call as the route scores them. Raises the error of the only entity of a call."""
    rows = scoring_pb2.ScoreRequest(route=route.name, entities=request.entities, extras=extras)
    if request.HasField("packed"):
        rows.packed.CopyFrom(request.packed)
    scored = Scored(*score_rows([decode_request(rows, route, arrived=arrival.arrived)]))
    errors = scored.batch.results.errors
    if len(scored.batch.rows) == 1 and errors:
        raise errors[0]
    return scored


def served_row(scored: Scored, row: int) -> ServedRow:
    """One row with the arm that scored it."""
    batch = scored.batch
    return ServedRow(batch.route.arms[batch.results.served[row]], batch.rows, row, batch.route.layout)


def other_versions(model: LoadedModel, route: CompiledRoute, catalog: Catalog) -> list[Arm]:
    """The newest other versions of a model that are loaded and fit the route."""
    own = [key for key in catalog.models if key[0] == model.name and key[1] != model.version]
    others = {f"{name}@{version}": catalog.models[name, version] for name, version in sorted(own, reverse=True)}
    schema = route.document.input_schema
    fit = (ref for ref, other in others.items() if not contract_errors(schema, ref, other.manifest.inputs))
    return [Arm.of(ref, others[ref], route.layout) for ref in islice(fit, _MOST_VERSIONS)]


def band_of(arm: Arm, score: float) -> str:
    """The band of a score by an arm's model; empty where there is none."""
    place = int(arm.band_edges.searchsorted(score, side="right")) - 1
    return arm.band_names[place] if place >= 0 else ""


def change_messages(changes: Sequence[Change]) -> list[pb.FeatureChange]:
    """Changed inputs as messages."""
    return [
        pb.FeatureChange(
            feature=each.feature, before=value_of(each.before), after=value_of(each.after), derived=each.derived
        )
        for each in changes
    ]


def fact_of(value: scoring_pb2.Value) -> FactValue:
    """The value of a message; None for one that is unset."""
    kind = value.WhichOneof("kind")
    found: FactValue = None if kind is None else getattr(value, kind)
    return found
