"""How a model is run over bound rows."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import numpy.typing as npt

from scoreline_server.scoring.arrays import Indices
from scoreline_server.scoring.binding import Binding, Bound
from scoreline_server.scoring.model import LoadedModel
from scoreline_server.scoring.rows import RowBlock

Outputs: TypeAlias = list[tuple[Indices, list[npt.NDArray[Any]]]]
"""(rows of the block, score float32 [n] and then each extra with first axis n), each row in one of them."""


class ModelRun(Protocol):
    """Runs one model. ``waits`` says whether it may wait for the network."""

    waits: bool

    def __call__(self, block: RowBlock, bound: Bound, extras: Sequence[str]) -> Outputs:
        """Scores bound rows of a block, with the extra outputs of these names."""


class DirectRun:
    """Runs the model on all rows, those of similar item counts together. Is a ``ModelRun``."""

    waits = False

    def __init__(self, model: LoadedModel, binding: Binding) -> None:
        self._run, self._inputs = model.run, binding.inputs

    def __call__(self, block: RowBlock, bound: Bound, extras: Sequence[str]) -> Outputs:
        """Scores bound rows of a block."""
        if not len(bound.rows):
            return []
        return [(rows, self._run(inputs, extras)) for rows, inputs in self._inputs(block, bound)]
