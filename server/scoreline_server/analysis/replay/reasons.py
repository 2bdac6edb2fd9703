"""The reasons of a journaled score, computed again from its inputs by the version that served it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scoreline_server.analysis.replay.routes import AsDecided
from scoreline_server.analysis.replay.rows import JournaledRows, part
from scoreline_server.errors import ReplayError
from scoreline_server.journal.format.facts import ArmFacts
from scoreline_server.journal.reading.reader import OnFault, Selection, ignore, read_records
from scoreline_server.journal.reading.records import Records
from scoreline_server.scoring.reasons.codes import RowReasons
from scoreline_server.scoring.reasons.row_reasons import Wanted, explain_rows
from scoreline_server.scoring.results import RowResults

# Ids hold the second of the call by the server's clock, rows the time of their answer.
_MARGIN_SECONDS = 3600
_SECOND_DIGITS = 8
_NANO = 10**9


@dataclass(frozen=True, slots=True)
class ExplainedPrediction:
    """A journaled score, what it was of, and its reasons."""

    route: str
    entity_id: str
    arm: ArmFacts
    score: float
    reasons: RowReasons


def explain_prediction(
    folders: Iterable[Path], plan: AsDecided, prediction_id: str, wanted: Wanted, *, on_fault: OnFault = ignore
) -> ExplainedPrediction:
    """Finds the row of a prediction in some journals and explains its score.

    Raises:
        ReplayError: no journal has it, or its score cannot be explained.
        RegistryError: the registry does not have its route.
        ScoringError: the version has nothing to explain its scores by.
    """
    places = tuple(folders)
    for selection in _selections(prediction_id):
        for records in read_records(places, selection, on_fault=on_fault):
            ids = records.prediction_ids
            if prediction_id in ids:
                return _explained(records, plan, ids.index(prediction_id), wanted)
    raise ReplayError(f"no journaled row has the prediction id {prediction_id!r}: is it the journal that served it?")


def _selections(prediction_id: str) -> Iterator[Selection]:
    """The rows around the second that the id holds, then all: ids of older journals hold none."""
    try:
        second = int(prediction_id[:_SECOND_DIGITS], 16)
    except ValueError as error:
        raise ReplayError(f"{prediction_id[:80]!r} is no prediction id: it is hex digits, a dash and a row") from error
    yield Selection(None, (second - _MARGIN_SECONDS) * _NANO, (second + _MARGIN_SECONDS) * _NANO)
    yield Selection()


def _explained(records: Records, plan: AsDecided, row: int, wanted: Wanted) -> ExplainedPrediction:
    rows, route = JournaledRows.of(records), plan.route(records.route)
    served = int(rows.served[row])
    if row in rows.errors:
        raise ReplayError(f"it has no score: {rows.errors[row]}")
    if not rows.has_inputs:
        raise ReplayError("the inputs of the row are no longer in the journal: retention has removed them")
    if route.places[served] < 0:
        raise ReplayError(route.problems[served])
    results = RowResults(
        scores=rows.scores[row : row + 1],
        assigned=np.array([route.places[served]], np.uint16),
        served=np.array([route.places[served]], np.uint16),
        reasons=np.zeros(1, np.uint8),
        errors={},
    )
    (found,) = explain_rows(part(rows.inputs, row, row + 1), route.compiled, results, [wanted])
    if found is None:
        raise ReplayError("the version gives no number for a mixture of this row with its cohort")
    arm, entity = records.route.arms[served], rows.inputs.ids[row]
    return ExplainedPrediction(records.route.route, entity, arm, float(rows.scores[row]), found)
