"""Figures of a report as text."""

from collections.abc import Iterable, Mapping
from typing import Any

from scoreline_trainers.evaluation.document import Interval

_FIRST = frozenset({"kind", "choose", "family", "python"})
_METRICS = (
    "auc", "average_precision", "ks", "gini", "brier", "log_loss", "ece_20_equal_mass", "ece_10_equal_mass", "mae",
    "rmse", "r2",
)  # fmt: skip
_UNITS = ("bytes", "KB", "MB", "GB")


def number(value: float | None, digits: int = 4) -> str:
    """Four decimals for figures between -10 and 10, fewer for larger ones; "-" for None."""
    if value is None:
        return "-"
    return f"{value:.{digits}f}" if abs(value) < 10 else f"{value:,.{2 if abs(value) < 1000 else 0}f}"


def short(value: float) -> str:
    """Four significant digits, with commas between thousands."""
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def percent(share: float | None) -> str:
    """One decimal; "-" for None."""
    return "-" if share is None else f"{share:.1%}"


def interval(found: Interval | None, *, as_percent: bool = False) -> str:
    """The figure with its 95 % interval in parentheses, where it has one."""
    if found is None:
        return "-"
    text = percent if as_percent else number
    if found.low is None or found.high is None:
        return text(found.value)
    return f"{text(found.value)} ({text(found.low)} to {text(found.high)})"


def seconds(value: float | None) -> str:
    """Seconds, or minutes from two of them on."""
    if value is None:
        return "-"
    return f"{value:.1f} s" if value < 120 else f"{value / 60:.1f} min"


def size(count: float | None) -> str:
    """Bytes in the largest unit that gives at least one."""
    if count is None:
        return "-"
    place = 0
    while count >= 1024 and place < len(_UNITS) - 1:
        count, place = count / 1024, place + 1
    return f"{count:,.0f} {_UNITS[place]}" if place in (0, 1) else f"{count:,.1f} {_UNITS[place]}"


def plain(value: object) -> str:
    """A recipe's value in one line: "kind random, fraction 0.2"."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {plain(item)}" for key, item in in_order(value) if item is not None) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(plain(item) for item in value) or "none"
    return "none" if value is None else str(value)


def in_order(mapping: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The entries by name, what says the kind of the others first: stored manifests keep no other order."""
    return sorted(mapping.items(), key=lambda item: (item[0] not in _FIRST, item[0]))


def metrics_in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once: the ones that are asked for first, then all others in their own order."""
    return tuple(sorted(dict.fromkeys(names), key=lambda name: (*_METRICS, name).index(name)))


def options(config: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The options of a family with their values; those of an ensemble's members one by one."""
    rows: list[tuple[str, str]] = []
    for name, value in in_order(config):
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            rows += [(f"{name}[{place}]", plain(item)) for place, item in enumerate(value)]
        else:
            rows.append((name, plain(value)))
    return tuple(rows)
