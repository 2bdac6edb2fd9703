"""Old journal files lose their inputs and keep their rows as long as an outcome may reach them, whoever is killed."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from scoreline_registry.registry import Registry
from scoreline_server.journal.format.blocks import Fault, Head, Kind, heads
from scoreline_server.journal.format.columns import RESULT_COLUMNS, Column
from scoreline_server.journal.reading.follower import Follower
from scoreline_server.journal.reading.lookup import CallFinder
from scoreline_server.journal.reading.reader import FileReader, journal_files, read_records, read_shadows
from scoreline_server.journal.reading.records import FIXED
from scoreline_server.journal.writing.retention import Aged, Retention, enforce
from scoreline_server.journal.writing.rewriting import ASIDE
from scoreline_server.journal.writing.slimming import slim
from tests.server.journals import catalog_of, journal_in, scored
from tests.server.many_rows import ManyRows, write_rows
from tests.server.routes import apply
from tests.server.toys import CITY, FEATURES, publish_linear, publish_sequence
from tests.server.wire import entity, named
from tests.waiting import wait_until

DAY = 86400.0
HALF_A_YEAR = Retention(seconds=90 * DAY, total_bytes=0)
INPUTS = {
    Column.NUMBERS, Column.CATEGORIES, Column.DICTIONARY, Column.LENGTHS, Column.STEPS, Column.HASHES,
    Column.NEIGHBOR_COUNTS, Column.NEIGHBORS, Column.EXTRAS, Column.EXTRA_ROWS, Column.EXTRA_VALUES,
}  # fmt: skip
MANY = tuple(f"number {at}" for at in range(30))
ROUTE = """
route: {name}
schema: {{features: {{income: number, age: number, debt: number, city: category}}}}
rules: [{{split: {{linear@1: 50, other@1: 50}}}}]
outcomes: {{keep_days: {days}}}
"""


def aged(path: Path, days: float) -> Path:
    """The file, as if last written so many days ago."""
    moment = time.time() - days * DAY
    os.utime(path, (moment, moment))
    return path


def rows_of(folder: Path) -> list[Mapping[str, Any]]:
    return [row for records in read_records([folder]) for row in records.rows()]


@pytest.fixture
def registry_of_two(registry: Registry) -> Registry:
    for name in ("linear", "other"):
        publish_linear(registry, name, (1.0, 0, 0, 0), features=(*FEATURES, CITY), extra=True)
    for name, days in (("short", 100), ("long", 365)):
        apply(registry, ROUTE.format(name=name, days=days))
    return registry


def journaled(registry: Registry, folder: Path) -> Path:
    """One file with rows of both routes."""
    journal = journal_in(folder)
    for route in ("short", "long"):
        rows = [entity(f"{route}{at}", income=123456.0, age=1.0, debt=at, city="atlantis", context={"channel": "web"})
                for at in range(20)]  # fmt: skip
        request = named(*rows, entity("bad", age=1.0), route=route, extras=["logit"])
        request.request_id = f"request of {route}"
        for one in scored(catalog_of(registry), request)[1]:
            journal(one)
    journal.close()
    (path,) = journal_files([folder])
    return path


def test_every_column_is_a_result_or_an_input() -> None:
    assert set(RESULT_COLUMNS) | INPUTS == set(Column)
    assert not set(RESULT_COLUMNS) & INPUTS


def test_an_old_file_keeps_its_results_and_has_no_inputs(registry_of_two: Registry, tmp_path: Path) -> None:
    path = aged(journaled(registry_of_two, tmp_path / "journal"), 95)
    before, status, size = rows_of(tmp_path / "journal"), path.stat(), path.stat().st_size
    assert enforce(HALF_A_YEAR, tmp_path / "journal", time.time()) == 1
    assert journal_files([tmp_path / "journal"]) == [path]
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    after = rows_of(tmp_path / "journal")
    assert after == [{name: row[name] for name in FIXED} for row in before]
    assert {row["error"] for row in after} == {None, "MISSING_FEATURE"}
    assert json.loads(after[0]["context"]) == {"channel": "web"}
    whole = path.read_bytes()
    assert b"atlantis" not in whole
    assert np.float32(123456).tobytes() not in whole
    assert (path.stat().st_mode, path.stat().st_mtime_ns) == (status.st_mode, status.st_mtime_ns)
    assert path.stat().st_size < size
    assert enforce(HALF_A_YEAR, tmp_path / "journal", time.time()) == 0


def test_arrays_of_a_slim_file_have_no_numbers(registry_of_two: Registry, tmp_path: Path) -> None:
    path = journaled(registry_of_two, tmp_path)
    scores = [records.arrays.scores.copy() for records in read_records([tmp_path])]
    slim(path, time.time())
    for records, before in zip(read_records([tmp_path]), scores, strict=True):
        arrays = records.arrays
        assert not arrays.has_inputs
        assert (arrays.numbers.shape, arrays.categories.shape) == ((21, 0), (21, 0))
        assert records.types == FIXED
        assert np.array_equal(arrays.scores, before, equal_nan=True)


def test_rows_go_when_the_outcomes_of_their_route_can_no_longer_come(registry_of_two: Registry, tmp_path: Path) -> None:
    path = aged(journaled(registry_of_two, tmp_path), 150)
    assert enforce(HALF_A_YEAR, tmp_path, time.time()) == 1
    assert {row["route"] for row in rows_of(tmp_path)} == {"long"}
    assert enforce(HALF_A_YEAR, tmp_path, time.time() + 214 * DAY) == 0
    with capture_logs() as logs:
        assert enforce(HALF_A_YEAR, tmp_path, time.time() + 216 * DAY) == 1
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("slim journal file removed", "info")]
    assert not path.exists()


def test_a_file_whose_outcomes_have_all_come_is_removed_whole(registry_of_two: Registry, tmp_path: Path) -> None:
    path = aged(journaled(registry_of_two, tmp_path), 366)
    assert enforce(HALF_A_YEAR, tmp_path, time.time()) == 1
    assert not path.exists()


def test_histories_and_scores_of_shadows(registry: Registry, tmp_path: Path) -> None:
    publish_sequence(registry, "history", aliases=("champion",))
    apply(registry, "route: late\nschema: {like: history@champion}\nrules: [{split: {history@champion: 100}}]\n")
    _, seen = scored(catalog_of(registry), named(entity("h", steps=[{"paid": 1.0}, {"late": 2.0}]), route="late"))
    journal = journal_in(tmp_path / "histories")
    journal(seen[0])
    journal.close()
    write_rows(tmp_path / "shadows", ManyRows(rows=100, shadowed=True))
    (shadowed,) = read_shadows([tmp_path / "shadows"])
    for path in journal_files([tmp_path / "histories", tmp_path / "shadows"]):
        slim(path, time.time())
    (row,) = rows_of(tmp_path / "histories")
    assert row.keys() == FIXED.keys()
    (found,) = read_shadows([tmp_path / "shadows"])
    assert np.array_equal(found.scores, shadowed.scores)
    assert found.prediction_ids == shadowed.prediction_ids


def test_whoever_is_killed_readers_find_every_row_once(registry_of_two: Registry, tmp_path: Path) -> None:
    whole = journaled(registry_of_two, tmp_path / "whole")
    (tmp_path / "copy").mkdir()
    ids = [row["prediction_id"] for row in rows_of(tmp_path / "whole")]
    script = [sys.executable, "-m", "tests.server.journal.writing.slimming_killed", str(whole), str(tmp_path / "copy")]
    done = subprocess.run(script, capture_output=True, text=True, check=True, timeout=120)
    kills = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(kill["ids"] == ids for kill in kills)
    assert not any(kill["left"] for kill in kills)
    assert [kill["killed"] for kill in kills] == [True] * (len(kills) - 1) + [False]
    states = [kill["inputs"] for kill in kills]
    assert states == sorted(states, reverse=True)
    assert states[0] == [True]
    assert states[-2] == [False]
    assert states.count([True]) > 50


def test_several_workers_slim_beside_each_other(tmp_path: Path) -> None:
    for worker in range(4):
        for path in write_rows(tmp_path, ManyRows(rows=20_000, seed=worker), worker=worker):
            aged(path, 100)
    ids = sorted(id_ for records in read_records([tmp_path]) for id_ in records.prediction_ids)
    code = (
        "import sys, time, pathlib\n"
        "from scoreline_server.journal.writing.retention import Retention, enforce\n"
        "print(enforce(Retention(90 * 86400, 0), pathlib.Path(sys.argv[1]), time.time()))\n"
    )
    workers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) for _ in range(3)]
    counts = [int(worker.communicate(timeout=60)[0].split()[-1]) for worker in workers]
    assert sum(counts) >= 4
    assert sorted(id_ for records in read_records([tmp_path]) for id_ in records.prediction_ids) == ids
    assert not any(records.arrays.has_inputs for records in read_records([tmp_path]))
    assert len(list(tmp_path.iterdir())) == 4


def test_a_file_that_is_written_is_not_slimmed(registry_of_two: Registry, tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    _, seen = scored(catalog_of(registry_of_two), named(entity("a", income=1.0), entity("b"), route="long"))
    journal(seen[0])
    wait_until(lambda: len(rows_of(tmp_path)) == 2)
    (path,) = journal_files([tmp_path])
    assert slim(path, time.time()) is None
    journal.close()
    assert slim(path, time.time()) is not None


def test_a_disk_without_room_keeps_what_cannot_be_slimmed_and_loses_what_is_over(
    registry_of_two: Registry, tmp_path: Path
) -> None:
    folder = tmp_path / "journal"
    path = aged(journaled(registry_of_two, folder), 95)
    before = path.read_bytes()
    over = aged(write_rows(folder, ManyRows(rows=10))[0], 200)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with capture_logs() as logs:
            assert enforce(HALF_A_YEAR, folder, time.time(), most_slimmed=1) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not over.exists()
    assert [entry["error"] for entry in logs if entry["log_level"] == "warning"] == ["[Errno 27] File too large"]
    assert path.read_bytes() == before
    assert list(folder.iterdir()) == [path]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    (path,) = write_rows(tmp_path, ManyRows(rows=10))
    for name in (path.name, "0-gone.journal"):
        (tmp_path / f"{name}{ASIDE}").write_bytes(b"half")
    assert enforce(HALF_A_YEAR, tmp_path, time.time()) == 0
    assert list(tmp_path.iterdir()) == [path]


def test_damaged_blocks_are_left_out_with_a_warning(tmp_path: Path) -> None:
    (path,) = write_rows(tmp_path, ManyRows(rows=50_000))
    with path.open("r+b") as file:
        damaged: Head = [head for head in heads(file) if head.kind == Kind.ROWS][1]
        file.seek(damaged.body + 5000)
        file.write(b"damage")
    aged(path, 100)
    with capture_logs() as logs:
        enforce(HALF_A_YEAR, tmp_path, time.time())
    assert [entry["blocks"] for entry in logs if entry["event"] == "damaged journal blocks are left out"] == [1]
    faults: list[Fault] = []
    rows = sum(map(len, read_records([tmp_path], on_fault=lambda _, fault: faults.append(fault))))
    assert (rows, faults) == (50_000 - 16384, [])


def test_who_follows_a_file_sees_no_row_again_and_finds_its_calls(tmp_path: Path) -> None:
    (path,) = write_rows(tmp_path, ManyRows(rows=40_000))
    reader, follower, finder = FileReader(path), Follower([tmp_path], None), CallFinder([tmp_path])
    calls = [id_.tobytes() for records in read_records([tmp_path]) for id_ in records.arrays.call_ids][::7919]
    assert len(list(reader.read())) == 3
    assert len(follower.newest(5)) == 5
    assert finder.find(calls).calls.keys() == set(calls)
    slim(path, time.time())
    assert not list(reader.read())
    assert not list(follower.news())
    assert finder.find(calls).calls.keys() == set(calls)


def test_retention_takes_inputs_first_and_slim_files_beyond_half_of_the_size() -> None:
    whole = [Aged(Path(f"whole {age}"), 40, 1000.0 - age) for age in (1, 2, 3)]
    slim_files = [Aged(Path(f"slim {age}"), 20, 1000.0 - age, slim_until=1040.0 - age) for age in (4, 5, 6)]

    def outdated(retention: Retention, *files: Aged, now: float = 1000.0) -> list[str]:
        return [file.path.name for file in retention.outdated(files, now)]

    assert outdated(Retention(0, 180), *whole, *slim_files) == []
    assert outdated(Retention(0, 170), *whole, *slim_files) == ["whole 3"]
    assert outdated(Retention(0, 100), *whole, *slim_files) == ["slim 6", "whole 2", "whole 3"]
    assert outdated(Retention(0, 100), *slim_files) == []
    assert outdated(Retention(0, 50), *slim_files) == ["slim 6"]
    assert outdated(Retention(2.5, 0), *whole, *slim_files) == ["whole 3"]
    assert outdated(Retention(2.5, 0), *slim_files, now=1035.0) == ["slim 6"]
    assert outdated(Retention(100, 0), *slim_files, now=1050.0) == []


def test_a_folder_that_is_too_large_loses_inputs_before_rows(tmp_path: Path) -> None:
    for age in range(6):
        for path in write_rows(tmp_path, ManyRows(rows=10_000, seed=age, numbers=MANY), worker=age):
            aged(path, age + 1)
    total = sum(path.stat().st_size for path in tmp_path.iterdir())
    retention = Retention(0, int(0.8 * total))
    with capture_logs() as logs:
        while enforce(retention, tmp_path, time.time(), most_slimmed=1):
            pass
    assert {entry["log_level"] for entry in logs} == {"warning"}
    assert all("slimmed early" in entry["event"] for entry in logs)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 0.8 * total
    inputs = [records.arrays.has_inputs for path in sorted(tmp_path.iterdir()) for records in read_records([path])]
    assert len(inputs) == 6
    assert inputs == sorted(inputs, reverse=True)
    assert 0 < sum(inputs) < 6


def test_a_writer_slims_old_files(registry_of_two: Registry, tmp_path: Path) -> None:
    path = aged(journaled(registry_of_two, tmp_path), 95)
    _, seen = scored(catalog_of(registry_of_two), named(entity("new", income=1.0), entity("b"), route="long"))
    journal = journal_in(tmp_path, retention=HALF_A_YEAR)
    journal(seen[0])
    wait_until(lambda: len(rows_of(tmp_path)) == 44)
    wait_until(lambda: not any(records.arrays.has_inputs for records in read_records([path])))
    journal.close()
    assert [records.arrays.has_inputs for records in read_records([tmp_path])] == [False, False, True]
