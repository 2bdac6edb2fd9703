"""Episodes: rows of a few segments, those of each parted into a support set to adapt by and a query set to score."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from scoreline_trainers.data.batch import RowIndices


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Where episodes are drawn from: each segment's candidates for support and for query, which may be the same."""

    support: Mapping[int, RowIndices]
    query: Mapping[int, RowIndices]

    @classmethod
    def split(cls, members: Mapping[int, RowIndices], validation: RowIndices) -> tuple[Self, Self]:
        """A pool for training and one for validation, whose queries alone are the ``validation`` rows."""
        train = {place: np.setdiff1d(own, validation) for place, own in members.items()}
        held_out = {place: np.intersect1d(own, validation) for place, own in members.items()}
        return cls(train, train), cls(train, held_out)

    def able(self, shots: int) -> list[int]:
        """The segments with so many rows for support and one at least left for query."""
        return [
            place
            for place, support in self.support.items()
            if len(support) > shots and len(self.query[place]) > (shots if self.query is self.support else 0)
        ]

    def episodes(
        self, count: int, *, shots: int, queries: int, draw: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """int64 [count, shots] and [count, queries]: support and query rows of a segment each, none in both.

        A segment is drawn in proportion to its query rows: small ones would otherwise be learned by heart.
        """
        able = self.able(shots)
        sizes = np.array([len(self.query[place]) for place in able])
        places = draw.choice(able, count, p=sizes / sizes.sum())
        pairs = [self._episode(place, shots, queries, draw) for place in places.tolist()]
        support, query = (torch.from_numpy(np.stack(rows)) for rows in zip(*pairs, strict=True))
        return support, query

    def _episode(
        self, place: int, shots: int, queries: int, draw: np.random.Generator
    ) -> tuple[RowIndices, RowIndices]:
        support = draw.choice(self.support[place], shots, replace=False)
        rest = np.setdiff1d(self.query[place], support)
        return support, draw.choice(rest, queries, replace=len(rest) < queries)
