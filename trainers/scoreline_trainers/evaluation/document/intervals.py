"""A figure with its interval, and points of a curve. Values only."""

from scoreline_registry.documents.base import FrozenModel


class Interval(FrozenModel):
    """A figure with its 95 % interval; ``low`` and ``high`` are None where there is no interval.

    ``method`` names the interval: "DeLong", "Wilson", "bootstrap" and so on.
    """

    value: float
    low: float | None = None
    high: float | None = None
    method: str = ""


class Curve(FrozenModel):
    """Points of a curve in drawing order, at most 200; ``cuts`` are their scores, None where a point has no cut.

    ROC: ``x`` is the false positive rate, ``y`` the true positive rate. Precision and recall: ``x`` is recall, ``y``
    precision. Profit: ``x`` is the cut, ``y`` the mean profit of a row.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    cuts: tuple[float | None, ...] = ()
