"""Logged decisions with what another policy would do in each, and whether the log supports that."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Integers = npt.NDArray[np.integer[Any]]
Bool = npt.NDArray[np.bool_]

_ROUNDING = 1e-6


class NoSupportError(ValueError):
    """The log never takes an action where the other policy would: nothing in it says what that is worth.

    ``action`` is the one with the most such probability, ``share`` the share of decisions that the other policy would
    give to actions without support, 0 to 1.
    """

    def __init__(self, action: str, share: float, *, never: bool) -> None:
        self.action, self.share, self.never = action, share, never
        where = "" if never else " in such decisions"
        super().__init__(
            f"the policy would take {action!r}, which the log never takes{where}: {share:.2%} of its decisions have no"
            " support; let the policy that runs explore that action, or evaluate the supported decisions alone"
        )


@dataclass(frozen=True, slots=True, eq=False)
class LoggedDecisions:
    """N decisions of the policy that ran among A actions, and the probabilities of the policy to evaluate.

    Raises ValueError where shapes or numbers are not as stated.

    Attributes:
        actions: the names of the actions.
        taken: [N] the action that was taken, an index into ``actions``.
        rewards: [N] what it was worth, its cost taken off.
        propensities: [N] the probability with which it was taken, above 0 and at most 1.
        targets: [N, A] the probabilities of the policy to evaluate; rows total 1.
        logging: [N, A] all probabilities of the policy that ran, None where only those of the taken action are known.
        units: [N] whose decision it is; decisions of one unit may depend on each other. None where none do.
    """

    actions: Sequence[str]
    taken: Integers
    rewards: Float64
    propensities: Float64
    targets: Float64
    logging: Float64 | None = None
    units: Integers | None = None

    def __post_init__(self) -> None:
        count, width = len(self.taken), len(self.actions)
        for name, shape in (("rewards", (count,)), ("propensities", (count,)), ("targets", (count, width)),
                            ("logging", (count, width)), ("units", (count,))):  # fmt: skip
            values = getattr(self, name)
            if values is not None and values.shape != shape:
                raise ValueError(f"{name} of {count} decisions have the shape {shape}, not {values.shape}")
        if count and not 0 <= self.taken.min() <= self.taken.max() < width:
            raise ValueError(f"taken actions are indices from 0 to {width - 1}")
        if not np.isfinite(self.rewards).all():
            raise ValueError("rewards are finite numbers")
        if not ((self.propensities > 0) & (self.propensities <= 1 + _ROUNDING)).all():
            raise ValueError("propensities are above 0 and at most 1")
        _check_probabilities("targets", self.targets)
        if self.logging is not None:
            _check_probabilities("logging probabilities", self.logging)

    def __len__(self) -> int:
        return len(self.taken)

    @property
    def weights(self) -> Float64:
        """[N] the importance weights: how much likelier the other policy takes the taken action."""
        weights: Float64 = self.targets[np.arange(len(self)), self.taken] / self.propensities
        return weights

    @property
    def is_supported(self) -> Bool:
        """[N] the decisions in which the log could have taken every action that the other policy may take."""
        return np.asarray(~(self._unsupported() > 0).any(axis=1))

    def check_support(self) -> None:
        """Raises NoSupportError where the other policy may take an action that the log could not have taken."""
        missing = self._unsupported()
        total = float(missing.sum(axis=1).mean()) if len(self) else 0.0
        if total > 0:
            worst = int(missing.sum(axis=0).argmax())
            raise NoSupportError(self.actions[worst], total, never=not (self.taken == worst).any())

    def among(self, chosen: Bool) -> "LoggedDecisions":
        """The decisions with a true flag of [N]."""
        return replace(
            self,
            taken=self.taken[chosen],
            rewards=self.rewards[chosen],
            propensities=self.propensities[chosen],
            targets=self.targets[chosen],
            logging=None if self.logging is None else self.logging[chosen],
            units=None if self.units is None else self.units[chosen],
        )

    def _unsupported(self) -> Float64:
        """[N, A] the other policy's probability of actions that the log could not have taken.

        Without all probabilities of the log it is known of actions that are never taken at all, and of decisions whose
        action was certain.
        """
        if self.logging is not None:
            missing: Float64 = np.where(self.logging > 0, 0.0, self.targets)
            return missing
        possible = np.bincount(self.taken, minlength=len(self.actions)) > 0
        allowed = np.broadcast_to(possible, self.targets.shape).copy()
        certain = np.flatnonzero(self.propensities >= 1 - _ROUNDING)
        allowed[certain] = False
        allowed[certain, self.taken[certain]] = True
        known: Float64 = np.where(allowed, 0.0, self.targets)
        return known


def _check_probabilities(name: str, values: Float64) -> None:
    if not (values >= 0).all() or not np.allclose(values.sum(axis=1), 1.0, atol=_ROUNDING):
        raise ValueError(f"{name} are at least 0 and total 1 in each decision")
