"""Golden rows: inputs with the outputs that every server must reproduce before it serves.

``golden.npz`` holds the graph inputs by name and the outputs by name, rows first.
"""

from io import BytesIO
from itertools import islice, zip_longest
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_trainers.data.batch import RowIndices
from scoreline_trainers.gate.probes import Probes
from scoreline_trainers.graph.scorer import OnnxScorer

GOLDEN_ROWS = 32


def golden_rows(probes: Probes, *, rows: int = GOLDEN_ROWS) -> RowIndices:
    """The probes to keep, ascending: drawn in turn from every reason that probes have, until there are enough."""
    draw = np.random.default_rng(0)
    by_reason: dict[str, list[int]] = {}
    for row in draw.permutation(len(probes)).tolist():
        by_reason.setdefault(probes.reasons[row].partition(" of ")[0], []).append(row)
    turns = (row for turn in zip_longest(*by_reason.values()) for row in turn if row is not None)
    return np.array(sorted(islice(turns, rows)), np.intp)


def golden_file(scorer: OnnxScorer, probes: Probes) -> bytes:
    """The bytes of ``golden.npz`` for these rows, outputs as ONNX Runtime computes them in one batch."""
    return write_arrays({**probes.batch.feeds(), **scorer.run(probes.batch)})


def write_arrays(arrays: dict[str, npt.NDArray[Any]]) -> bytes:
    """Arrays by name as an .npz file; equal arrays give equal bytes."""
    buffer = BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def read_arrays(data: bytes) -> dict[str, npt.NDArray[Any]]:
    """Reads the arrays that ``write_arrays`` wrote."""
    with np.load(BytesIO(data), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
