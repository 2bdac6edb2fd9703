"""Stages of a run: titles, seconds and peak memory."""

from collections.abc import Iterator

import numpy as np

from scoreline_trainers.progress import Lines
from scoreline_trainers.training.stages import Stage, Stages, peak_memory


def test_each_stage_ends_where_the_next_begins() -> None:
    times: Iterator[float] = iter([1.0, 3.5, 3.5, 4.0])
    peaks: Iterator[int] = iter([10, 70, 30])
    lines: list[str] = []
    stages = Stages(Lines(lines.append), clock=lambda: next(times), peak=lambda: next(peaks))
    stages.begin("fit", total=2)
    stages.begin("prove")
    assert stages.end() == (Stage("fit", 2.5, 70), Stage("prove", 0.5, 30))
    assert lines == ["fit", "prove"]


def test_peak_memory_holds_what_was_allocated_since_the_last_call() -> None:
    peak_memory()
    block = np.ones(4_000_000)
    assert peak_memory() >= block.nbytes
