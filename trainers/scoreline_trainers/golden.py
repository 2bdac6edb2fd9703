"""Golden rows: inputs with the outputs that every server must reproduce before it serves.

``golden.npz`` holds the graph inputs by name and the outputs by name, rows first.
"""

from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_trainers.batch import Rows
from scoreline_trainers.probes import Probes
from scoreline_trainers.scorer import OnnxScorer

GOLDEN_ROWS = 32


def golden_rows(probes: Probes, *, rows: int = GOLDEN_ROWS) -> Rows:
    """The probes to keep: of every reason about equally many, and where there are histories every extreme length."""
    by_reason: dict[str, list[int]] = {}
    for row, reason in enumerate(probes.reasons):
        by_reason.setdefault(reason.partition(" of ")[0], []).append(row)
    share = -(-rows // len(by_reason))
    even = [found[:: max(1, len(found) // share)][:share] for found in by_reason.values()]
    turns = [found[turn] for turn in range(share) for found in even if turn < len(found)]
    return np.array(sorted(turns[:rows]), np.intp)


def golden_file(scorer: OnnxScorer, probes: Probes) -> bytes:
    """The bytes of ``golden.npz`` for these rows, outputs as ONNX Runtime computes them in one batch."""
    return write_arrays({**probes.batch.feeds(), **scorer.run(probes.batch)})


def write_arrays(arrays: dict[str, npt.NDArray[Any]]) -> bytes:
    """Arrays by name as an .npz file; equal arrays give equal bytes."""
    buffer = BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def read_arrays(data: bytes) -> dict[str, npt.NDArray[Any]]:
    """What ``write_arrays`` wrote."""
    with np.load(BytesIO(data), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
