"""The last steps of histories as graph nodes, for windows of several widths at once.

A window of width W holds a history's last W real steps, all of them where it is shorter. Missing steps are left out.
Tensors are laid out [N, S, ...]: row, then step feature; K is the number of windows and w the steps at hand, at most
the widest window, newest first. Nothing behind a row's length is ever read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scoreline_trainers.engineering.base import Scope
from scoreline_trainers.graph.builder import GraphBuilder
from scoreline_trainers.graph.tensor import Tensor

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
    def within(cls, scope: Scope, steps: Sequence[str], widest: int) -> "Recent":
        """The last ``widest`` steps, or T where that is less."""
        graph = scope.graph
        held = graph.add("Squeeze", graph.add("Shape", "sequence", start=1, end=2))
        width = graph.add("Min", held, graph.constant(widest, np.int64))
        places = graph.add("Range", graph.constant(0, np.int64), width, graph.constant(1, np.int64))
        return cls._at(scope, steps, places)

    @classmethod
    def at(cls, scope: Scope, steps: Sequence[str], places: Sequence[int]) -> "Recent":
        """The steps at given places."""
        return cls._at(scope, steps, scope.graph.constant(places, np.int64))

    @classmethod
    def _at(cls, scope: Scope, steps: Sequence[str], places: str) -> "Recent":
        graph = scope.graph
        lengths = graph.add("Unsqueeze", "lengths", graph.constant([1], np.int64))
        real = Tensor(graph, graph.add("Less", places, lengths)).wider(1)
        values = _gathered(graph, [scope.steps[name] for name in steps], lengths, places)
        known = real & values.missing().apply("Not")
        return cls(known.where(values.number(), 0), known, Tensor(graph, places).number())

    def older(self) -> "Recent":
        """The same with every place holding the step before; the last place holds nothing."""
        graph = self.values.graph
        end = graph.constant([1], np.int64)
        pads = graph.constant([0, 0, 0, 0, 0, 1], np.int64)

        def moved(values: Tensor) -> Tensor:
            axis, far = graph.constant([2], np.int64), graph.constant([np.iinfo(np.int64).max], np.int64)
            return Tensor(graph, graph.add("Slice", graph.add("Pad", values.name, pads), end, far, axis))

        return Recent(moved(self.values), moved(self.known.number()) > 0, self.places)

    def changes(self) -> "Recent":
        """Each step less the one before it, known where both are."""
        before = self.older()
        known = self.known & before.known
        return Recent((self.values - before.values) * known.number(), known, self.places)

    def windows(self, spans: Sequence[Span]) -> "Windowed":
        """The same in each window."""
        starts, stops = (self.values.like(np.array(side)[:, None]) for side in zip(*spans, strict=True))
        inside = (self.places >= starts) & (self.places < stops)
        return Windowed(self.values.wider(2), self.known.wider(2) & inside, self.places)


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
        return self.known.number().total()

    def empty(self) -> Tensor:
        """bool [N, S, K]: no step is known."""
        return self.count().equals(0)

    def varies(self) -> Tensor:
        """bool [N, S, K]: two known steps differ. Exact, which a deviation of nearly 0 is not."""
        far = self._unknown() * _FAR
        return (self.values - far).largest() > (self.values + far).smallest()

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
        graph = self.values.graph
        steps = graph.add("Shape", self.places.name)
        shown = self.values + self._unknown() * _FAR
        ascending, _ = graph.add_many("TopK", (shown.name, steps), outputs=2, axis=-1, largest=0, sorted=1)
        ordered, count = Tensor(graph, ascending), self.count()
        lower = _picked(ordered, ((count - 1) / 2).apply("Max", 0.0))
        upper = _picked(ordered, count / 2)
        return self._unless_empty((lower + upper) / 2)

    def slope(self) -> Tensor:
        """The least squares slope per step; 0 where nothing varies."""
        weight, count = self.known.number(), self.count().apply("Max", 1.0)
        mean = (weight * self.places).total() / count
        offset = (mean.wider(-1) - self.places) * weight
        spread = (offset * offset).total()
        along = (offset * self._centred()).total()
        return self._unless_empty(self.varies().where(along / spread.equals(0).where(1, spread), 0))

    def rate(self) -> Tensor:
        """Newest known less oldest known, over the steps between them; 0 where they are one."""
        graph = self.values.graph
        known, every = self.known.number(), self._known_values()
        newest = Tensor(graph, graph.add("ArgMax", known.name, axis=-1, keepdims=0)).number()
        oldest = Tensor(graph, graph.add("ArgMax", known.name, axis=-1, keepdims=0, select_last_index=1)).number()
        change = _picked(every, newest) - _picked(every, oldest)
        return self._unless_empty(change / (oldest - newest).apply("Max", 1.0))

    def _known_values(self) -> Tensor:
        """[N, S, K, w]: 0 where not known in the window."""
        return self.values * self.known.number()

    def _unknown(self) -> Tensor:
        return self.known.apply("Not").number()

    def _mean(self) -> Tensor:
        return self._known_values().total() / self.count().apply("Max", 1.0)

    def _centred(self) -> Tensor:
        return (self.values - self._mean().wider(-1)) * self.known.number()

    def _moment(self, power: int) -> Tensor:
        centred = self._centred()
        square = centred * centred
        powers = {2: square, 3: square * centred, 4: square * square}
        return powers[power].total() / self.count().apply("Max", 1.0)

    def _standardised(self, power: int) -> Tensor:
        deviation = self.varies().where(self._moment(2).apply("Sqrt"), 1)
        square = deviation * deviation
        scale = square * deviation if power == 3 else square * square
        return self._unless_empty(self.varies().where(self._moment(power) / scale, 0))

    def _unless_empty(self, values: Tensor) -> Tensor:
        return self.empty().where(np.nan, values)


def _gathered(graph: GraphBuilder, steps: list[int], lengths: str, places: str) -> Tensor:
    """float32 [N, S, w]: the steps at ``places``; a place before the first step holds the first."""
    sequence = graph.add("Gather", "sequence", graph.constant(steps, np.int64), axis=2)
    last = graph.add("Sub", lengths, graph.constant(1, np.int64))
    index = graph.add("Max", graph.add("Sub", last, places), graph.constant(0, np.int64))
    rows = graph.add("GatherND", sequence, Tensor(graph, index).wider(2).name, batch_dims=1)
    return Tensor(graph, graph.add("Transpose", rows, perm=[0, 2, 1]))


def _picked(values: Tensor, places: Tensor) -> Tensor:
    """[N, S, K, w] at double [N, S, K] places, cut off -> [N, S, K]."""
    index = places.whole().wider(-1)
    graph = values.graph
    return Tensor(graph, graph.add("GatherElements", values.name, index.name, axis=-1)).narrower(-1)
