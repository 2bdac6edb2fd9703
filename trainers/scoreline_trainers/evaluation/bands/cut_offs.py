"""Bands of a score with cut-offs chosen on validation rows."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Discriminator, Field, Tag, model_validator

from scoreline_registry.documents.contract import Band, FeatureName
from scoreline_trainers.data.batch import Float64
from scoreline_trainers.data.columns import Spec
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import DataError
from scoreline_trainers.evaluation.bands.summary import BandSummary
from scoreline_trainers.evaluation.binary.pooling import pooled
from scoreline_trainers.evaluation.metrics import Label

Cuts = dict[FeatureName, float]


class QuantileBands(Spec):
    """Every band holds its share of the validation rows; ``shares`` are in ascending order of score and total 1."""

    choose: Literal["quantiles"]
    shares: Cuts = Field(min_length=2)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if min(self.shares.values()) <= 0 or abs(sum(self.shares.values()) - 1) > 1e-9:
            raise ValueError("'shares' are above 0 and total 1")
        return self

    def cuts(self, label: Label, score: Float64) -> Cuts:
        """Where each band starts; the first at 0, or as far below the lowest score as the highest is above it."""
        del label
        below = np.cumsum(list(self.shares.values()))[:-1]
        first = 0.0 if score.min() >= 0 else float(2 * score.min() - score.max())
        return _ascending(tuple(self.shares), [first, *np.quantile(score, below).tolist()])


class RateBands(Spec):
    """A band starts at the lowest score from which rows have at least its rate of label 1.

    ``rates`` ascend from 0. The rate at a score is that of the isotonic regression of the label on the score.
    """

    choose: Literal["rates"]
    rates: Cuts = Field(min_length=2)

    @model_validator(mode="after")
    def _rising(self) -> Self:
        rates = list(self.rates.values())
        if rates != sorted(set(rates)) or rates[0] != 0 or rates[-1] > 1:
            raise ValueError("'rates' ascend from 0 and stay below 1")
        return self

    def cuts(self, label: Label, score: Float64) -> Cuts:
        """Where each band starts; the first at 0."""
        pools = pooled(label, score)
        starts = [0.0]
        for name, rate in list(self.rates.items())[1:]:
            reached = pools.start[pools.rate >= rate]
            if not len(reached):
                highest = f"{pools.rate[-1]:.3g}"
                raise DataError(
                    "", f"no score of the validation rows has a rate of {rate:g} (band {name!r}): {highest}"
                )
            starts.append(float(reached[0]))
        return _ascending(tuple(self.rates), starts)


def summarize_bands(bands: Sequence[Band], validation: Dataset, score: Float64) -> tuple[BandSummary, ...]:
    """The rows of each band; those below the first band are in none."""
    band_of = np.searchsorted([band.from_score for band in bands], score, side="right") - 1
    found = []
    for place, band in enumerate(bands):
        label = validation.outcome[band_of == place]
        has_rate = validation.labelled and validation.task != "regression" and len(label)
        rate = round(float(label.mean()), 4) if has_rate else None
        found.append(BandSummary(band.name, band.from_score, len(label), rate))
    return tuple(found)


def _way(bands: object) -> str:
    choose = bands.get("choose") if isinstance(bands, dict) else getattr(bands, "choose", None)
    if isinstance(choose, str):
        return "rates" if choose == "rates" else "quantiles"
    return "cuts"


Bands = Annotated[
    Annotated[Cuts, Tag("cuts")] | Annotated[QuantileBands, Tag("quantiles")] | Annotated[RateBands, Tag("rates")],
    Discriminator(_way),
]


def _ascending(names: tuple[str, ...], starts: list[float]) -> Cuts:
    """Cut-offs rounded to four digits. Raises DataError where two bands would start at one score."""
    cuts = [float(f"{start:.4g}") for start in starts]
    for index in range(1, len(cuts)):
        if cuts[index] <= cuts[index - 1]:
            both = f"{names[index - 1]!r} and {names[index]!r}"
            raise DataError("", f"the bands {both} would both start at a score of {cuts[index]:g}: make them one")
    return dict(zip(names, cuts, strict=True))
