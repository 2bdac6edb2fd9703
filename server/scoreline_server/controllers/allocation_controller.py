"""Publishes new weights of the arms of allocations from outcomes, each period: Thompson sampling with a floor."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import structlog

from scoreline_registry.errors import ConflictError, RefusedError
from scoreline_registry.history.snapshot import Snapshot
from scoreline_registry.history.weight_moves import Reallocate
from scoreline_registry.registry import Registry
from scoreline_registry.routing.allocation import Allocation, ArmEvidence
from scoreline_registry.routing.bucketing import WHOLE
from scoreline_registry.routing.experiment import Metric
from scoreline_registry.routing.reallocation import weights_of
from scoreline_registry.routing.route import RouteDocument
from scoreline_registry.statistics.experiments.allocation import best_of_means, best_of_rates, with_floor
from scoreline_registry.statistics.figures import TooFew
from scoreline_registry.statistics.moments import Moments
from scoreline_server.controllers.counting import Counting, Uncounted
from scoreline_server.controllers.outcome_samples import OutcomeQuery, Samples, outcome_samples

_log = structlog.get_logger()

AUTHOR = "allocation controller"


@dataclass(frozen=True, slots=True)
class ArmShare:
    """What one arm's outcomes say: its moments, and its chance to be the best arm."""

    arm: str
    sample: Moments
    chance: float


class AllocationController:
    """Looks at every allocation of a registry. For one thread."""

    def __init__(
        self,
        registry: Registry,
        folders: Sequence[Path],
        *,
        author: str = AUTHOR,
        counting: Counting = Uncounted(),  # noqa: B008 - without state
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``folders`` are those of the journals and outcomes, one per host; ``monotonic`` never jumps."""
        self._registry, self._folders, self._author = registry, tuple(folders), author
        self._counting, self._monotonic = counting, monotonic
        self._next: dict[str, float] = {}

    def look(self) -> list[str]:
        """Looks once at each allocation whose period is over; the routes that got new weights.

        Raises RegistryError and OSError when the registry or a journal cannot be read; nothing has changed then.
        """
        snapshot = self._registry.latest()
        due = [document for document in snapshot.routes.values() if self._is_due(document)]
        return [document.route for document in due if self._reallocate(document, snapshot)]

    def _is_due(self, document: RouteDocument) -> bool:
        """Whether a period is over, by the last change and by this controller's own last look."""
        allocate, state = document.allocate, document.allocation_state
        if allocate is None or self._monotonic() < self._next.get(document.route, 0.0):
            return False
        elapsed = (self._registry.now() - state.changed_at).total_seconds() if state else allocate.every_seconds
        return elapsed >= allocate.every_seconds

    def _reallocate(self, document: RouteDocument, snapshot: Snapshot) -> bool:
        """Gives a route the weights that its outcomes ask for; whether they are new and this controller set them."""
        allocate, experiment = document.allocate, document.experiment
        if allocate is None or experiment is None:
            return False
        self._next[document.route] = self._monotonic() + allocate.every_seconds
        query = OutcomeQuery(self._folders, document.route, experiment, allocate.metric)
        arms = [arm.ref for arm in document.rules[-1].arms]
        shares = shares_of(outcome_samples(query), arms, query.planned)
        if isinstance(shares, TooFew):
            _log.info("too few outcomes to allocate by", route=document.route, count=shares.count, needed=shares.needed)
            return False
        change = Reallocate(document.route, weights(shares, allocate), tuple(_evidence(share) for share in shares))
        try:
            done = self._registry.commit(
                change,
                author=self._author,
                message=_message(allocate, shares),
                if_match=snapshot.route_digests[document.route],
            )
        except (ConflictError, RefusedError) as error:
            _log.info("weights not changed, the route changed meanwhile", route=document.route, reason=str(error))
            return False
        if done.written:
            self._counting.reallocated(document.route)
            _log.info("weights changed", route=document.route, revision=done.revision, weights=dict(change.weights))
        return done.written


def shares_of(samples: Samples, arms: Sequence[str], metric: Metric) -> list[ArmShare] | TooFew:
    """The chance of each arm to be the best, as if all had met the periods of equal shares in the same proportions.

    Weights that follow outcomes make plain means of the arms compare times as well as arms: each period counts with its
    number of units, in every arm (post-stratification). Periods in which an arm has fewer than two units are left out.
    A rate over one period is exact (beta posteriors), all else is normal.
    """
    used = [period for period in samples if all(period.get(arm, Moments()).count > 1 for arm in arms)]
    found = [_standardised(used, arms, arm) for arm in arms]
    sign = 1.0 if metric.direction == "increase" else -1.0
    if metric.kind == "rate" and len(used) <= 1:
        counts = [(round(sample.count * sample.mean), sample.count) for sample in found]
        wins = [(k if sign > 0 else n - k, n) for k, n in counts]
        chances = best_of_rates(wins)
    else:
        signed = [Moments(sample.count, sign * sample.mean, sample.squares) for sample in found]
        best = best_of_means(signed)
        if isinstance(best, TooFew):
            return best
        chances = best
    return [ArmShare(arm, sample, chance) for arm, sample, chance in zip(arms, found, chances, strict=True)]


def weights(shares: Sequence[ArmShare], allocate: Allocation) -> dict[str, int]:
    """The millionths of each arm: the chances to be best, mixed so that each has the floor."""
    floor = allocate.floor_millionths
    floored = with_floor([share.chance for share in shares], floor / WHOLE)
    return weights_of({share.arm: part for share, part in zip(shares, floored, strict=True)}, floor_millionths=floor)


def _standardised(periods: Samples, arms: Sequence[str], arm: str) -> Moments:
    """One arm's mean over periods weighed by their units, as moments with the variance of that mean."""
    if len(periods) == 1:
        return periods[0][arm]
    units = [sum(period[each].count for each in arms) for period in periods]
    total = sum(units)
    count = sum(period[arm].count for period in periods)
    if not total:
        return Moments()
    parts = [(size / total, period[arm]) for size, period in zip(units, periods, strict=True)]
    mean = sum(weight * sample.mean for weight, sample in parts)
    variance = sum(weight**2 * sample.variance_of_mean for weight, sample in parts)
    return Moments(count, mean, variance * count * (count - 1))


def _evidence(share: ArmShare) -> ArmEvidence:
    mean = share.sample.mean
    return ArmEvidence(
        arm=share.arm,
        count=share.sample.count,
        mean=mean if isfinite(mean) else None,
        chance_best=min(max(share.chance, 0.0), 1.0),
    )


def _message(allocate: Allocation, shares: Sequence[ArmShare]) -> str:
    """Such as "weights by metric conversion" and a line per arm."""
    lines = [
        f"{share.arm}: {share.sample.mean:.4g} of {share.sample.count} units, best with a chance of {share.chance:.3g}"
        for share in shares[:20]
    ]
    return "\n".join([f"weights by metric {allocate.metric}", *lines])
