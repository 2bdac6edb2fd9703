"""The last steps of histories as graph nodes, for windows of several widths at once.

A window of width W holds a history's last W real steps, all of them where it is shorter. Missing steps are left out.
Tensors are laid out [N, S, ...]: row, then step feature; K is the number of windows and w the steps at hand, at most
the widest window, newest first. Nothing behind a row's length is ever read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scoreline_trainers.engineering.base import GraphColumns
from scoreline_trainers.graph.tensor import Tensor, arange, constant, graph_input

# Beyond every float32: moves what is not known to the end of an order. Adding is five times faster than Where.
_FAR = 1e300

# A window as the places that it covers, counted back from the newest step: from, and up to but without.
Span = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Recent:
    """The newest steps.

    Attributes:
        values: double [N, S, w], 0 where not known.
        known: bool [N, S, w]: the step is real and not missing.
        places: double [w]: 0, 1, 2, ... counted back from the newest.
    """

    values: Tensor
    known: Tensor
    places: Tensor

    @classmethod
    def within(cls, available: GraphColumns, steps: Sequence[str], widest: int) -> "Recent":
        """The last ``widest`` steps, or T where that is less."""
        return cls._at(available, steps, arange(graph_input(available.graph, "sequence").shape(1).minimum(widest)))

    @classmethod
    def at(cls, available: GraphColumns, steps: Sequence[str], places: Sequence[int]) -> "Recent":
        """The steps at given places."""
        return cls._at(available, steps, constant(available.graph, places, np.int64))

    @classmethod
    def _at(cls, available: GraphColumns, steps: Sequence[str], places: Tensor) -> "Recent":
        lengths = graph_input(available.graph, "lengths").unsqueeze(1)
        values = _gathered(available, steps, lengths, places)
        known = (places < lengths).unsqueeze(1) & ~values.isnan()
        return cls(known.where(values.cast(), 0), known, places.cast())

    def older(self) -> "Recent":
        """The same with every place holding the step before; the last place holds nothing."""
        pads = constant(self.values.graph, [0, 0, 0, 0, 0, 1], np.int64)

        def moved(values: Tensor) -> Tensor:
            return values.apply("Pad", pads).slice(1, axis=2)

        return Recent(moved(self.values), moved(self.known.cast()) > 0, self.places)

    def changes(self) -> "Recent":
        """Each step less the one before it, known where both are."""
        before = self.older()
        known = self.known & before.known
        return Recent((self.values - before.values) * known.cast(), known, self.places)

    def windows(self, spans: Sequence[Span]) -> "Windowed":
        """The same in each window."""
        starts, stops = (np.array(side)[:, None] for side in zip(*spans, strict=True))
        inside = (self.places >= starts) & (self.places < stops)
        return Windowed(self.values.unsqueeze(2), self.known.unsqueeze(2) & inside, self.places)


@dataclass(frozen=True, slots=True, eq=False)
class Windowed:
    """Steps in K windows; every statistic is double [N, S, K], NaN where a window knows no step.

    Attributes:
        values: double [N, S, 1, w], 0 where not known.
        known: bool [N, S, K, w].
        places: double [w].
    """

    values: Tensor
    known: Tensor
    places: Tensor

    def count(self) -> Tensor:
        """How many steps are known; 0 and not NaN where none is."""
        return self.known.cast().sum()

    def empty(self) -> Tensor:
        """bool [N, S, K]: no step is known."""
        return self.count().equal(0)

    def varies(self) -> Tensor:
        """bool [N, S, K]: two known steps differ. Exact, which a deviation of nearly 0 is not."""
        far = self._unknown() * _FAR
        return (self.values - far).max() > (self.values + far).min()

    def mean(self) -> Tensor:
        """The mean."""
        return self._unless_empty(self._mean())

    def std(self) -> Tensor:
        """The population standard deviation; exactly 0 where nothing varies."""
        return self._unless_empty(self.varies().where(self._moment(2).apply("Sqrt"), 0))

    def skewness(self) -> Tensor:
        """g1 = m3 / m2^(3/2) of Joanes and Gill (The Statistician 47, 1998); 0 where nothing varies."""
        return self._standardised(3)

    def kurtosis(self) -> Tensor:
        """Excess g2 = m4 / m2^2 - 3 of the same; 0 where nothing varies."""
        return self._unless_empty(self.varies().where(self._standardised(4) - 3, 0))

    def median(self) -> Tensor:
        """The middle known value, or the mean of the two middle ones."""
        ordered, count = (self.values + self._unknown() * _FAR).sort(), self.count()
        lower = _picked(ordered, ((count - 1) / 2).maximum(0.0))
        upper = _picked(ordered, count / 2)
        return self._unless_empty((lower + upper) / 2)

    def slope(self) -> Tensor:
        """The least squares slope per step; 0 where nothing varies."""
        weight, count = self.known.cast(), self.count().maximum(1.0)
        mean = (weight * self.places).sum() / count
        offset = (mean.unsqueeze(-1) - self.places) * weight
        spread = (offset * offset).sum()
        along = (offset * self._centred()).sum()
        return self._unless_empty(self.varies().where(along / spread.equal(0).where(1, spread), 0))

    def rate(self) -> Tensor:
        """Newest known less oldest known, over the steps between them; 0 where they are one."""
        known, every = self.known.cast(), self._known_values()
        newest, oldest = known.argmax().cast(), known.argmax(last=True).cast()
        change = _picked(every, newest) - _picked(every, oldest)
        return self._unless_empty(change / (oldest - newest).maximum(1.0))

    def _known_values(self) -> Tensor:
        """[N, S, K, w]: 0 where not known in the window."""
        return self.values * self.known.cast()

    def _unknown(self) -> Tensor:
        return (~self.known).cast()

    def _mean(self) -> Tensor:
        return self._known_values().sum() / self.count().maximum(1.0)

    def _centred(self) -> Tensor:
        return (self.values - self._mean().unsqueeze(-1)) * self.known.cast()

    def _moment(self, power: int) -> Tensor:
        centred = self._centred()
        square = centred * centred
        powers = {2: square, 3: square * centred, 4: square * square}
        return powers[power].sum() / self.count().maximum(1.0)

    def _standardised(self, power: int) -> Tensor:
        deviation = self.varies().where(self._moment(2).apply("Sqrt"), 1)
        square = deviation * deviation
        scale = square * deviation if power == 3 else square * square
        return self._unless_empty(self.varies().where(self._moment(power) / scale, 0))

    def _unless_empty(self, values: Tensor) -> Tensor:
        return self.empty().where(np.nan, values)


def _gathered(available: GraphColumns, steps: Sequence[str], lengths: Tensor, places: Tensor) -> Tensor:
    """float32 [N, S, w]: the steps at ``places``; a place before the first step holds the first."""
    sequence = graph_input(available.graph, "sequence").gather([available.steps[name] for name in steps], axis=2)
    index = (lengths - 1 - places).maximum(0)
    return sequence.apply("GatherND", index.unsqueeze(2), batch_dims=1).transpose(0, 2, 1)


def _picked(values: Tensor, places: Tensor) -> Tensor:
    """[N, S, K, w] at double [N, S, K] places, cut off -> [N, S, K]."""
    return values.gather_elements(places.to_int64().unsqueeze(-1)).squeeze(-1)
