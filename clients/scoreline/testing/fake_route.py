"""A route whose scores a test can compute by hand."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

Weight = float | Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class FakeRoute:
    """Scores are 1 / (1 + exp(-(bias + the weights of what was sent))).

    ``FakeRoute.constant(0.8, "visits")`` is the same score for everyone.

    Attributes:
        weights: what each feature adds. A number is multiplied by its weight; a category has a weight for each of its
            names. What is missing, or a name that is not there, adds nothing.
        bias: what is added for everyone.
        required: features that must be sent; an entity without one fails as it would in production.
        bands: the lowest score of each band, ascending.

    Raises:
        ValueError: for a weight, a bias or a band that is not finite, or a required feature without a weight.
    """

    weights: Mapping[str, Weight] = field(default_factory=dict)
    bias: float = 0.0
    required: Collection[str] = ()
    bands: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks what the registry would refuse with a less specific message."""
        if not self.weights:
            raise ValueError("a route needs a feature: weights={'income': 0.0}")
        for name, weight in self.weights.items():
            single = list(weight.values()) if isinstance(weight, Mapping) else [weight]
            if not single or not all(map(_is_finite, single)):
                raise ValueError(f"the weight of {name!r} must be a finite number, or one for each of its names")
        if not all(map(_is_finite, (self.bias, *self.bands.values()))):
            raise ValueError("the bias and the score of every band must be finite numbers")
        if isinstance(self.required, str):
            raise ValueError(f"required takes a list of names: [{self.required!r}]")  # noqa: TRY004  as for all else here
        if unknown := set(self.required) - set(self.weights):
            raise ValueError(f"required, but without a weight: {', '.join(sorted(unknown))}")

    @classmethod
    def constant(cls, score: float, *features: str) -> "FakeRoute":
        """A route that gives every entity the same score, between 0 and 1; its features are these numbers."""
        if not 0 < score < 1:
            raise ValueError(f"a score lies between 0 and 1, not at {score}")
        return cls(weights=dict.fromkeys(features, 0.0), bias=math.log(score / (1 - score)))

    def score(self, features: Mapping[str, float | str | None]) -> float:
        """What the server will answer for an entity, to float32. Raises ValueError for a feature that is not there."""
        if unknown := features.keys() - self.weights.keys():
            raise ValueError(f"the route has no feature {', '.join(sorted(unknown))}")
        logit = self.bias + sum(self._added(name, value) for name, value in features.items())
        # Of the smaller side, since exp of the other overflows.
        small = math.exp(-abs(logit))
        return 1 / (1 + small) if logit >= 0 else small / (1 + small)

    def _added(self, name: str, value: float | str | None) -> float:
        weight = self.weights[name]
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return 0.0
        return weight.get(str(value), 0.0) if isinstance(weight, Mapping) else weight * float(value)


def _is_finite(number: object) -> bool:
    return isinstance(number, int | float) and math.isfinite(number)
