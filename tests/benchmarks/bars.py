"""What the figures of a run must reach, as a table of ratios. Pure: figures in, rows out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.clients import CALLERS
from tests.benchmarks.overload import OVERLOADED, PEAK
from tests.benchmarks.pace import AGAIN
from tests.benchmarks.steadiness import LOADING, QUIET, SHADOW
from tests.benchmarks.throughput import OURS

_STALL_MS = 10.0
_WANDERS = 1.15


@dataclass(frozen=True)
class Bar:
    """One row.

    Attributes:
        what: what is compared with what.
        required: what must be reached; None where nothing must.
        aim: what is aimed at.
        seen: what was seen; None where it was not measured.
        again: the same server against itself in the same run; how far it is from 1 is how far to trust ``seen``.
        at_least: whether more is better.
        unit: behind the number.
    """

    what: str
    required: float | None
    aim: float
    seen: float | None
    again: float | None = None
    at_least: bool = True
    unit: str = "x"

    @property
    def verdict(self) -> str:
        """How it went, in a word."""
        if self.seen is None:
            return "not measured"
        if self._reaches(self.aim):
            return "aim reached"
        if self.required is None:
            return "short of the aim"
        return "reached" if self._reaches(self.required) else "MISSED"

    @property
    def is_noisy(self) -> bool:
        """Whether the same server differed so much from itself that the verdict says little."""
        return self.again is not None and not 1 / _WANDERS < self.again < _WANDERS

    def _reaches(self, level: float) -> bool:
        assert self.seen is not None
        return self.seen >= level if self.at_least else self.seen <= level


def bars(figures: Mapping[str, Any]) -> list[Bar]:
    """Every row, whether or not it was measured."""
    return [
        *_throughput(figures), *_latency(figures), *_clients(figures), *_steadiness(figures), *_overload(figures),
        *_many(figures),
    ]  # fmt: skip


def _throughput(figures: Mapping[str, Any]) -> Sequence[Bar]:
    rate = _Ratio(figures, "others", "servers", field=("32", "per_second"))
    rows = [("MLServer", 10.0, 14.0), ("KServe", 10.0, 14.0), ("C++ echo", 0.4, 0.55)]
    return [
        Bar(f"scores/s, 32 in flight: against {name}", required, aim, rate(OURS, name), rate(OURS + AGAIN, OURS))
        for name, required, aim in rows
    ]


def _latency(figures: Mapping[str, Any]) -> Sequence[Bar]:
    mean = _Ratio(figures, "others", "servers", field=("1", "mean_ms"))
    again = mean(OURS + AGAIN, OURS)
    others = ("MLServer", "KServe", "Triton, Python backend", "grpcio, threads")
    rows = [
        Bar(f"mean, 1 in flight: against {name}", 1.0, 1.0, mean(OURS, name), again, at_least=False) for name in others
    ]
    return [*rows, Bar("mean, 1 in flight: against C++ echo", None, 2.0, mean(OURS, "C++ echo"), again, at_least=False)]


def _clients(figures: Mapping[str, Any]) -> Sequence[Bar]:
    rate = _Ratio(figures, "callers", "rows_per_second")
    on, off = "coalescing on", "coalescing off"
    again = rate(off + AGAIN, off)
    many = _Ratio(figures, "bulk")
    what = f"{CALLERS} callers in one process, coalesced: against"
    return [
        Bar(f"{what} coalescing off", 4.0, 5.0, rate(on, off), again),
        Bar(f"{what} tritonclient on KServe", 15.0, 30.0, rate(on, "KServe"), again),
        Bar(f"{what} tritonclient on MLServer", 15.0, 30.0, rate(on, "MLServer"), again),
        Bar(
            "score_many: rows/s against session.run alone", 0.6, 0.8, many("score_many", "session.run"),
            many("score_many" + AGAIN, "score_many"),
        ),
    ]  # fmt: skip


def _steadiness(figures: Mapping[str, Any]) -> Sequence[Bar]:
    p99 = _Ratio(figures, "steadiness", "canary", field=("p99",))
    again = p99(QUIET + AGAIN, QUIET)
    worst = [felt["worst"] for felt in figures.get("steadiness", {}).get("canary", {}).values()]
    return [
        Bar(f"canary's p99: {LOADING}, against quiet", 1.5, 1.1, p99(LOADING, QUIET), again, at_least=False),
        Bar(f"canary's p99: {SHADOW}, against quiet", 1.5, 1.1, p99(SHADOW, QUIET), again, at_least=False),
        Bar("longest call of any canary", None, _STALL_MS, max(worst, default=None), at_least=False, unit=" ms"),
    ]


def _overload(figures: Mapping[str, Any]) -> Sequence[Bar]:
    rate = _Ratio(figures, "overload", field=("per_second",))
    return [Bar("answered in time at three times the peak's rate, against the peak", 0.8, 0.9, rate(OVERLOADED, PEAK))]


def _many(figures: Mapping[str, Any]) -> Sequence[Bar]:
    mean = _Ratio(figures, "settings", field=("1", "mean_ms"))
    starts = figures.get("starting", {})
    many = max(starts, key=lambda name: int(name.split()[0]), default="1000 models")
    return [
        Bar(
            f"mean, 1 in flight: {many} against 1", 1.1, 1.0, mean(many, "defaults"),
            mean("defaults" + AGAIN, "defaults"), at_least=False,
        ),
        Bar(f"cold start, {many}", 30.0, 10.0, starts.get(many, {}).get("seconds"), at_least=False, unit=" s"),
    ]  # fmt: skip


class _Ratio:
    """One figure of two things that were measured in one section; None where one of them was not."""

    def __init__(self, figures: Mapping[str, Any], *section: str, field: Sequence[str] = ()) -> None:
        self._things: Any = figures
        for name in section:
            self._things = self._things.get(name, {})
        self._field = field

    def __call__(self, name: str, base: str) -> float | None:
        ours, theirs = self._of(name), self._of(base)
        return ours / theirs if ours is not None and theirs else None

    def _of(self, name: str) -> float | None:
        figure: Any = self._things.get(name)
        for part in self._field:
            figure = figure.get(part) if figure else None
        return None if figure is None else float(figure)
