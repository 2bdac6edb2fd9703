"""Forgetting an entity takes it out of every file of a journal's folder, and leaves all others as they were."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scoreline.outcomes import Outcome
from scoreline_registry.registry import Registry
from scoreline_server.errors import ErrorReason
from scoreline_server.forgetting.folder import Forgotten, forget, forget_pending
from scoreline_server.forgetting.requests import FOLDER, request_files
from scoreline_server.journal.format.blocks import Fault, Kind, scan
from scoreline_server.journal.format.privacy import Hasher
from scoreline_server.journal.reading.follower import Follower
from scoreline_server.journal.reading.lookup import CallFinder
from scoreline_server.journal.reading.reader import FileReader, journal_files, read_records, read_shadows
from scoreline_server.journal.reading.records import Records
from scoreline_server.journal.reading.row_arrays import NO_ARM, RowArrays
from scoreline_server.outcomes.follower import OutcomeFollower
from scoreline_server.outcomes.log import OutcomeLog
from scoreline_server.outcomes.reader import outcome_files
from tests.server.journals import FACTS, catalog_of, journal_in, scored
from tests.server.many_rows import ManyRows, unit_name, write_rows
from tests.server.routes import apply
from tests.server.toys import CITY, FEATURES, publish_linear, publish_neighbors, publish_sequence
from tests.server.wire import entity, named
from tests.waiting import wait_until

GONE = "person-4711"
PAST = 1_700_000_000 * 10**9
SPLIT = """
route: credit
schema: {features: {income: number, age: number, debt: number, city: category}}
rules: [{split: {linear@champion: 50, other@1: 50}}]
"""
BY_CONTEXT = """
route: shops
unit: context.customer
schema: {like: linear@champion}
rules: [{split: {linear@champion: 100}}]
"""


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [row for records in read_records([folder]) for row in records.rows()]


def others(rows: Sequence[Mapping[str, Any]], *gone: str) -> list[Mapping[str, Any]]:
    """The rows of other entities; request ids that name one of these are not kept."""
    kept = [row for row in rows if row["entity_id"] not in gone]
    return [{**row, "request_id": _without(row["request_id"], gone)} for row in kept]


def _without(request_id: str | None, gone: Sequence[str]) -> str | None:
    return None if request_id and any(name in request_id for name in gone) else request_id


def content(folder: Path) -> bytes:
    """The bytes of all files in a folder, and in those below it."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def faults(folder: Path) -> list[Fault]:
    found: list[Fault] = []
    list(read_records([folder], on_fault=lambda _, fault: found.append(fault)))
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def written(registry: Registry, folder: Path) -> Path:
    """A journal whose calls are of the entity alone, of others, and of both; with inputs of every kind."""
    secret = (*FEATURES[:2], FEATURES[2].model_copy(update={"sensitive": True}), CITY)
    publish_linear(registry, "linear", (1.0, 0, 0, 0), features=secret, aliases=("champion",), extra=True)
    publish_linear(registry, "other", (-1.0, 0, 0, 0), features=secret, extra=True)
    publish_sequence(registry, "history", aliases=("champion",))
    publish_neighbors(registry, "graph")
    apply(registry, SPLIT)
    for name, model in (("late", "history"), ("around", "graph")):
        apply(
            registry,
            f"route: {name}\nschema: {{like: {model}@champion}}\nrules: [{{split: {{{model}@champion: 100}}}}]\n",
        )
    catalog = catalog_of(registry)
    journal = journal_in(folder, hasher=Hasher(b"0123456789abcdef"))
    for request in (*of_credit(), of_late(), of_around()):
        for one in scored(catalog, request)[1]:
            journal(one)
    journal.close()
    return folder


def of_credit() -> list[Any]:
    """Calls of one route; their request ids name the call."""

    def one(name: str, number: float) -> Any:
        is_gone = name == GONE
        return entity(name, income=number, age=4711.5 if is_gone else 1.0, debt=number,
                      city="atlantis" if is_gone else "oslo", context={"mail": f"{name}@example.org"})  # fmt: skip

    calls = [
        ["row 0", "row 1"],
        [GONE],
        ["row 2", GONE, "row 4"],
        [GONE, GONE],
        ["row 5"],
        [GONE, "row 6"],
        ["row 7", GONE],
    ]
    requests = []
    for at, names in enumerate(calls):
        rows = [one(name, float(at + row)) for row, name in enumerate(names)]
        if "row 4" in names:
            rows.append(entity("failed", age=1.0))
        requests.append(named(*rows, extras=["logit"]))
        requests[-1].request_id = f"request {at} of {'+'.join(names)}"
    return requests


