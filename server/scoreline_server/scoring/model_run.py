"""How a model is run over bound rows."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy.typing as npt

from scoreline_server.scoring.arrays import Indices
from scoreline_server.scoring.binding import Binding, Bound
from scoreline_server.scoring.model import LoadedModel
from scoreline_server.scoring.rows import RowBlock

Outputs: TypeAlias = list[tuple[Indices, list[npt.NDArray[Any]]]]
"""(rows of the block, score float32 [n] and then each extra with first axis n), each row in one of them."""

ModelRun: TypeAlias = Callable[[RowBlock, Bound, Sequence[str]], Outputs]
"""Scores bound rows of a block by one model; the texts are the names of the extra outputs to return."""


def direct_run(model: LoadedModel, binding: Binding) -> ModelRun:
    """Runs the model on all rows, those of similar item counts together."""

    def run(block: RowBlock, bound: Bound, extras: Sequence[str]) -> Outputs:
        if not len(bound.rows):
            return []
        return [(rows, model.run(inputs, extras)) for rows, inputs in binding.inputs(block, bound)]

    return run
