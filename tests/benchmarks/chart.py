"""A run as a picture: scores per second, and how long one call takes. Written by hand, so that it needs no library."""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from tests.benchmarks.throughput import OURS

_SVG = "http://www.w3.org/2000/svg"
_WIDTH, _LABEL, _BAR, _STEP = 860, 190, 18, 26
_OURS, _OTHER, _INK = "#0b6e4f", "#9aa5b1", "#1f2933"


def chart(servers: Mapping[str, Any], *, title: str) -> str:
    """An SVG of two panels over the same servers: calls per second at 32 in flight, mean milliseconds at 1."""
    names = sorted(servers, key=lambda name: -servers[name]["32"]["per_second"])
    rates = [(name, float(servers[name]["32"]["per_second"])) for name in names]
    means = [(name, float(servers[name]["1"]["mean_ms"])) for name in names]
    height = 110 + 2 * _STEP * len(names)
    parts = [
        f'<svg xmlns="{_SVG}" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" fill="{_INK}">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(12, 24, title, size=16),
        *_panel(48, "scores per second, 32 in flight (more is better)", rates, "{:,.0f}"),
        *_panel(78 + _STEP * len(names), "mean milliseconds, 1 in flight (less is better)", means, "{:.2f}"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _panel(top: int, title: str, values: Sequence[tuple[str, float]], form: str) -> list[str]:
    most = max((value for _, value in values), default=1.0)
    parts = [_text(12, top + 4, title, size=13)]
    for row, (name, value) in enumerate(values):
        y = top + 14 + row * _STEP
        width = max(1.0, value / most * (_WIDTH - _LABEL - 90))
        colour = _OURS if name.startswith(OURS) else _OTHER
        parts += [
            _text(12, y + 14, name),
            f'<rect x="{_LABEL}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="2" fill="{colour}"/>',
            _text(_LABEL + width + 6, y + 14, form.format(value)),
        ]
    return parts


def _text(x: float, y: float, text: str, *, size: int = 13) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}">{escape(text)}</text>'
