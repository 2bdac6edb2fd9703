"""Makes the training table that a recipe's ``data`` describes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from scoreline_trainers.data.sources.files import Files
from scoreline_trainers.data.sources.joins import joined
from scoreline_trainers.data.sources.times import moments
from scoreline_trainers.data.training_tables.spec import Sources


@dataclass(frozen=True, slots=True, eq=False)
class TrainingTable:
    """A table that was made of several files.

    Attributes:
        frame: its rows.
        digest: sha256 in hex over the digests of all files and the description by which the table was made.
        notes: lines about what was left out and why.
    """

    frame: pl.DataFrame
    digest: str
    notes: tuple[str, ...] = ()


def training_table(sources: Sources, *, folder: Path, replaced: Mapping[str, Path] | None = None) -> TrainingTable:
    """Makes the table.

    Args:
        sources: its description.
        folder: that relative paths start from.
        replaced: files in place of others, by the name that the description gives them.

    Raises:
        DataError: a file cannot be read or does not fit the description.
    """
    files = Files(folder, replaced)
    table = files.read(sources.table)
    times = None
    for join in sources.joins:
        if join.as_of is not None and sources.table.time is not None:
            times = moments(table, sources.table.time, sources.table, sources.time_zone)
        table = joined(table, join, files, times=times, zone=sources.time_zone)
    return TrainingTable(table, _digest(sources, files), tuple(files.notes))


def _digest(sources: Sources, files: Files) -> str:
    facts = {"files": dict(files.digests), "data": sources.model_dump(mode="json")}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