def of_late() -> Any:
    steps = [{"paid": 1.0, "late": 2.0}], [{"paid": 4711.5}, {"late": 4711.5}], [{"paid": 3.0}, {"late": 4.0}, {}]
    return named(*(entity(name, steps=own) for name, own in zip(("a", GONE, "b"), steps, strict=True)), route="late")


def of_around() -> Any:
    near = [{"late": 1.0, "age": 2.0}], [{"late": 4711.5, "age": 1.0}] * 3, [{"late": 5.0, "age": 6.0}] * 2
    rows = [entity(name, income=1.0, neighbors=own) for name, own in zip(("a", GONE, "b"), near, strict=True)]
    return named(*rows, route="around")


def test_nothing_of_the_entity_is_in_any_file_and_other_rows_keep_every_bit(written: Path) -> None:
    before = rows_of(written)
    modes = [path.stat().st_mode for path in journal_files([written])]
    times = [path.stat().st_mtime_ns for path in journal_files([written])]
    assert GONE.encode() in content(written)
    done = forget(written, GONE)
    assert (done.rows, len(done.files), done.waiting) == (8, 1, ())
    left = content(written)
    for trace in (GONE.encode(), b"atlantis", np.float32(4711.5).tobytes()):
        assert trace not in left
    assert rows_of(written) == others(before, GONE)
    assert len(others(before, GONE)) == len(before) - 8
    assert faults(written) == []
    assert [path.stat().st_mode for path in journal_files([written])] == modes
    assert [path.stat().st_mtime_ns for path in journal_files([written])] == times
    assert stat.S_IMODE(modes[0]) == 0o600
    assert request_files(written) == []


def test_request_ids_of_other_rows_stay_unless_they_name_the_entity(written: Path) -> None:
    forget(written, GONE)
    found = {str(row["entity_id"]): row["request_id"] for row in rows_of(written) if row["route"] == "credit"}
    assert (found["row 2"], found["row 6"]) == (None, None)
    assert (found["row 0"], found["row 5"]) == ("request 0 of row 0+row 1", "request 4 of row 5")


def test_older_readers_find_empty_rows_without_a_unit(written: Path) -> None:
    forget(written, GONE)
    empty = 0
    for records in read_records([written]):
        block = RowArrays(records.route, records.raw)
        rows = np.flatnonzero(np.array(block.entity_ids) == "")
        empty += len(rows)
        assert {block.errors[row] for row in rows.tolist()} == {ErrorReason.MISSING_UNIT}
        assert (block.assigned[rows] == NO_ARM).all()
        assert np.isnan(block.scores[rows]).all()
        assert np.isnan(block.numbers[rows]).all()
        assert (block.categories[rows] == -1).all()
        assert not block.quality[rows].any()
        assert [block.contexts[index] for index in block.context_index[rows].tolist()] == [{}] * len(rows)
    assert empty == 5


def test_forgetting_again_changes_nothing(written: Path) -> None:
    forget(written, GONE)
    (path,) = journal_files([written])
    before, inode = path.read_bytes(), path.stat().st_ino
    assert forget(written, GONE) == Forgotten()
    assert forget(written, "never seen") == Forgotten()
    assert (path.read_bytes(), path.stat().st_ino) == (before, inode)
    assert sorted(each.name for each in written.iterdir()) == sorted([path.name, FOLDER])


def test_two_entities_of_one_call_are_forgotten_one_after_the_other(written: Path) -> None:
    before = rows_of(written)
    for name in ("row 2", GONE, "row 4", "failed"):
        forget(written, name)
    assert rows_of(written) == others(before, "row 2", GONE, "row 4", "failed")
    assert faults(written) == []
    calls = [call for records in read_records([written]) for call in records.arrays.call_rows.tolist()]
    assert sum(calls) == 2 + 1 + 2 + 2 + 3 + 3


