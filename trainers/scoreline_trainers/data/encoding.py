"""Infers input contracts from tables and encodes columns by them.

The encoding is the server's: category names become indices, missing values defaults, numbers are moved into the
contract's limits. So a model is trained on exactly what it will be sent.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from pydantic import ValidationError

from scoreline_registry.documents.contract import (
    Feature,
    FeatureKind,
    InputContract,
    NeighborContract,
    SequenceContract,
)
from scoreline_registry.errors import InvalidNameError
from scoreline_registry.names import check_feature_name
from scoreline_trainers.data.batch import Float32, Float64, RowIndices
from scoreline_trainers.data.columns import Columns, FeatureSpec
from scoreline_trainers.data.features import limits
from scoreline_trainers.data.names import category_names
from scoreline_trainers.data.nulls import DECIMAL_COMMA, has_decimal_commas, not_numbers, numbers_in, shown
from scoreline_trainers.data.sequences import Examples, finite, step_vocabularies
from scoreline_trainers.data.tables import require
from scoreline_trainers.errors import DataError
from scoreline_trainers.problems import as_yaml

# More names than this are ids far more often than categories; an explicit vocabulary may be longer.
MAX_INFERRED_NAMES = 1000


def infer_inputs(examples: Examples, columns: Columns, *, rows: RowIndices | None = None) -> InputContract:
    """The contract of a model that is trained on ``rows`` of ``examples``, or on all of them.

    Kinds and vocabularies come from these rows alone. A column that no row of the table lacks is required, where
    ``columns`` do not say otherwise.

    Raises:
        DataError: a column is missing or cannot be a feature.
    """
    frame = examples.frame
    features = tuple(_feature(frame, spec, rows) for spec in columns.feature_specs(frame.columns))
    sequence = None
    if columns.sequence is not None and examples.sequence is not None:
        sequence = SequenceContract(
            features=columns.sequence.step_features,
            max_length=examples.sequence.shape[1],
            vocabularies=step_vocabularies(examples, columns.sequence, rows=rows),
        )
    neighbors = None
    if columns.neighbors is not None and examples.neighbors is not None:
        most = examples.neighbors.shape[1]
        neighbors = NeighborContract(features=columns.neighbors.names, max_neighbors=most)
    return InputContract(features=features, sequence=sequence, neighbors=neighbors)


def encode(frame: pl.DataFrame, features: Sequence[Feature]) -> Float32:
    """The raw columns as ``features`` float32 [N, F].

    Raises:
        DataError: a column is missing, of the wrong kind, or holds what its feature refuses.
    """
    block = np.empty((len(frame), len(features)), np.float32)
    for column, feature in enumerate(features):
        block[:, column] = encode_column(_column(frame, feature.name), feature)
    return block


def encode_column(values: pl.Series, feature: Feature) -> Float64:
    """One column as float64 [N]: a number clipped to its limits or a category's code, NaN where missing."""
    encoded = _numbers(values, feature) if feature.kind == "number" else _codes(values, feature)
    missing = np.isnan(encoded)
    if feature.required and missing.any():
        raise DataError(
            feature.name, f"is required and missing in {int(missing.sum())} rows: give a default or clean the data"
        )
    encoded[missing] = feature.default_code
    return encoded


def _feature(frame: pl.DataFrame, spec: FeatureSpec, rows: RowIndices | None) -> Feature:
    everywhere = _column(frame, spec.name)
    values = everywhere if rows is None else everywhere[rows]
    kind = spec.kind or _kind(values)
    facts = {**spec.model_dump(exclude={"max_names"}), "kind": kind}
    if spec.required is None:
        facts["required"] = spec.default is None and not missing(everywhere).any()
    if kind == "category":
        facts["vocabulary"] = spec.vocabulary or _vocabulary(values, spec.max_names)
    try:
        return Feature.model_validate(facts)
    except ValidationError as error:
        raise DataError(spec.name, f"cannot be a feature: {error.errors()[0]['msg']}") from error


def missing(values: pl.Series) -> pl.Series:
    """bool [N]: where a column has no value."""
    return values.is_null() | values.is_nan() if values.dtype.is_float() else values.is_null()


def _kind(values: pl.Series) -> FeatureKind:
    if values.null_count() == len(values) and values.dtype in (pl.Null, pl.String):
        raise DataError(values.name, "holds nothing, so its kind is unknown: exclude it or declare one")
    if values.dtype.is_numeric() or values.dtype == pl.Boolean:
        return "number"
    if values.dtype in (pl.String, pl.Categorical, pl.Enum):
        return "category"
    raise DataError(values.name, f"holds {values.dtype}, which no model takes: exclude it or turn it into a number")


def _vocabulary(values: pl.Series, most: int | None) -> tuple[str, ...]:
    """The names in order; of more than ``most``, the most frequent ones."""
    counted = category_names(values).drop_nulls().alias("name").value_counts(name="rows")
    names = sorted(
        counted.sort(["rows", "name"], descending=[True, False]).head(most or len(counted))["name"].to_list()
    )
    if not 1 <= len(names) <= MAX_INFERRED_NAMES:
        raise DataError(values.name, f"has {len(names):,} distinct names in the training rows{_advice(values)}")
    for name in names:
        try:
            check_feature_name(name)
        except InvalidNameError as error:
            raise DataError(values.name, f"cannot be a category: {error}") from error
    return tuple(names)


def _advice(values: pl.Series) -> str:
    """What to do about a column of too many names: mostly ids, or numbers beside a text that means none."""
    texts = not_numbers(values) if values.dtype == pl.String else {}
    if has_decimal_commas(texts):
        return f" because of {shown(texts, len(values))}; {DECIMAL_COMMA}"
    if not texts or sum(texts.values()) > len(values) / 2:
        return f", not 1 to {MAX_INFERRED_NAMES}: exclude it, or keep the most frequent with `max_names: 100`"
    first = as_yaml([next(iter(texts))])
    return f" because of {shown(texts, len(values))}: `null_values: {first}` reads it as missing, the rest as numbers"


def _numbers(values: pl.Series, feature: Feature) -> Float64:
    if values.null_count() == len(values):
        return np.full(len(values), np.nan)
    if values.dtype == pl.String:
        values = numbers_in(values, "is declared a number")
    elif _kind(values) != "number":
        raise DataError(feature.name, f"is declared a number but holds {values.dtype}")
    low, high = limits(feature)
    clipped: Float64 = np.clip(finite(values), low, high)
    return clipped


def _codes(values: pl.Series, feature: Feature) -> Float64:
    texts, other = category_names(values), float(len(feature.vocabulary))
    known = list(feature.vocabulary)
    codes = texts.replace_strict(known, np.arange(len(known)), default=other, return_dtype=pl.Float64)
    encoded = codes.to_numpy().astype(np.float64)
    if feature.unseen == "refuse" and (encoded[texts.is_not_null().to_numpy()] == other).any():
        raise DataError(feature.name, "has names outside its vocabulary, which refuses unseen ones")
    encoded[texts.is_null().to_numpy()] = np.nan
    return encoded


def _column(frame: pl.DataFrame, name: str) -> pl.Series:
    require(frame, name)
    return frame[name]
