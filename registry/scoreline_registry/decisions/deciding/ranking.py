"""The order in which the candidates of a rule are tried: by expected value, with exploration. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scoreline_registry.decisions.actions import NO_ACTION
from scoreline_registry.decisions.deciding.odds import CERTAIN, Odds
from scoreline_registry.decisions.deciding.proposal import Candidate
from scoreline_registry.decisions.deciding.values import DOING_NOTHING, ValuedAction
from scoreline_registry.decisions.facts import Facts
from scoreline_registry.decisions.learning.thompson import KNOWN_ZERO, shares
from scoreline_registry.decisions.strategies import Exploration


@dataclass(frozen=True, slots=True)
class Ranking:
    """Candidates in the order in which they are tried, and the law of that order."""

    candidates: tuple[Candidate, ...]
    odds: Odds


def rank_fixed(candidate: Candidate | None) -> Ranking:
    """The action that a rule names, and "none" where it cannot be taken; None for no action."""
    if candidate is None:
        return Ranking((DOING_NOTHING.ranked(1.0),), CERTAIN)
    return Ranking((candidate.ranked(1.0), DOING_NOTHING), CERTAIN.with_last_resort())


def odds_by_value(
    candidates: Sequence[Candidate], explore: Exploration | None, actions: Mapping[str, ValuedAction], facts: Facts
) -> Odds:
    """The law by which candidates are ranked, numbered as they are given.

    Candidates of equal value keep their order. "none", where it is the last one, comes before those of its value, 0:
    what is worth nothing is not done.
    """
    values = [candidate.expected_value or 0.0 for candidate in candidates]
    is_none = [candidate.action == NO_ACTION for candidate in candidates]
    by_value = tuple(sorted(range(len(candidates)), key=lambda place: (-values[place], not is_none[place], place)))
    if explore is None:
        return Odds(by_value)
    explored = frozenset(place for place, each in enumerate(candidates) if each.action in explore.among)
    if explore.by == "uniform":
        return Odds(by_value, explored=explored, share=explore.share)
    if not explored:
        return Odds(by_value)
    return Odds(by_value, weights=_thompson(candidates, explored, explore.floor, actions, facts))


def rank(candidates: Sequence[Candidate], odds: Odds, numbers: Sequence[float], *, always: bool) -> Ranking:
    """The candidates in the order that uniform numbers draw, each with its propensity to be the first.

    ``always`` says that "none" is no candidate: it is then added as the last one, for the case that limits refuse all.
    """
    if not candidates:
        return rank_fixed(None)
    order = odds.ranked(numbers)
    propensities = odds.without()
    ranked = [candidates[place].ranked(propensities[place]) for place in order]
    renumbered = odds.renumbered(order)
    if always:
        return Ranking((*ranked, DOING_NOTHING), renumbered.with_last_resort())
    return Ranking(tuple(ranked), renumbered)


def _thompson(
    candidates: Sequence[Candidate],
    explored: frozenset[int],
    floor: float,
    actions: Mapping[str, ValuedAction],
    facts: Facts,
) -> tuple[float, ...]:
    """The chance of each to be the best, mixed so that each explored one has at least the floor."""
    beliefs = [
        KNOWN_ZERO if each.action == NO_ACTION else actions[each.action].belief(each, facts) for each in candidates
    ]
    # Of the values that are known only the highest can win; with one that is learned that has a closed form.
    highest = max((belief.mean for belief in beliefs if not belief.spread), default=0.0)
    racing = [place for place, belief in enumerate(beliefs) if belief.spread or belief.mean == highest]
    weights = [floor if place in explored else 0.0 for place in range(len(candidates))]
    left = 1 - floor * len(explored)
    for place, chance in zip(racing, shares([beliefs[place] for place in racing]), strict=True):
        weights[place] += left * chance
    return tuple(weights)
