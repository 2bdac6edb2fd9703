from collections.abc import Iterator
from io import StringIO

from rich.console import Console

from scoreline_trainers.progress import Bars, Lines


def test_lines_are_titles_and_a_note_a_second() -> None:
    lines: list[str] = []
    times: Iterator[float] = iter([0.0, 0.5, 1.5, 1.5, 1.6])
    lines_progress = Lines(lines.append, clock=lambda: next(times))
    lines_progress.begin("fit", total=3)
    lines_progress.advance("one")
    lines_progress.advance("two")
    lines_progress.advance("three")
    assert lines == ["fit", "  two"]


def test_bars_show_stages_that_end_early_as_done() -> None:
    out = StringIO()
    with Bars(Console(file=out, force_terminal=True, width=100)) as bars:
        bars.begin("boost", total=500)
        for _ in range(20):
            bars.advance("log loss 0.4")
        bars.begin("prove")
    shown = out.getvalue()
    assert "boost" in shown
    assert "20/20" in shown
    assert "prove" in shown
