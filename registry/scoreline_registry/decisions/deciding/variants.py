"""Which variant of a message a case gets: by the unit's bucket, or drawn by what was learned of the variants. Pure."""

from bisect import bisect_right
from dataclasses import replace
from operator import itemgetter

from scoreline_registry.decisions.deciding.proposal import Candidate, Case
from scoreline_registry.decisions.deciding.randomness import KeyedRandom
from scoreline_registry.decisions.learning.thompson import Belief, BetaPosterior, drawn, shares
from scoreline_registry.decisions.message_texts import ActionMessages
from scoreline_registry.decisions.policy_state import EffectsState, VariantCounts
from scoreline_registry.routing.bucketing import WHOLE, UnitHasher

_UNKNOWN = VariantCounts()


class VariantChoice:
    """The variants of the messages of one action."""

    def __init__(self, salt: str, action: str, messages: ActionMessages, state: EffectsState | None) -> None:
        self._names = [variant.name for variant in messages.variants]
        self._by_bucket = messages.by == "bucket"
        self._hasher = UnitHasher(variant_salt(salt, action))
        self._random = KeyedRandom(variant_salt(salt, action))
        pieces = sorted(
            ((part.start, place) for place, variant in enumerate(messages.variants) for part in variant.ranges),
            key=itemgetter(0),
        )
        self._starts = [start / WHOLE for start, _ in pieces]
        self._owners = [place for _, place in pieces]
        self._propensities = (
            [1.0] * len(self._names) if self._by_bucket else _by_counts(self._names, action, messages.floor, state)
        )

    def chosen(self, candidate: Candidate, case: Case) -> Candidate:
        """The candidate with the variant of its message, and the probability with which that was drawn."""
        if len(self._names) == 1:
            return candidate if not self._names[0] else replace(candidate, variant=self._names[0])
        place = self._place(case)
        return replace(candidate, variant=self._names[place], variant_propensity=self._propensities[place])

    def _place(self, case: Case) -> int:
        if self._by_bucket:
            return self._owners[bisect_right(self._starts, self._hasher.bucket(case.unit)) - 1]
        return drawn(self._propensities, self._random.numbers(case.decision_id, 1)[0])


def variant_salt(salt: str, action: str) -> str:
    """The salt of the variants of an action's messages; distinct from every layer's, whose names have no slash."""
    return f"{salt}/variant/{action}"


def _by_counts(names: list[str], action: str, floor: float, state: EffectsState | None) -> list[float]:
    counts = state.variants.get(action, {}) if state else {}
    found = [counts.get(name, _UNKNOWN) for name in names]
    return list(shares([Belief(BetaPosterior(each.successes, each.failures)) for each in found], floor=floor))
