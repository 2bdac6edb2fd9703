"""Sequences as one block of steps and the places where each entity's steps start."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline.entities import Columns, Steps
from scoreline.refusals import invalid, unexpected_sequence, unknown_name, wrong_shape, wrong_type
from scoreline.schema import RouteSchema
from scoreline.values import Float32, Int64, Place, floats, is_numeric, narrow

Histories = tuple[Float32, Int64 | None]
"""Steps float32 [total, S], oldest first, entity after entity; and offsets int64 [N + 1], None without a sequence."""


def histories(sequences: Sequence[Steps | None], schema: RouteSchema, first_row: int) -> Histories:
    """N histories, each None, mappings or an array [T, S]. None and no steps are the same: a history of length 0.

    Raises InvalidRequestError for unknown step features, wrong widths, and any history where the route takes none.
    """
    if schema.sequence is None:
        for index, sequence in enumerate(sequences):
            if sequence is not None:
                raise unexpected_sequence(schema.route, first_row + index)
        return np.empty((0, 0), np.float32), None
    names = schema.sequence.features
    parts = [_steps(steps, names, schema.route, first_row + index) for index, steps in enumerate(sequences)]
    block = np.concatenate([np.empty((0, len(names)), np.float32), *parts])
    return block, _offsets(np.array([len(part) for part in parts], np.int64))


def history_columns(columns: Columns, schema: RouteSchema, count: int, first_row: int) -> Histories:
    """The histories of N entities by column: an array [N, T, S] with lengths [N], or N histories."""
    sequences = columns.sequences
    if schema.sequence is None or not isinstance(sequences, np.ndarray):
        given = [None] * count if sequences is None else list(sequences)
        if len(given) != count:
            raise wrong_shape("sequences", f"[{count}] like the other columns", given)
        return histories(given, schema, first_row)
    names = schema.sequence.features
    if sequences.ndim != 3 or sequences.shape[::2] != (count, len(names)) or not is_numeric(sequences):
        raise wrong_shape("sequences", f"numbers [{count}, T, {len(names)}]", sequences)
    lengths = _lengths(columns.lengths, count, sequences.shape[1])
    steps = sequences[np.arange(sequences.shape[1]) < lengths[:, None]]
    offsets = _offsets(lengths)
    block = narrow(steps.reshape(-1), _placed(names, offsets, first_row))
    return block.reshape(steps.shape), offsets


def _steps(steps: Steps | None, names: Sequence[str], route: str, row: int) -> Float32:
    place = _placed(names, np.zeros(1, np.int64), row)
    if steps is None:
        return np.empty((0, len(names)), np.float32)
    if hasattr(steps, "__array__"):
        array = np.asarray(steps)
        if array.ndim != 2 or array.shape[1] != len(names) or not is_numeric(array):
            raise wrong_shape("sequence", f"numbers [T, {len(names)}]", array, row)
        return narrow(array.reshape(-1), place).reshape(array.shape)
    for step in steps:
        _check_step(step, names, route, row)
    values = [step.get(name) for step in steps for name in names]
    return floats(values, place).reshape(len(steps), len(names))


def _check_step(step: Any, names: Sequence[str], route: str, row: int) -> None:
    if not isinstance(step, Mapping):
        raise wrong_type("sequence", f"a mapping per step, or an array [T, {len(names)}]", step, row)
    for name in step:
        if name not in names:
            raise unknown_name("step feature", name, names, route=route, row=row)


def _placed(names: Sequence[str], offsets: Int64, first_row: int) -> Place:
    def place(index: int) -> tuple[str, int]:
        step, column = divmod(index, len(names))
        row = int(np.searchsorted(offsets, step, side="right")) - 1
        return f"sequence[{step - int(offsets[row])}].{names[column]}", first_row + row

    return place


def _lengths(given: npt.ArrayLike | None, count: int, most: int) -> Int64:
    lengths = np.full(count, most) if given is None else np.asarray(given)
    if lengths.shape != (count,) or lengths.dtype.kind not in "iu":
        raise wrong_shape("lengths", f"whole numbers [{count}]", lengths)
    if count and not 0 <= lengths.min() <= lengths.max() <= most:
        raise invalid(f"lengths must lie from 0 to {most}, the T of sequences", "WRONG_BLOCK_LENGTH", "lengths")
    return lengths.astype(np.int64)


def _offsets(lengths: Int64) -> Int64:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
