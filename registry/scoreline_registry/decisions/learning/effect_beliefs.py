"""What is believed of the effects of actions: learned posteriors, priors before them, and constants. Pure."""

import math

from scoreline_registry.decisions.actions import Action, LearnedEffect
from scoreline_registry.decisions.learning.thompson import NormalPosterior
from scoreline_registry.decisions.policy_state import EffectsState

_SPREAD_OF_A_CASE = 0.5
"""The standard deviation of one yes-or-no outcome is this at the most."""


def prior_of(learned: LearnedEffect) -> NormalPosterior:
    """What is believed of an effect before any outcome: as its ``weight`` cases would have taught.

    The spread of one case is that of an outcome of yes or no, or the size of the effect where that is larger.
    """
    start = learned.reduces if learned.reduces is not None else learned.changes or 0.0
    return NormalPosterior(start, max(_SPREAD_OF_A_CASE, abs(start)) / math.sqrt(learned.weight))


def believed_effect(name: str, action: Action, state: EffectsState | None) -> NormalPosterior | None:
    """The share or change that an action's effect is believed to be; None for an uplift model and without effect."""
    effect = action.effect
    if effect is None or effect.uplift is not None:
        return None
    if effect.learned is None:
        return NormalPosterior(effect.reduces if effect.reduces is not None else effect.changes or 0.0)
    learned = state.effects.get(name) if state else None
    return prior_of(effect.learned) if learned is None else NormalPosterior(learned.mean, learned.spread)


def is_share_of_score(action: Action) -> bool:
    """Whether the effect of an action is a share of the score, instead of a change of its own."""
    effect = action.effect
    if effect is None:
        return False
    return effect.reduces is not None or (effect.learned is not None and effect.learned.reduces is not None)
