from collections.abc import Iterator
from io import StringIO

import numpy as np
from rich.console import Console

from scoreline_trainers.progress import Bars, Lines, duration


def test_lines_are_titles_and_a_note_a_second() -> None:
    lines: list[str] = []
    times: Iterator[float] = iter([0.0, 0.5, 1.5, 1.6])
    lines_progress = Lines(lines.append, clock=lambda: next(times))
    lines_progress.begin("fit", total=3)
    lines_progress.advance("one")
    lines_progress.advance("two")
    lines_progress.advance("three")
    assert lines == ["fit", "  two, 2 of 3, 1 s left"]


def test_a_stage_without_a_total_has_notes_alone() -> None:
    lines: list[str] = []
    times: Iterator[float] = iter([0.0, 2.0, 4.0])
    progress = Lines(lines.append, clock=lambda: next(times))
    progress.begin("fit")
    progress.advance()
    progress.advance("loss 0.5")
    assert lines == ["fit", "  loss 0.5"]


def test_a_long_stage_writes_fewer_lines() -> None:
    lines: list[str] = []
    times: Iterator[float] = iter(np.arange(0.0, 5000.0).tolist())
    progress = Lines(lines.append, clock=lambda: next(times))
    progress.begin("search", total=5000)
    for _ in range(4000):
        progress.advance()
    assert 100 < len(lines) < 200
    assert lines[1] == "  1 of 5,000, 83 min left"


def test_durations_are_said_as_people_say_them() -> None:
    said = [duration(seconds) for seconds in (0.2, 40.4, 99, 180, 5990, 6010, 7300)]
    assert said == ["0 s", "40 s", "99 s", "3 min", "1 h 40 min", "1 h 40 min", "2 h 2 min"]


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
