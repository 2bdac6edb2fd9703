"""Compares the scores of two versions on the golden rows that both have. Needs numpy."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_registry.documents.contract import InputContract
from scoreline_registry.documents.ragged import RaggedInput
from scoreline_registry.documents.signature import FEATURES, SEGMENT, SIGNATURE

Arrays = Mapping[str, npt.NDArray[Any]]

_INPUTS = (*SIGNATURE, SEGMENT)


@dataclass(frozen=True, slots=True)
class GoldenComparison:
    """``shared`` rows of ``left`` and ``right`` have equal inputs; per output the absolute differences there."""

    left: int
    right: int
    shared: int
    largest: Mapping[str, float]
    mean: Mapping[str, float]


def compare_golden(
    left: bytes, right: bytes, *, left_inputs: InputContract, right_inputs: InputContract
) -> GoldenComparison:
    """Compares two ``golden.npz`` where their inputs agree, features matched by name and categories by their text.

    A difference where one side is NaN and the other is not counts as NaN.
    """
    ours, theirs = _arrays(left), _arrays(right)
    left_rows, right_rows = _rows(ours, left_inputs), _rows(theirs, right_inputs)
    at = {row: index for index, row in enumerate(right_rows)}
    pairs = [(index, at[row]) for index, row in enumerate(left_rows) if row in at]
    outputs = [name for name in ours if name not in _INPUTS and name in theirs]
    alike = [name for name in outputs if ours[name].shape[1:] == theirs[name].shape[1:]]
    gaps = {name: _gaps(ours[name], theirs[name], pairs) for name in alike if pairs}
    return GoldenComparison(
        left=len(left_rows),
        right=len(right_rows),
        shared=len(pairs),
        largest={name: float(gap.max()) for name, gap in gaps.items()},
        mean={name: float(gap.mean()) for name, gap in gaps.items()},
    )


def _arrays(data: bytes) -> Arrays:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _rows(arrays: Arrays, inputs: InputContract) -> list[tuple[object, ...]]:
    """Each row's inputs as a value that equals another version's for the same entity."""
    count = len(next(iter(arrays.values())))
    return [
        (
            _features(arrays, inputs, row),
            *(_items(arrays, each, row) for each in inputs.ragged),
            arrays[SEGMENT][row].tobytes() if SEGMENT in arrays else b"",
        )
        for row in range(count)
    ]


def _features(arrays: Arrays, inputs: InputContract, row: int) -> frozenset[tuple[str, str]]:
    if FEATURES not in arrays:
        return frozenset()
    return frozenset(
        (feature.name, _text(value, feature.vocabulary))
        for feature, value in zip(inputs.features, arrays[FEATURES][row].tolist(), strict=True)
    )


def _text(value: float, vocabulary: tuple[str, ...]) -> str:
    """A category's name, or a number exactly."""
    if vocabulary and value == value:  # noqa: PLR0124 - not NaN
        return vocabulary[int(value)] if 0 <= value < len(vocabulary) else "another category"
    return repr(value)


def _items(arrays: Arrays, ragged: RaggedInput, row: int) -> bytes:
    """The items that count, columns in the order of their names; padding differs between versions and is left out."""
    kind = ragged.kind
    if kind.name not in arrays:
        return b""
    items, presence = arrays[kind.name][row], arrays.get(kind.presence)
    if presence is not None:
        items = items[presence[row]] if kind.masked else items[: int(presence[row])]
    return kind.name.encode() + _by_name(items, ragged.features)


def _by_name(block: npt.NDArray[Any], names: tuple[str, ...]) -> bytes:
    order = sorted(range(len(names)), key=names.__getitem__)
    return repr([names[column] for column in order]).encode() + block[:, order].tobytes()


def _gaps(left: npt.NDArray[Any], right: npt.NDArray[Any], pairs: list[tuple[int, int]]) -> npt.NDArray[np.float64]:
    ours = left[[index for index, _ in pairs]].astype(np.float64)
    theirs = right[[index for _, index in pairs]].astype(np.float64)
    both_missing = np.isnan(ours) & np.isnan(theirs)
    return np.where(both_missing, 0.0, np.abs(ours - theirs))
