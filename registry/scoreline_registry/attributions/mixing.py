"""Rows that are mixed of two: some sources come from one, all others from the other.

The sources are the features in their order, then the step features with all of their steps, how many steps there are,
and all neighbors. Inputs are named as in the standard graph signature.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_registry.attributions.trees import Bools, Float32

Inputs = Mapping[str, npt.NDArray[Any]]
Int64 = npt.NDArray[np.int64]


def players_of(inputs: Inputs) -> int:
    """How many sources the inputs of some rows have."""
    steps = inputs["sequence"].shape[2] + 1 if "sequence" in inputs else 0
    features = inputs["features"].shape[1] if "features" in inputs else 0
    return features + steps + ("neighbors" in inputs)


def mixed(rows: Inputs, reference: Inputs, chosen: Bools) -> dict[str, npt.NDArray[Any]]:
    """Mixtures of M pairs of rows. Both must have as many places in each ragged input, see ``aligned``.

    Histories are laid side by side from their newest step; where a row has fewer steps than the mixture, the older ones
    are missing.

    Args:
        rows, reference: inputs of M rows each.
        chosen: bool [M, players], True where the source is ``rows``'.
    """
    found: dict[str, npt.NDArray[Any]] = {}
    start = 0
    if "features" in rows:
        start = rows["features"].shape[1]
        found["features"] = np.where(chosen[:, :start], rows["features"], reference["features"])
    if "sequence" in rows:
        steps = chosen[:, start : start + rows["sequence"].shape[2] + 1]
        found["sequence"], found["lengths"] = _histories(rows, reference, steps)
    for name in ("neighbors", "neighbor_mask"):
        if name in rows:
            ours = chosen[:, -1].reshape(-1, *[1] * (rows[name].ndim - 1))
            found[name] = np.where(ours, rows[name], reference[name])
    return found


def aligned(first: Inputs, second: Inputs) -> tuple[Inputs, Inputs]:
    """Both with as many places in each ragged input."""
    names = [name for name in ("sequence", "neighbors", "neighbor_mask") if name in first]
    most = {name: max(first[name].shape[1], second[name].shape[1]) for name in names}
    return _stretched(first, most), _stretched(second, most)


def _stretched(inputs: Inputs, most: Mapping[str, int]) -> Inputs:
    longer = {
        name: np.pad(inputs[name], [(0, 0), (0, places - inputs[name].shape[1]), (0, 0)][: inputs[name].ndim])
        for name, places in most.items()
        if places > inputs[name].shape[1]
    }
    return {**inputs, **longer} if longer else inputs


def _histories(rows: Inputs, reference: Inputs, chosen: Bools) -> tuple[Float32, Int64]:
    """The last column of ``chosen`` is the length's."""
    lengths = np.where(chosen[:, -1], rows["lengths"], reference["lengths"])
    steps = np.where(chosen[:, None, :-1], _with_length(rows, lengths), _with_length(reference, lengths))
    return steps, lengths


def _with_length(inputs: Inputs, wanted: Int64) -> Float32:
    """The newest ``wanted`` steps of each row, from place 0 on; NaN for those that a row does not have."""
    sequence, lengths = inputs["sequence"], inputs["lengths"]
    places = np.arange(sequence.shape[1]) + (lengths - wanted)[:, None]
    there = (places >= 0) & (places < lengths[:, None])
    steps = np.take_along_axis(sequence, np.where(there, places, 0)[:, :, None], axis=1)
    return np.where(there[:, :, None], steps, np.float32(np.nan))
