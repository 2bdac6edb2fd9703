"""Category columns and limits of a contract's features."""

import math
from collections.abc import Sequence

from scoreline_registry.documents.contract import Feature


def category_columns(features: Sequence[Feature]) -> tuple[int, ...]:
    """The indices of the categories among the columns of ``features``."""
    return tuple(index for index, feature in enumerate(features) if feature.kind == "category")


def limits(feature: Feature) -> tuple[float, float]:
    """The lower and upper limit that a number is clipped to; infinite where the contract has none."""
    low = -math.inf if feature.min is None else feature.min
    return low, math.inf if feature.max is None else feature.max
