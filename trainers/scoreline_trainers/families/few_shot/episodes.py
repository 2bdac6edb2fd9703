"""Episodes: some segments, each with rows that it shows and others that are asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from scoreline_trainers.data.batch import RowIndices
from scoreline_trainers.data.splits import hold_out


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Where episodes are drawn from: of each segment, rows to show and rows to ask for, which may be the same ones."""

    shown: Mapping[int, RowIndices]
    asked: Mapping[int, RowIndices]

    @classmethod
    def split(cls, members: Mapping[int, RowIndices], *, rows: int, fraction: float, seed: int) -> tuple[Self, Self]:
        """Pools to learn from and to judge by; ``fraction`` of all ``rows`` is asked for in the second alone."""
        _, held_out = hold_out(rows, fraction=fraction, seed=seed)
        kept = {place: np.setdiff1d(own, held_out) for place, own in members.items()}
        judged = {place: np.intersect1d(own, held_out) for place, own in members.items()}
        return cls(kept, kept), cls(kept, judged)

    def able(self, shots: int) -> list[int]:
        """The segments that can show so many rows and still have one to be asked for."""
        return [
            place
            for place, shown in self.shown.items()
            if len(shown) > shots and len(self.asked[place]) > (shots if self.asked is self.shown else 0)
        ]

    def episodes(
        self, count: int, *, shots: int, asked: int, draw: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """int64 [count, shots] and [count, asked]: rows of a segment each, none both shown and asked for.

        A segment is drawn as often as it has rows to ask for: small ones would otherwise be learned by heart.
        """
        able = self.able(shots)
        sizes = np.array([len(self.asked[place]) for place in able])
        places = draw.choice(able, count, p=sizes / sizes.sum())
        pairs = [self._episode(place, shots, asked, draw) for place in places.tolist()]
        shown, wanted = (torch.from_numpy(np.stack(rows)) for rows in zip(*pairs, strict=True))
        return shown, wanted

    def _episode(self, place: int, shots: int, asked: int, draw: np.random.Generator) -> tuple[RowIndices, RowIndices]:
        shown = draw.choice(self.shown[place], shots, replace=False)
        rest = np.setdiff1d(self.asked[place], shown)
        return shown, draw.choice(rest, asked, replace=len(rest) < asked)
