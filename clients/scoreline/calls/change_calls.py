"""The calls that compare changes of inputs, as flows: WhatIf and Recourse."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from scoreline.calls.call_options import check_text
from scoreline.calls.chunks import MAX_PART_BYTES, PackedChunk, pack_chunk
from scoreline.calls.flows import Flows
from scoreline.calls.transport import Flow, Method
from scoreline.decoding.changes import Recourse, WhatIf, read_recourse, read_what_if
from scoreline.encoding.block import cut
from scoreline.encoding.entities import Entity
from scoreline.encoding.row_chunks import EntityChunk
from scoreline.encoding.validation import invalid, without_row, wrong_type
from scoreline.errors import ENTITY_REASONS, EntityFailedError, InvalidRequestError, ScorelineError, StaleSchemaError
from scoreline.v1 import decisions_pb2 as pb
from scoreline.v1 import scoring_pb2

_T = TypeVar("_T", WhatIf, Recourse)

Goal: TypeAlias = Literal["lower", "higher"]
AdHoc: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Interventions by name, as policies have them: ``{"discount": {"multiply": {"fee": 0.9}, "cost": 5}}``."""

_GOALS = {None: pb.SCORE_GOAL_UNSPECIFIED, "lower": pb.SCORE_GOAL_LOWER, "higher": pb.SCORE_GOAL_HIGHER}
_NUMBERS = ("add", "multiply", "cap", "floor")
_KEYS = ("set", *_NUMBERS, "cost", "excludes")
_EXAMPLE = "{'multiply': {'fee': 0.9}, 'cost': 5}"

_WHAT_IF_ROWS = 64
_RECOURSE_ROWS = 8


@dataclass(frozen=True, slots=True)
class ChangeCall(Generic[_T]):
    """One kind of call.

    Attributes:
        name: the policy or route whose schema lays out the entities.
        request: the message without entities.
        read: the results of an answer, for rows of these indices.
        failed: the result of a row that failed.
        most: the most entities of one call.
    """

    method: Method
    name: str
    request: pb.WhatIfRequest | pb.RecourseRequest
    read: Callable[[Any, Sequence[int]], list[_T]]
    failed: Callable[[ScorelineError], _T]
    most: int


def what_if_call(
    policy: str,
    *,
    interventions: Sequence[str] = (),
    ad_hoc: AdHoc | None = None,
    scenarios: Sequence[Sequence[str]] = (),
    budget: float | None = None,
    most: int | None = None,
    benefit: float | None = None,
    goal: Goal | None = None,
    path: bool = False,
) -> ChangeCall[WhatIf]:
    """The call of WhatIf. Raises InvalidRequestError for what no server takes."""
    if goal not in _GOALS:
        raise invalid(f"goal takes 'lower' or 'higher', not {goal!r}", "INVALID", "goal")
    request = pb.WhatIfRequest(
        policy=_text("policy", policy),
        interventions=[_text("interventions", name) for name in _names("interventions", interventions)],
        ad_hoc=[_intervention(name, each) for name, each in _mapping("ad_hoc", ad_hoc or {}).items()],
        scenarios=[pb.ScenarioRequest(interventions=_names("scenarios", names)) for names in scenarios],
        most=0 if most is None else _whole("most", most),
        goal=_GOALS[goal],
        path=path,
    )
    if budget is not None:
        request.budget = _number("budget", budget)
    if benefit is not None:
        request.benefit = _number("benefit", benefit)
    return ChangeCall(
        Method.WHAT_IF, policy, request, read_what_if, lambda error: WhatIf(error=error), most=_WHAT_IF_ROWS
    )


def recourse_call(
    *,
    policy: str | None,
    route: str | None,
    band: str | None = None,
    at_most: float | None = None,
    at_least: float | None = None,
    most: int | None = None,
    most_changes: int | None = None,
    fixed: Sequence[str] = (),
    engine: str = "",
) -> ChangeCall[Recourse]:
    """The call of Recourse. Raises InvalidRequestError for what no server takes."""
    if (policy is None) == (route is None):
        raise invalid("name a policy, or a route by route=", "INVALID", "policy")
    given = {"band": band, "at_most": at_most, "at_least": at_least}
    targets = [name for name, value in given.items() if value is not None]
    if len(targets) != 1:
        raise invalid(
            f"name one target: band, at_most or at_least; got {' and '.join(targets) or 'none'}", "INVALID", "target"
        )
    request = pb.RecourseRequest(
        policy="" if policy is None else _text("policy", policy),
        route="" if route is None else _text("route", route),
        most=0 if most is None else _whole("most", most),
        most_changes=0 if most_changes is None else _whole("most_changes", most_changes),
        fixed=[_text("fixed", name) for name in _names("fixed", fixed)],
        engine=_text("engine", engine),
    )
    if band is not None:
        request.band = _text("band", band)
    if at_most is not None:
        request.at_most = _number("at_most", at_most)
    if at_least is not None:
        request.at_least = _number("at_least", at_least)
    name = policy if policy is not None else route or ""
    return ChangeCall(
        Method.RECOURSE, name, request, read_recourse, lambda error: Recourse(error=error), most=_RECOURSE_ROWS
    )


