"""The cases that a policy decides on: the scored rows of a call with their units and facts."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import structlog

from scoreline_registry.decisions.deciding.proposal import UPLIFT, Case
from scoreline_registry.routing.assignment import unit_of
from scoreline_registry.routing.route import UNIT_ENTITY
from scoreline_server.errors import ErrorReason, ScoringError
from scoreline_server.scoring.compiled_route import Arm
from scoreline_server.scoring.decided import case_id
from scoreline_server.scoring.facts import Scored
from scoreline_server.scoring.rows import EncodedRows, RowBlock
from scoreline_server.scoring.served_policy import ServedPolicy
from scoreline_server.scoring.wire import CALL_ID_BYTES

_log = structlog.get_logger()


def cases_of(policy: ServedPolicy, scored: Scored, *, time_ns: int, channel: str = "") -> dict[int, Case]:
    """The case of each row of a call that has a score, by row."""
    batch = scored.batch
    units = units_of(policy.compiled.policy.unit, batch.rows)
    errors = batch.results.errors
    facts = policy.facts.read(scored)
    for ref, values in uplifts_of(policy.uplifts, batch.rows, set(errors)).items():
        for row, value in values.items():
            facts[row][UPLIFT + ref] = value
    (request,) = batch.requests
    call = batch.call_ids[:CALL_ID_BYTES].hex()
    return {
        row: Case(
            decision_id=case_id(f"{call}-{row}", request.request_id, row, unit),
            unit=unit,
            facts=facts[row],
            time_ns=time_ns,
            channel=channel,
        )
        for row, unit in enumerate(units)
        if row not in errors
    }


def units_of(unit: str, rows: RowBlock | EncodedRows) -> Sequence[str]:
    """The unit of each row that a policy counts by; empty where the caller did not send it."""
    if unit == UNIT_ENTITY:
        return rows.ids
    contexts = rows.contexts or [{}] * len(rows)
    return [unit_of(unit, id_, context) for id_, context in zip(rows.ids, contexts, strict=True)]


def uplifts_of(models: Mapping[str, Arm], rows: RowBlock, without: set[int]) -> dict[str, dict[int, float]]:
    """The scores of second models, by reference and row; a row that one cannot score has none.

    ``without`` are rows that are not scored. A model that fails leaves actions without the effect that it gives.
    """
    wanted = np.array([row for row in range(len(rows)) if row not in without], np.intp)
    return {ref: _scores_apart(ref, arm, rows, wanted) for ref, arm in models.items()}


def _scores_apart(ref: str, arm: Arm, rows: RowBlock, wanted: npt.NDArray[np.intp]) -> dict[int, float]:
    """The scores of rows. Where a model fails each half is scored by itself, until only the rows that cause it fail."""
    try:
        return _scores(arm, rows, wanted)
    except Exception as error:  # noqa: BLE001  any exception of ONNX Runtime costs the effect, not the decision
        if len(wanted) < 2:
            _log.error("model of an effect failed", model=ref, error=str(error)[:500])
            return {}
    first, second = np.array_split(wanted, 2)
    return _scores_apart(ref, arm, rows, first) | _scores_apart(ref, arm, rows, second)


def _scores(arm: Arm, rows: RowBlock, wanted: npt.NDArray[np.intp]) -> dict[int, float]:
    bound = arm.binding.bind(rows, wanted)
    if bound.errors:
        bound = bound.accepted()
    scores: dict[int, float] = {}
    for places, (values, *_) in arm.run(rows, bound, ()):
        scores.update(zip(places.tolist(), values.astype(np.float64).tolist(), strict=True))
    return scores


def refuse_without_unit(policy: ServedPolicy, rows: EncodedRows) -> None:
    """Gives rows an error that lack the unit by which the policy counts."""
    if not policy.compiled.needs_unit:
        return
    unit = policy.compiled.policy.unit
    for row, own in enumerate(units_of(unit, rows)):
        if not own:
            text = f"policy {policy.name} counts by {unit}: send it with every entity"
            rows.errors.setdefault(row, ScoringError(ErrorReason.MISSING_UNIT, text, unit=unit))
