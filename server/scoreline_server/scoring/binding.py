"""Binds a model to a route's layout: converts rows of the layout to the inputs of the model's contract.

Column mappings, category codes, defaults and limits are computed when the route is adopted. A call then costs a few
array operations for any number of rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_registry.documents.contract import Feature, InputContract
from scoreline_server.errors import ErrorReason, ScoringError
from scoreline_server.scoring.arrays import Float32, Indices
from scoreline_server.scoring.layout import Layout
from scoreline_server.scoring.ragged import RaggedBinding, groups_of
from scoreline_server.scoring.rows import RowBlock

MISSING, DEFAULTED, UNSEEN, CLIPPED = range(4)
"""The columns of ``quality``, of ``Bound`` and of ``RowResults``."""


@dataclass(frozen=True, slots=True)
class CategoryColumn:
    """One category feature: its column in the layout and in the model, and the code of each known name."""

    name: str
    source: int
    target: int
    codes: Mapping[str, int]
    refuse_unseen: bool


@dataclass(slots=True)
class Bound:
    """The inputs of one model for some rows.

    Attributes:
        rows: [n], which rows of the block these are.
        features: float32 [n, F].
        quality: uint16 [n, 4]: missing, defaulted, unseen, clipped; None where nothing of that can be.
        errors: rows of the block (not of ``rows``) that this model refuses.
    """

    rows: Indices
    features: Float32
    quality: npt.NDArray[np.uint16] | None
    errors: dict[int, ScoringError]

    def accepted(self) -> "Bound":
        """The same without refused rows."""
        if not self.errors:
            return self
        kept = np.array([row not in self.errors for row in self.rows.tolist()], bool)
        quality = None if self.quality is None else self.quality[kept]
        return Bound(self.rows[kept], self.features[kept], quality, {})


class Binding:
    """The mapping from one route's layout to one model's contract."""

    def __init__(self, contract: InputContract, layout: Layout) -> None:
        self._features = contract.features
        numbers = [(layout.numbers[f.name], at) for at, f in enumerate(contract.features) if f.name in layout.numbers]
        self._number_sources = np.array([source for source, _ in numbers], np.intp)
        self._number_targets = np.array([target for _, target in numbers], np.intp)
        self._categories = [
            CategoryColumn(f.name, layout.categories[f.name], at, f.codes, f.unseen == "refuse")
            for at, f in enumerate(contract.features)
            if f.name in layout.categories
        ]
        self._required = np.array([f.required for f in contract.features], bool)
        self._defaults = np.array([f.default_code for f in contract.features], np.float32)
        self._low = np.array([_limit(f.min, -np.inf) for f in contract.features], np.float32)
        self._high = np.array([_limit(f.max, np.inf) for f in contract.features], np.float32)
        self._limited = bool(np.isfinite(self._low).any() or np.isfinite(self._high).any())
        self._straight = not self._categories and np.array_equal(self._number_targets, np.arange(len(self._features)))
        self._in_order = np.array_equal(self._number_sources, np.arange(len(layout.numbers)))
        self._ragged = [RaggedBinding.of(taken, layout) for taken in contract.ragged]
        self._is_plain = not self._categories and not self._limited and not self._ragged

    def bind(self, block: RowBlock, rows: Indices) -> Bound:
        """The model's features for ``rows`` of ``block``, their data quality, and the errors of refused rows."""
        errors: dict[int, ScoringError] = {}
        features = self._gathered(block, rows)
        if self._is_plain and np.isfinite(features).all():
            return Bound(rows, features, None, errors)
        quality = np.zeros((len(rows), 4), np.uint16)
        features = features.copy() if features is block.numbers else features
        for column in self._categories:
            self._code(column, block, rows, features, quality, errors)
        if not np.isfinite(features).all():
            self._fill(rows, features, quality, errors)
        if self._limited:
            self._clip(features, quality)
        for ragged in self._ragged:
            items = block.ragged[ragged.place]
            ragged.check(items, rows, errors)
            if (missing := ragged.missing(items, rows)) is not None:
                quality[:, MISSING] += missing.astype(np.uint16)
        return Bound(rows, features, quality, errors)

    def inputs(self, block: RowBlock, bound: Bound) -> list[tuple[Indices, dict[str, npt.NDArray[Any]]]]:
        """The model's inputs in groups that are run together: (rows of the block, inputs by name)."""
        if not self._ragged:
            return [(bound.rows, {"features": bound.features})]
        items = [ragged.items(block.ragged[ragged.place], bound.rows) for ragged in self._ragged]
        groups = []
        for group in groups_of(items):
            inputs: dict[str, npt.NDArray[Any]] = {"features": bound.features[group]} if self._features else {}
            for ragged, its in zip(self._ragged, items, strict=True):
                inputs |= ragged.inputs(its, group)
            groups.append((bound.rows[group], inputs))
        return groups

    def row_bytes(self, block: RowBlock, bound: Bound) -> list[bytes]:
        """The bytes of each row's inputs without padding: equal for rows that the model gets equal."""
        count = len(bound.rows)
        parts = [
            [row.tobytes() for row in bound.features],
            *(ragged.items(block.ragged[ragged.place], bound.rows).row_bytes() for ragged in self._ragged),
        ]
        return parts[0] if len(parts) == 1 else [b"".join(part[at] for part in parts) for at in range(count)]

    def _gathered(self, block: RowBlock, rows: Indices) -> Float32:
        """The number columns in the model's order; everything else NaN. May be the block's own array."""
        whole = len(rows) == len(block)
        if self._straight and self._in_order:
            return block.numbers if whole else block.numbers[rows]
        features = np.full((len(rows), len(self._features)), np.nan, np.float32)
        numbers = block.numbers if whole else block.numbers[rows]
        features[:, self._number_targets] = numbers[:, self._number_sources]
        return features

    def _code(
        self,
        column: CategoryColumn,
        block: RowBlock,
        rows: Indices,
        features: Float32,
        quality: npt.NDArray[np.uint16],
        errors: dict[int, ScoringError],
    ) -> None:
        """Writes one category's codes; names outside the vocabulary get ``len(vocabulary)`` or are refused."""
        other = len(column.codes)
        indices = block.categories[rows, column.source]
        present = np.flatnonzero(indices >= 0)
        codes = _codes(column.codes, block.dictionary, indices[present], other)
        features[present, column.target] = codes
        unseen = present[codes == other]
        quality[unseen, UNSEEN] += 1
        if column.refuse_unseen:
            for at in unseen.tolist():
                errors.setdefault(int(rows[at]), _unknown_category(column, block.dictionary[indices[at]]))

    def _fill(
        self,
        rows: Indices,
        features: Float32,
        quality: npt.NDArray[np.uint16],
        errors: dict[int, ScoringError],
    ) -> None:
        """Applies required, defaults and "no infinities" to a block that has at least one of them."""
        missing = np.isnan(features)
        for at in np.flatnonzero(np.isinf(features).any(axis=1)).tolist():
            errors.setdefault(int(rows[at]), _not_finite(self._features[int(np.isinf(features[at]).argmax())]))
        refused = missing & self._required
        for at in np.flatnonzero(refused.any(axis=1)).tolist():
            errors.setdefault(int(rows[at]), _missing(self._features[int(refused[at].argmax())]))
        filled = missing & ~np.isnan(self._defaults)
        np.copyto(features, self._defaults, where=filled)
        quality[:, DEFAULTED] = filled.sum(axis=1)
        quality[:, MISSING] = missing.sum(axis=1) - quality[:, DEFAULTED]

    def _clip(self, features: Float32, quality: npt.NDArray[np.uint16]) -> None:
        outside = (features < self._low) | (features > self._high)
        if outside.any():
            np.clip(features, self._low, self._high, out=features)
            quality[:, CLIPPED] = outside.sum(axis=1)

    @cached_property
    def required_names(self) -> frozenset[str]:
        """The features without which this model refuses every entity."""
        return frozenset(f.name for f in self._features if f.required)


def _codes(known: Mapping[str, int], dictionary: Any, indices: npt.NDArray[np.int32], other: int) -> Indices:
    """Codes of ``indices``: through a table where the dictionary is short, name by name where it is long."""
    if len(dictionary) <= len(indices):
        table = np.array([known.get(name, other) for name in dictionary], np.intp)
        return table[indices]
    return np.array([known.get(dictionary[index], other) for index in indices.tolist()], np.intp)


def _limit(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _missing(feature: Feature) -> ScoringError:
    message = f"feature {feature.name!r} is required and was not given (NaN counts as not given)"
    return ScoringError(ErrorReason.MISSING_FEATURE, message, feature=feature.name)


def _not_finite(feature: Feature) -> ScoringError:
    return ScoringError(ErrorReason.NOT_FINITE, f"feature {feature.name!r} is infinite", feature=feature.name)


def _unknown_category(column: CategoryColumn, name: str) -> ScoringError:
    return ScoringError(
        ErrorReason.UNKNOWN_CATEGORY,
        f"feature {column.name!r} does not know the category {name[:80]!r}; GetSchema lists the known ones",
        feature=column.name,
        category=name[:200],
    )
