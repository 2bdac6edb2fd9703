"""Replay: journaled inputs scored again as they were decided, as of a revision, or by another version."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from scoreline_server.analysis.replay.differences import replayed_bands
from scoreline_server.analysis.replay.routes import Plan
from scoreline_server.analysis.replay.rows import JournaledRows
from scoreline_server.analysis.replay.scoring import ReplayedRows, score_again
from scoreline_server.journal.reading.reader import OnFault, Selection, ignore, read_records
from scoreline_server.journal.reading.records import Values
from scoreline_server.scoring.compiled_route import NO_BAND

ROW_TYPES: Mapping[str, str] = {
    "prediction_id": "string",
    "time": "timestamp",
    "route": "string",
    "revision": "int64",
    "entity_id": "string",
    "assigned_arm": "string",
    "replayed_assigned_arm": "string",
    "arm": "string",
    "replayed_arm": "string",
    "model": "string",
    "replayed_model": "string",
    "version": "int64",
    "replayed_version": "int64",
    "score": "float32",
    "replayed_score": "float32",
    "difference": "float64",
    "band": "string",
    "replayed_band": "string",
    "error": "string",
    "replayed_error": "string",
    "not_replayed": "string",
}
"""The columns of ``row_table`` and their types; ``not_replayed`` is the reason."""


def replay(
    folders: Iterable[Path], plan: Plan, selection: Selection, *, on_fault: OnFault = ignore
) -> Iterator[ReplayedRows]:
    """Scores the selected rows of some journals again, block by block.

    Raises RegistryError or ReplayError where the registry does not have the route of a row, LoadError for none.
    """
    for records in read_records(folders, selection, on_fault=on_fault):
        yield score_again(JournaledRows.of(records), plan.route(records.route))


def row_table(block: ReplayedRows) -> Mapping[str, Values]:
    """The selected rows of a block as the columns of ROW_TYPES; a missing value is None."""
    rows, route, after = block.journaled, block.journaled.route, block.route.arms
    everything = range(len(rows))
    before = [route.arms[arm] for arm in rows.served.tolist()]
    replayed = [after[arm] if arm >= 0 else None for arm in block.served.tolist()]
    skipped = {row: reason for reason, mask in block.skipped.items() for row in np.flatnonzero(mask).tolist()}
    differences = block.scores.astype(np.float64) - rows.scores
    bands, names = replayed_bands(block)
    columns: Mapping[str, Values] = {
        "prediction_id": rows.prediction_ids,
        "time": rows.times.tolist(),
        "route": [route.route] * len(rows),
        "revision": [route.revision] * len(rows),
        "entity_id": rows.inputs.ids,
        "assigned_arm": [route.arms[arm].ref for arm in rows.assigned.tolist()],
        "replayed_assigned_arm": [after[arm].ref for arm in block.assigned.tolist()],
        "arm": [arm.ref for arm in before],
        "replayed_arm": [arm and arm.ref for arm in replayed],
        "model": [arm.model for arm in before],
        "replayed_model": [arm and arm.model for arm in replayed],
        "version": [arm.version for arm in before],
        "replayed_version": [arm and arm.version for arm in replayed],
        "score": _known(rows.scores.tolist()),
        "replayed_score": _known(block.scores.tolist()),
        "difference": _known(differences.tolist()),
        "band": [None if band == NO_BAND else route.bands[band] for band in rows.bands.tolist()],
        "replayed_band": [None if band == NO_BAND else names[band] for band in bands.tolist()],
        "error": [rows.errors.get(row) for row in everything],
        "replayed_error": [block.errors.get(row) for row in everything],
        "not_replayed": [skipped.get(row) for row in everything],
    }
    kept = np.flatnonzero(rows.kept).tolist()
    return {name: [values[row] for row in kept] for name, values in columns.items()}


def _known(numbers: list[float]) -> list[float | None]:
    """Numbers with None for NaN."""
    return [None if number != number else number for number in numbers]  # noqa: PLR0124  NaN differs from itself
