"""What the benchmarks make of what tools print, and how a run is judged."""

from collections.abc import Callable

import pytest

from scoreline_server.journal.writing.writer import Journal
from scoreline_server.rpc.pipeline import Pipeline
from scoreline_server.scoring import engine, responses
from scoreline_server.scoring.model import LoadedModel
from scoreline_server.transport.completion_queue import CallQueue
from scoreline_server.transport.lane import Lane
from tests.benchmarks.bars import Bar, bars
from tests.benchmarks.load import LoadError, Target, read
from tests.benchmarks.stages import by_stage, stage_of

TARGET = Target("127.0.0.1:1", "/service/Method", b"body", answer_bytes=40)
SAID = """finished in 3.50s, {rate} req/s, 1.2MB/s
requests: 700 total, 732 started, 700 done, {succeeded} succeeded, {failed} failed, 0 errored, 0 timeout
traffic: 99KB (99000) total, 9KB (9000) headers (space savings 90.00%), 27KB ({data}) data
time for request:      310us      5.48ms       781us       320us    86.76%
"""


def said(*, succeeded: int = 700, failed: int = 0, data: int = 28_000) -> str:
    return SAID.format(rate="233.10", succeeded=succeeded, failed=failed, data=data)


def test_what_h2load_says_is_read_in_milliseconds() -> None:
    loaded = read(said(), TARGET)
    assert (loaded.per_second, loaded.max_ms) == (233.1, 5.48)
    assert loaded.mean_ms == pytest.approx(0.781)


@pytest.mark.parametrize("text", [said(failed=1), said(succeeded=0), said(data=9_000), ""])
def test_a_load_with_failed_calls_counts_for_nothing(text: str) -> None:
    with pytest.raises(LoadError):
        read(text, TARGET)


def frame(function: Callable[..., object], root: str = "") -> str:
    """A function as py-spy prints it."""
    return f"{function.__qualname__} ({root}{function.__module__.replace('.', '/')}.py:123)"


OUTER = [frame(Lane._run), frame(Pipeline.score)]


@pytest.mark.parametrize(
    ("inner", "stage"),
    [
        ([frame(LoadedModel.run), "run (onnxruntime/capi/session.py:1)"], "run"),
        ([frame(engine._assigned), "sum (numpy/core.py:1)"], "assign"),
        ([frame(engine.score, "/srv/scoreline/server/")], "glue"),
        ([frame(responses.entity_error, "/usr/lib/python3/site-packages/")], "encode"),
        ([frame(Journal.__call__)], "journal"),
        ([frame(CallQueue.poll)], "poll"),
        ([frame(CallQueue.request)], "receive"),
        (["run (elsewhere/model.py:1)"], "glue"),
    ],
)
def test_a_sample_belongs_to_the_innermost_frame_that_is_known(inner: list[str], stage: str) -> None:
    assert stage_of([*OUTER, *inner]) == stage


def test_a_sample_of_the_lane_alone_is_the_lane_s() -> None:
    assert stage_of(OUTER[:1]) == "lane"


def test_only_the_serving_thread_is_split_into_stages() -> None:
    lines = [f"thread (7): hot-lane;{OUTER[0]} 5", f"thread (8): journal;{frame(Journal.__call__)} 9"]
    stages, threads = by_stage(lines)
    assert dict(stages) == {"lane": 5}
    assert threads == {7: "hot-lane", 8: "journal"}


@pytest.mark.parametrize(
    ("seen", "at_least", "verdict"),
    [
        (14.0, True, "aim reached"),
        (10.0, True, "reached"),
        (9.9, True, "MISSED"),
        (10.1, False, "reached"),
        (None, True, "not measured"),
    ],
)
def test_a_bar_is_judged_by_what_is_required_and_aimed_at(seen: float | None, *, at_least: bool, verdict: str) -> None:
    required, aim = (10.0, 14.0) if at_least else (14.0, 10.0)
    assert Bar("what", required, aim, seen, at_least=at_least).verdict == verdict


@pytest.mark.parametrize(("again", "noisy"), [(None, False), (1.1, False), (0.9, False), (1.2, True), (0.8, True)])
def test_a_run_that_differs_from_itself_is_called_noisy(again: float | None, *, noisy: bool) -> None:
    assert Bar("what", 10.0, 14.0, 12.0, again).is_noisy == noisy


def test_bars_divide_ours_by_theirs_and_leave_out_what_was_not_measured() -> None:
    levels = {"Scoreline": (20_000.0, 0.2), "Scoreline (again)": (19_000.0, 0.21), "KServe": (2_000.0, 0.8)}
    servers = {name: {"32": {"per_second": rate}, "1": {"mean_ms": mean}} for name, (rate, mean) in levels.items()}
    rows = {row.what: row for row in bars({"others": {"servers": servers}})}
    against_kserve = rows["scores/s, 32 in flight: against KServe"]
    assert (against_kserve.seen, against_kserve.again) == (10.0, 0.95)
    assert rows["mean, 1 in flight: against KServe"].seen == pytest.approx(0.25)
    assert rows["scores/s, 32 in flight: against MLServer"].verdict == "not measured"