def test_a_folder_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    assert forget(tmp_path / "none", GONE) == Forgotten()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("sent", "unit"), [(GONE, GONE), (47.0, "47"), (1e20, "100000000000000000000"), (True, "true")]
)
def test_the_unit_of_a_split_is_the_entity_too(
    registry: Registry, folder: Path, sent: str | float | bool, unit: str
) -> None:
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry, BY_CONTEXT)
    journal = journal_in(folder)
    rows = [entity("x", income=1.0, context={"customer": sent}), entity("y", income=2.0, context={"customer": "other"})]
    for one in scored(catalog_of(registry), named(*rows, route="shops"))[1]:
        journal(one)
    journal.close()
    assert forget(folder, unit).rows == 1
    assert [row["entity_id"] for row in rows_of(folder)] == ["y"]


def many(folder: Path, **plan: Any) -> tuple[ManyRows, str]:
    """A journal of 20,000 rows of 2,000 units in two blocks, scored by a shadow too, and one unit."""
    made = ManyRows(rows=20_000, units=2_000, shadowed=True, retry_every=10, start=PAST, **plan)
    write_rows(folder, made)
    return made, unit_name(int(next(made.blocks()).unit_numbers[100]))


def test_shadows_and_outcomes_of_its_rows_go_with_them(folder: Path) -> None:
    _, unit = many(folder)
    rows = rows_of(folder)
    ids = {row["prediction_id"] for row in rows if row["entity_id"] == unit}
    with OutcomeLog(folder, FACTS) as log:
        log.append("credit", [Outcome("paid", float(at), prediction_id=row["prediction_id"], observed_at=PAST)
                              for at, row in enumerate(rows[:3000])])  # fmt: skip
        log.append("credit", [window(name) for name in (unit, "other")])
        log.append("credit", [window(unit)])
    before = list(OutcomeFollower([folder], None).newest(10_000))
    shadows = {id_ for scores in read_shadows([folder]) for id_ in scores.prediction_ids}
    done = forget(folder, unit)
    assert (done.rows, done.shadows) == (len(ids), len(ids))
    left = [row for row in before if row.get("prediction_id") not in ids and row.get("unit") != unit]
    assert list(OutcomeFollower([folder], None).newest(10_000)) == left
    assert done.outcomes == len(before) - len(left) > 2
    assert {id_ for scores in read_shadows([folder]) for id_ in scores.prediction_ids} == shadows - ids
    assert unit.encode() not in content(folder)
    assert [stat.S_IMODE(path.stat().st_mode) for path in outcome_files([folder])] == [0o600]


def window(unit: str) -> Outcome:
    return Outcome("paid", 1.0, unit=unit, since=PAST, until=PAST + 10**9, observed_at=PAST)


def test_blocks_without_the_entity_are_the_same_bytes_at_the_same_number(folder: Path) -> None:
    plan = ManyRows(rows=40_000, start=PAST)
    (path,) = write_rows(folder, plan)
    unit = unit_name(int(next(plan.blocks()).unit_numbers[7]))

    def blocks() -> list[tuple[int, bytes]]:
        with path.open("rb") as file:
            return [(found.kind, found.body) for found in scan(file) if not isinstance(found, Fault)]

    before = blocks()
    assert forget(folder, unit).rows == 1
    changed = [at for at, (one, other) in enumerate(zip(before, blocks(), strict=True)) if one != other]
    assert [before[at][0] for at in changed] == [Kind.ROWS]


def test_readers_in_the_middle_of_a_file_go_on_with_the_rows_that_they_have_not_seen(folder: Path) -> None:
    _, unit = many(folder)
    (path,) = journal_files([folder])
    reader, follower, finder = FileReader(path), Follower([folder], None), CallFinder([folder])
    every = [list(found.entity_ids) for found in (records.arrays for records in read_records([folder]))]
    ids = [call.tobytes() for records in read_records([folder]) for call in records.arrays.call_ids]
    middle = reader.read()
    assert isinstance(first := next(middle), Records)
    assert len(first) == len(every[0])
    next(middle)  # takes note that the first is read
    assert len(follower.newest(5)) == 5
    assert len(finder.find(ids[:5]).calls) == 5
    done = forget(folder, unit)
    rest = [list(found.arrays.entity_ids) for found in reader.read() if isinstance(found, Records)]
    assert rest == [[name for name in names if name != unit] for names in every[1:]]
    assert list(follower.news()) == []
    kept = [call.tobytes() for records in read_records([folder]) for call in records.arrays.call_ids]
    assert finder.find(ids).calls.keys() == set(kept)
    assert len(kept) == len(ids) - done.rows


