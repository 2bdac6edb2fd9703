"""A run in tables."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.bars import Bar
from tests.benchmarks.stages import STAGES


def show(console: Console, figures: Mapping[str, Any], rows: Iterable[Bar]) -> None:
    """Prints every section that was measured, the bars last."""
    for section, print_section in _SECTIONS.items():
        if section in figures:
            print_section(console, figures[section])
    for reason in figures.get("skipped", ()):
        console.print(f"left out: {reason}", soft_wrap=True, highlight=False, markup=False)
    _bars(console, rows)


def _bars(console: Console, rows: Iterable[Bar]) -> None:
    table = Table("what", "required", "aim", "seen", "A/A", "", title="the bars")
    for row in rows:
        levels = [_number(level, row.unit) for level in (row.required, row.aim, row.seen)]
        verdict = f"{row.verdict} (noisy)" if row.is_noisy else row.verdict
        table.add_row(row.what, *levels, _number(row.again, "x"), verdict)
    console.print(table)


def _loads(console: Console, title: str, loads: Mapping[str, Any], memory: Mapping[str, float] | None = None) -> None:
    levels = list(next(iter(loads.values())))
    heads = [f"{level} in flight: {what}" for level in levels for what in ("calls/s", "ms", "µs CPU")]
    rows = [
        (
            name,
            *(by[level][field] for level in levels for field in ("per_second", "mean_ms", "processor_us")),
            *([] if memory is None else [memory.get(name, "")]),
        )
        for name, by in loads.items()
    ]
    _table(console, title, ("", *heads, *([] if memory is None else ["MB"])), rows)


def _canaries(console: Console, steady: Mapping[str, Any]) -> None:
    rate = steady["background_per_second"]
    heads = ("p50", "p99", "p99.9", "max", "worst")
    rows = [(name, *(felt[head] for head in heads)) for name, felt in steady["canary"].items()]
    _table(console, f"canary, ms, with {rate:,} calls/s in the background", ("", *heads), rows)
    if shadows := steady["shadow_rows"]:
        console.print(f"the shadow scored {shadows['rows']:,.0f} rows and dropped {shadows['dropped']:,.0f}")


def _stages(console: Console, stages: Mapping[str, Any]) -> None:
    heads = [f"{level} in flight, {by['per_second']:,.0f} calls/s" for level, by in stages.items()]
    rows = [(stage, *(by["microseconds"][stage] for by in stages.values())) for stage in STAGES]
    rows.append(("together", *(round(sum(by["microseconds"].values()), 2) for by in stages.values())))
    _table(console, "microseconds of the serving thread per one-row call", ("stage", *heads), rows)


def _table(console: Console, title: str, heads: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    table = Table(*heads, title=title)
    for row in rows:
        table.add_row(*(_number(cell) if isinstance(cell, float) else str(cell) for cell in row))
    console.print(table)


def _number(value: float | None, unit: str = "") -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}{unit}" if abs(value) >= 1000 else f"{value:.3g}{unit}"


def _starts(console: Console, starts: Mapping[str, Any]) -> None:
    rows = [(name, start["seconds"], start["memory_mb"]) for name, start in starts.items()]
    _table(console, "cold start", ("", "s to the first answer", "MB"), rows)


def _plain(title: str, figure: str) -> "_Print":
    return lambda console, rates: _table(console, title, ("", figure), list(rates.items()))


_Print = Callable[[Console, Mapping[str, Any]], None]
_SECTIONS: Mapping[str, _Print] = {
    "others": lambda console, others: _loads(
        console, "one LightGBM of 300 trees, one row per call", others["servers"], others["memory_mb"]
    ),
    "families": lambda console, families: _loads(console, "by family", families),
    "settings": lambda console, settings: _loads(console, "one setting changed", settings),
    "steadiness": _canaries,
    "overload": lambda console, rates: _plain("a model of 2 ms, answered in time", "calls/s")(
        console, {name: rate["per_second"] for name, rate in rates.items()}
    ),
    "starting": _starts,
    "callers": lambda console, callers: _plain("64 callers in one process", "rows/s")(
        console, callers["rows_per_second"]
    ),
    "bulk": _plain("in bulk", "rows/s"),
    "stages": _stages,
    "parts": _plain("a linear model of 30 features, without a wire", "figure"),
}
