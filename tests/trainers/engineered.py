"""Lists of engineered columns, learned and run, for the tests of them."""

import json
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from scoreline_registry.documents.contract import Feature, InputContract, SequenceContract
from scoreline_trainers.data.batch import Batch, Float32
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.engineering import Entry
from scoreline_trainers.engineering.base import Transformer
from scoreline_trainers.engineering.pipeline import FeaturePipeline

_ENTRY: TypeAdapter[Transformer] = TypeAdapter(Entry)


def entry(kind: str, **facts: Any) -> Transformer:
    """An entry as a recipe holds it."""
    return _ENTRY.validate_json(json.dumps({"kind": kind, **facts}))


def table(rows: dict[str, Any], vocabularies: dict[str, tuple[str, ...]] | None = None) -> Dataset:
    """Columns by name; those with a vocabulary are categories."""
    kinds = vocabularies or {}
    features = tuple(
        Feature(name=name, kind="category", vocabulary=kinds[name]) if name in kinds else Feature(name=name)
        for name in rows
    )
    values = np.stack([np.asarray(column, np.float32) for column in rows.values()], axis=1)
    return Dataset(InputContract(features=features), Batch(features=values), np.zeros(len(values), np.int8))


def histories(sequence: Any, lengths: Any, names: tuple[str, ...] = ("v",)) -> Dataset:
    """Sequence [N, T, S] with lengths [N]."""
    inputs = InputContract(sequence=SequenceContract(features=names, max_length=90))
    batch = Batch(sequence=np.asarray(sequence, np.float32), lengths=np.asarray(lengths, np.int64))
    return Dataset(inputs, batch, np.zeros(len(batch), np.int8))


def made(data: Dataset, *entries: Transformer) -> dict[str, Float32]:
    """What the entries make of the very rows that they learn from, by column."""
    pipeline = FeaturePipeline.fit(entries, data, keep_features=False)
    return by_name(pipeline, data.batch)


def by_name(pipeline: FeaturePipeline, batch: Batch) -> dict[str, Float32]:
    """The model's columns by name."""
    return dict(zip((feature.name for feature in pipeline.inputs.features), pipeline.apply(batch).table.T, strict=True))