def change_flow(flows: Flows, call: ChangeCall[_T], entity: Entity, timeout_seconds: float | None) -> Flow[_T]:
    """The result of one entity. Raises its error."""
    (found,) = yield from changes_flow(flows, call, [entity], timeout_seconds)
    if found.error is not None:
        raise without_row(found.error) if isinstance(found.error, InvalidRequestError) else found.error
    return found


def changes_flow(
    flows: Flows, call: ChangeCall[_T], entities: Sequence[Entity], timeout_seconds: float | None
) -> Flow[list[_T]]:
    """The results of entities in their order. What fails stays in its place, as a result with its error."""
    if not entities:
        return []
    deadline = flows.retrying.deadline(timeout_seconds)
    chunk = EntityChunk(entities)
    packed = yield from flows.packed_with_newest(call.name, deadline, lambda schema: pack_chunk(chunk, schema))
    found = {int(rows[0]): call.failed(error) for rows, error in packed.invalid}
    for start, stop in cut(packed.block.row_bytes(), max_rows=call.most, max_bytes=MAX_PART_BYTES):
        rows = packed.rows[start:stop].tolist()
        results = yield from _call(flows, call, packed, start, stop, timeout_seconds)
        found.update(zip(rows, results, strict=True))
    return [found[row] for row in range(len(entities))]


def _call(
    flows: Flows, call: ChangeCall[_T], packed: PackedChunk, start: int, stop: int, timeout_seconds: float | None
) -> Flow[list[_T]]:
    deadline = flows.retrying.deadline(timeout_seconds)
    rows: list[int] = packed.rows[start:stop].tolist()
    request = deepcopy(call.request)
    request.packed.CopyFrom(packed.block.message(start, stop))
    try:
        try:
            answer = yield from flows.retrying.call(call.method, request, deadline)
        except StaleSchemaError:
            schema = yield from flows.newer_schema(call.name, packed.block.digest, deadline)
            request.packed.CopyFrom(packed.chunk.rows(start, stop).pack(schema).message(0, len(rows)))
            answer = yield from flows.retrying.call(call.method, request, deadline)
        return call.read(answer, rows)
    except ScorelineError as error:
        alone = len(rows) == 1 and error.reason in ENTITY_REASONS
        return [call.failed(EntityFailedError.of(error, row=rows[0]) if alone else error) for _ in rows]


def _intervention(name: str, given: Mapping[str, Any]) -> pb.Intervention:
    if not isinstance(given, Mapping):
        raise wrong_type(f"ad_hoc {name}", f"a mapping such as {_EXAMPLE}", given)
    unknown = next((key for key in given if key not in _KEYS), None)
    if unknown is not None:
        raise invalid(f"ad_hoc {name!r}: unknown key {unknown!r}; there are {', '.join(_KEYS)}", "INVALID", "ad_hoc")
    changes = [
        pb.InputChange(feature=feature, set=_value(feature, value))
        for feature, value in _mapping("set", given.get("set", {})).items()
    ]
    for by in _NUMBERS:
        for feature, value in _mapping(by, given.get(by, {})).items():
            changes.append(pb.InputChange(**{"feature": feature, by: _number(feature, value)}))
    return pb.Intervention(
        name=_text("ad_hoc", name),
        changes=changes,
        cost=_number("cost", given.get("cost", 0.0)),
        excludes=_names("excludes", given.get("excludes", ())),
    )


def _value(name: str, value: Any) -> scoring_pb2.Value:
    if isinstance(value, str):
        return scoring_pb2.Value(text=value)
    return scoring_pb2.Value(number=_number(name, value))


def _text(name: str, value: Any) -> str:
    check_text(name, value)
    return str(value)


def _mapping(name: str, value: Any) -> Mapping[Any, Any]:
    """A mapping by names. Raises InvalidRequestError for anything else."""
    if not isinstance(value, Mapping):
        raise wrong_type(name, f"a mapping by names, as in {_EXAMPLE}", value)
    for key in value:
        check_text(name, key)
    return value


def _names(name: str, values: Any) -> list[str]:
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise wrong_type(name, "a list of names", values)
    return [_text(name, value) for value in values]


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise wrong_type(name, "a number", value) from error


def _whole(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1000:
        raise invalid(f"{name} takes a whole number of at least 1", "INVALID", name)
    return value