def test_a_file_that_is_being_written_is_forgotten_once_it_is_closed(registry: Registry, folder: Path) -> None:
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    catalog = catalog_of(registry)
    journal = journal_in(folder)
    journal(scored(catalog, named(entity(GONE, income=1.0), entity("a", income=2.0)))[1][0])
    wait_until(lambda: len(rows_of(folder)) == 2)
    (path,) = journal_files([folder])
    before = path.read_bytes()
    done = forget(folder, GONE)
    assert (done.rows, list(done.waiting), path.read_bytes()) == (0, [path], before)
    assert len(request_files(folder)) == 1
    journal(scored(catalog, named(entity(GONE, income=3.0)))[1][0])
    journal.close()
    pending = forget_pending(folder)
    assert pending is not None
    assert (pending.rows, list(pending.waiting), request_files(folder)) == (1, [], [])
    assert [(row["entity_id"], row["feature.income"]) for row in rows_of(folder)] == [("a", 2.0), (GONE, 3.0)]


def test_damage_that_names_the_entity_goes_and_other_damage_stays(folder: Path) -> None:
    plan = ManyRows(rows=70_000, start=PAST)
    (path,) = write_rows(folder, plan)
    units = [unit_name(int(block.unit_numbers[0])) for block in plan.blocks()]
    with path.open("r+b") as file:
        places = [found.end for found in scan(file) if not isinstance(found, Fault) and found.kind == Kind.ROWS]
        for end in places[0:3:2]:
            file.seek(end - 4)
            file.write(b"bad!")
    done = forget(folder, units[0])
    assert (done.rows, done.damaged) == (0, 1)
    assert len(faults(folder)) == 1
    assert units[0].encode() not in content(folder)
    assert units[2].encode() in content(folder)
    os.truncate(path, path.stat().st_size - 10)
    assert forget(folder, units[4]).damaged == 1
    assert units[4].encode() not in content(folder)
    assert [fault.is_torn for fault in faults(folder)] == [False]


def test_a_kill_loses_nothing_and_the_next_process_ends_the_work(folder: Path, tmp_path: Path) -> None:
    plan = ManyRows(rows=300, units=10, shadowed=True, start=PAST)
    first, second = (
        write_rows(folder, plan),
        write_rows(folder, ManyRows(rows=300, units=10, start=PAST + 10**12), worker=1),
    )
    unit = unit_name(int(next(plan.blocks()).unit_numbers[0]))
    with OutcomeLog(folder, FACTS) as log:
        log.append("credit", [Outcome("paid", 1.0, prediction_id=str(row["prediction_id"]), observed_at=PAST)
                              for row in rows_of(folder)])  # fmt: skip
    assert len([*first, *second]) == 2
    (tmp_path / "work").mkdir()
    script = Path(__file__).with_name("forgetting_killed.py")
    done = subprocess.run(
        [sys.executable, script, folder, tmp_path / "work", unit], capture_output=True, text=True, check=True
    )
    kills = [json.loads(line) for line in done.stdout.splitlines()]
    before = rows_of(folder)
    ours = {str(row["prediction_id"]) for row in before if row["entity_id"] == unit}
    expected = sorted(str(row["prediction_id"]) for row in before if row["entity_id"] != unit)
    assert len(kills) > 20
    assert not kills[-1]["killed"]
    for kill in kills:
        assert set(expected) <= set(kill["rows"]) <= set(expected) | ours
        assert len(kill["rows"]) == len(set(kill["rows"]))
        assert kill["faults"] == 0
        assert (sorted(kill["after"]), sorted(kill["outcomes"]), kill["named"]) == (expected, expected, False)
        assert not set(kill["shadows"]) & ours
        assert kill["left"] == [FOLDER]
