"""Changed copies of one scored row, scored by the arm that scored it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_registry.decisions.facts import FactValue
from scoreline_registry.documents.contract import Feature
from scoreline_server.errors import ScoringError
from scoreline_server.scoring.arrays import Float32, Int32
from scoreline_server.scoring.compiled_route import Arm
from scoreline_server.scoring.layout import Layout
from scoreline_server.scoring.rows import RaggedBlock, RowBlock

_MOST_BYTES = 32 << 20


class ServedRow:
    """One row of a call as the arm that scored it takes it; scores changed copies of it."""

    def __init__(self, arm: Arm, block: RowBlock, row: int, layout: Layout) -> None:
        self.arm, self.layout = arm, layout
        self._block, self._row = block, row
        bound = arm.binding.bind(block, np.array([row]))
        ((_, inputs),) = arm.binding.inputs(block, bound)
        self.features: Float32 = bound.features[0]
        """float32 [F], as the model takes it."""
        self._others = {name: values for name, values in inputs.items() if name != "features"}

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """bool [F], which features the row has itself, not by a default."""
        return np.array([self.value(feature.name) is not None for feature in self.arm.model.manifest.inputs.features])

    def value(self, name: str) -> FactValue:
        """A feature as it came, or as a profile had it; None where it is missing."""
        if name in self.layout.numbers:
            number = float(self._block.numbers[self._row, self.layout.numbers[name]])
            return None if np.isnan(number) else number
        if name in self.layout.categories:
            code = int(self._block.categories[self._row, self.layout.categories[name]])
            return None if code < 0 else self._block.dictionary[code]
        return None

    def bound(self, changes: Sequence[Mapping[str, FactValue]]) -> tuple[Float32, Mapping[int, ScoringError]]:
        """The features float32 [N, F] of N changed copies as the model takes them, and why some are refused."""
        block = changed_block(self._block, self._row, changes, self.layout)
        bound = self.arm.binding.bind(block, np.arange(len(changes)))
        return bound.features, bound.errors

    def scores(self, features: Float32) -> Float32:
        """The scores float32 [N] of copies with these features float32 [N, F]."""
        return np.concatenate([scores for scores, *_ in self._runs(features, ())])

    def extra_output(self, features: Float32, name: str) -> npt.NDArray[Any]:
        """An extra output of copies with these features; its first axis is N."""
        return np.concatenate([values for _, values in self._runs(features, (name,))])

    def scores_by(self, arm: Arm, changes: Sequence[Mapping[str, FactValue]]) -> npt.NDArray[np.float64]:
        """The scores float64 [N] that another arm gives to changed copies; NaN where it refuses them."""
        block = changed_block(self._block, self._row, changes, self.layout)
        bound = arm.binding.bind(block, np.arange(len(changes)))
        bound = bound.accepted() if bound.errors else bound
        scores = np.full(len(changes), np.nan)
        for rows, inputs in arm.binding.inputs(block, bound) if len(bound.rows) else ():
            scores[rows] = arm.model.run(inputs)[0]
        return scores

    def _runs(self, features: Float32, extras: Sequence[str]) -> list[list[npt.NDArray[Any]]]:
        at_once = max(1, _MOST_BYTES // max(sum(values.nbytes for values in self._others.values()), 1))
        return [
            self.arm.model.run(self._inputs(features[start : start + at_once]), extras)
            for start in range(0, len(features), at_once)
        ]

    def _inputs(self, features: Float32) -> dict[str, npt.NDArray[Any]]:
        repeated = {name: np.repeat(values, len(features), axis=0) for name, values in self._others.items()}
        return {"features": features, **repeated} if features.shape[1] else repeated


def changed_block(block: RowBlock, row: int, changes: Sequence[Mapping[str, FactValue]], layout: Layout) -> RowBlock:
    """Copies of one row, each with some features changed; None makes a feature missing."""
    count = len(changes)
    numbers: Float32 = np.repeat(block.numbers[row : row + 1], count, axis=0)
    categories: Int32 = block.categories
    if layout.categories:
        categories = np.repeat(block.categories[row : row + 1], count, axis=0)
    names = list(block.dictionary)
    codes = {name: code for code, name in enumerate(names)}
    for copy, values in enumerate(changes):
        for name, value in values.items():
            if name in layout.numbers:
                with np.errstate(over="ignore"):
                    numbers[copy, layout.numbers[name]] = np.nan if value is None else np.float32(value)
            else:
                categories[copy, layout.categories[name]] = _code(value, names, codes)
    return RowBlock(
        ids=[block.ids[row]] * count,
        numbers=numbers,
        categories=categories,
        dictionary=names,
        ragged=[_repeated(each, row, count) for each in block.ragged],
        contexts=(),
        errors={},
    )


def _code(value: FactValue, names: list[str], codes: dict[str, int]) -> int:
    """The place of a name in ``names``, to which it is added where it is not there; -1 where it is missing."""
    if value is None:
        return -1
    text = str(value)
    if text not in codes:
        codes[text] = len(names)
        names.append(text)
    return codes[text]


def _repeated(items: RaggedBlock, row: int, count: int) -> RaggedBlock:
    start = int(items.counts[:row].sum())
    own = items.values[start : start + int(items.counts[row])]
    return RaggedBlock(np.tile(own, (count, 1)), np.repeat(items.counts[row : row + 1], count))


def raw_value(feature: Feature, value: float) -> FactValue:
    """A feature as callers send it, of the number that the model takes; None where it is missing."""
    if np.isnan(value):
        return None
    if feature.kind == "number":
        return value
    code = int(value)
    return feature.vocabulary[code] if code < len(feature.vocabulary) else None
