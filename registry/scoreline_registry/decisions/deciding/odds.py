"""The probabilities by which candidates are ranked, and what is left of them where limits refuse some. Pure.

A ranking is a random order. Its first candidate that no limit refuses is taken, so the propensity to journal is the
probability that a candidate comes before all others that are not refused. Both ways to rank have it in closed form:

- the candidates in the order of their value, but for a share of decisions, in which one of the explored candidates,
  each as likely as the others, comes first;
- drawn one after another without replacement, each time in proportion to the weights (Plackett, Applied Statistics 24,
  1975): by Luce's axiom a candidate comes first of any subset in proportion to the weights of that subset.
"""

import math
import operator
from collections.abc import Collection, Sequence
from dataclasses import dataclass

_NONE_REFUSED: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Odds:
    """The law of a ranking over candidates that are numbered in the order in which they were ranked.

    Attributes:
        by_value: the candidates from the highest value to the lowest.
        weights: of Plackett's law, one per candidate; empty for the order of values.
        explored: the candidates that a ``share`` of decisions, 0 to 1, tries first.
    """

    by_value: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()
    explored: frozenset[int] = frozenset()
    share: float = 0.0

    @property
    def are_drawn(self) -> bool:
        """Whether the order is random."""
        return bool(self.weights) or (self.share > 0 and bool(self.explored))

    def without(self, refused: Collection[int] = _NONE_REFUSED) -> list[float]:
        """The probability of each candidate to come before all others that are not refused; they total 1.

        All are 0 where every candidate is refused.
        """
        left = [place for place in self.by_value if place not in refused]
        found = [0.0] * len(self.by_value)
        if not left:
            return found
        total = math.fsum(self.weights[place] for place in left) if self.weights else 0.0
        if total > 0:
            for place in left:
                found[place] = self.weights[place] / total
            return found
        each = self.share / len(self.explored) if self.explored else 0.0
        tried = [place for place in left if place in self.explored]
        for place in tried:
            found[place] = each
        found[left[0]] += 1 - each * len(tried)
        return found

    def ranked(self, numbers: Sequence[float]) -> list[int]:
        """The candidates in an order of this law, drawn by uniform numbers in (0, 1): one more than candidates."""
        if self.weights:
            return self._drawn(numbers)
        order = list(self.by_value)
        if self.explored and numbers[0] < self.share:
            explored = sorted(self.explored)
            first = explored[int(numbers[1] * len(explored))]
            order.remove(first)
            order.insert(0, first)
        return order

    def renumbered(self, order: Sequence[int]) -> "Odds":
        """The same law with the candidates numbered in another order: number i is what was ``order[i]``."""
        place = {before: now for now, before in enumerate(order)}
        return Odds(
            tuple(place[each] for each in self.by_value),
            tuple(self.weights[each] for each in order) if self.weights else (),
            frozenset(place[each] for each in self.explored),
            self.share,
        )

    def with_last_resort(self) -> "Odds":
        """The same law with one more candidate, that is taken where all others are refused."""
        weights = (*self.weights, 0.0) if self.weights else ()
        return Odds((*self.by_value, len(self.by_value)), weights, self.explored, self.share)

    def _drawn(self, numbers: Sequence[float]) -> list[int]:
        """By a race of exponential times, in which a candidate arrives at the rate of its weight."""
        racing = [place for place in self.by_value if self.weights[place] > 0]
        arrivals = [(-math.log(numbers[place + 1]) / self.weights[place], place) for place in racing]
        arrivals.sort(key=operator.itemgetter(0))
        return [place for _, place in arrivals] + [place for place in self.by_value if self.weights[place] <= 0]


CERTAIN = Odds((0,))
"""One candidate."""
