"""The commands that record events and work on what is stored of entities."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from scoreline.cli.app import scoreline
from scoreline_registry.history.profile_changes import RemoveProfile
from scoreline_registry.profiles.profile_file import read_profile
from scoreline_registry.registry import Registry
from tests.server.events.spending import SPENDING

HEADER = "entity_id,id,time,type,amount,category,page,referrer\n"
ROWS = [
    "ann,1,2026-10-01T12:00:00,purchase,10,food,,",
    "ann,2,2026-10-02T12:00:00,purchase,5,rent,,",
    "ann,3,2026-10-02T12:00:05,click,,,cart,",
    "ann,4,2026-10-02T13:00:00,referral,,,,bob",
    "bob,5,2026-10-03T12:00:00,purchase,1,food,,",
]


@pytest.fixture
def place(tmp_path: Path) -> list[str]:
    """The options that name a registry with the profile."""
    registry = Registry.create(str(tmp_path / "registry"))
    registry.apply_profile(read_profile(SPENDING, source="spending.yaml"), author="ann", message="first")
    return ["--registry", str(tmp_path / "registry")]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "events.csv"
    file.write_text(HEADER + "\n".join(ROWS))
    return file


def run(*arguments: object) -> Result:
    return CliRunner().invoke(scoreline, [str(argument) for argument in arguments])


def printed(*arguments: object) -> Any:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_events_are_imported_shown_counted_and_forgotten(place: list[str], log: Path) -> None:
    done = run("events", "import", log, "--profile", "spending", *place)
    assert (done.exit_code, done.stdout) == (0, "5 kept, 0 repeated, 0 late, 0 refused\n")
    again = printed("events", "import", log, "--profile", "spending", *place)
    assert (again["kept"], again["repeated"] + again["late"]) == (0, 5)

    shown = printed("profile", "show", "ann", "--profile", "spending", "--at", "2026-10-05", *place)
    assert shown["features"] | {"amount_z": None} == {
        "purchases": 2, "purchases_30d": 2, "spent_30d": 15, "last_page": "cart", "amount_z": None,
        "is_new_category": None,
    }  # fmt: skip
    assert shown["sequences"]["steps"] == [
        {"amount": 10, "category": "food"}, {"amount": 5, "category": "rent"},
    ]  # fmt: skip
    assert (shown["neighbors"], shown["is_new"]) == ({"referrers": ["bob"]}, False)
    before = printed("profile", "show", "ann", "--profile", "spending", "--at", "2026-10-02T00:00:00", *place)
    assert (before["time"], before["features"]["purchases"]) == ("2026-10-02T00:00:00.000000Z", 1)

    [counted] = printed("profile", "stats", "--digest", *place)["profiles"]
    assert (counted["profile"], counted["entities"], counted["pending"]) == ("spending", 2, 5)
    assert (counted["newest_event"], len(counted["digest"])) == ("2026-10-03T12:00:00.000000Z", 64)

    forgotten = printed("profile", "forget", "ann", *place)
    assert forgotten["profiles"] == ["spending"]
    assert (forgotten["journal"]["rows"], forgotten["journal"]["waiting_files"]) == (0, [])
    assert ["Journals of other hosts" in sentence for sentence in forgotten["remaining"]] == [True]
    shown = printed("profile", "show", "ann", "--profile", "spending", *place)
    assert (shown["is_new"], shown["newest_event"], shown["features"]["spent_30d"]) == (True, None, 0)
    alone = printed("profile", "forget", "ann", "--profile", "spending", *place)
    assert (alone["profiles"], alone["journal"]) == ([], None)
    assert "registry-journal keeps the inputs" in alone["remaining"][0]


def test_a_profile_is_cleared_only_where_that_is_meant(place: list[str], log: Path, tmp_path: Path) -> None:
    run("events", "import", log, "--profile", "spending", *place)
    clear = ("profile", "clear", "--profile", "spending", *place)
    assert run(*clear).stdout == "spending: 2 entities would be removed; add --yes\n"
    assert printed("profile", "stats", *place)["profiles"][0]["entities"] == 2
    Registry.open(str(tmp_path / "registry")).commit(RemoveProfile("spending"), author="ann", message="gone")
    assert printed(*clear, "--yes") == {"profile": "spending", "entities": 2, "removed": True}
    assert run(*clear).stdout == "spending: 0 entities would be removed; add --yes\n"


def test_a_person_reads_features_and_counts(place: list[str], log: Path) -> None:
    run("events", "import", log, "--profile", "spending", *place)
    shown = run("profile", "show", "ann", "--profile", "spending", "--at", "2026-10-05", *place)
    assert shown.stdout.splitlines()[0] == (
        "ann as of 2026-10-05T00:00:00.000000Z: 4 events pending, newest 2026-10-02T13:00:00.000000Z"
    )
    shown_bob = run("profile", "show", "bob", "--profile", "spending", "--at", "2026-10-05", *place).stdout
    assert "Z: 1 event pending, newest" in shown_bob.splitlines()[0]
    assert "spent_30d        15" in shown.stdout
    assert "referrers        bob" in shown.stdout
    assert "PROFILE   ENTITIES  PENDING" in run("profile", "stats", *place).stdout
    assert run("profile", "forget", "nobody", *place).stdout.startswith("nobody: no profile has it\n")


def test_wrong_rows_fail_alone_and_the_exit_code_says_so(place: list[str], log: Path) -> None:
    log.write_text(HEADER + "\n".join([ROWS[0], "ann,9,2026-10-01T12:00:00,refund,1,,,", ROWS[1]]))
    done = run("events", "import", log, "--profile", "spending", *place)
    assert (done.exit_code, done.stdout) == (1, "2 kept, 0 repeated, 0 late, 1 refused\n")
    assert "row 2: type: unknown event type 'refund'" in done.stderr


def test_a_backfill_in_any_order_has_the_digest_of_live_events(place: list[str], log: Path, tmp_path: Path) -> None:
    run("events", "import", log, "--profile", "spending", *place)
    other = ["--store", f"sqlite:{tmp_path / 'other.sqlite'}"]
    log.write_text(HEADER + "\n".join(reversed([*ROWS, ROWS[0]])))
    report = printed("profile", "backfill", log, "--profile", "spending", *place, *other)
    assert (report["entities"], report["events"], report["repeated"]) == (2, 5, 1)
    stats = [printed("profile", "stats", "--digest", *place, *more)["profiles"][0] for more in ([], other)]
    assert stats[0]["digest"] == stats[1]["digest"]


def test_a_rebuild_fills_a_new_feature_and_leaves_what_the_log_does_not_cover(
    place: list[str], log: Path, tmp_path: Path
) -> None:
    events = [f"cat,c{day},2026-{9 + day // 30:02}-{day % 30 + 1:02}T12:00:00,purchase,1,food,," for day in range(40)]
    log.write_text(HEADER + "\n".join(events))
    run("events", "import", log, "--profile", "spending", *place)
    registry = Registry.open(str(tmp_path / "registry"))
    changed = SPENDING + "  spent: {aggregate: sum, events: purchase, field: amount}\n"
    registry.apply_profile(read_profile(changed, source="spending.yaml"), author="ann", message="second")
    show = ("profile", "show", "cat", "--profile", "spending", *place)
    assert 0 < printed(*show)["features"]["spent"] < 40

    features = {
        each["feature"]: each for each in printed("profile", "rebuild", "--profile", "spending", *place)["features"]
    }
    assert features["spent_30d"] == {"feature": "spent_30d", "since": None, "complete_from": None}
    assert features["spent"]["since"] is not None
    assert features["spent"]["complete_from"] is None
    plain = run("profile", "rebuild", "--profile", "spending", *place).stdout
    assert plain.startswith("0 states rewritten; without a log, features count\n")
    assert "a rebuild with LOG" in plain

    half = tmp_path / "half.csv"
    half.write_text(HEADER + "\n".join(events[:20]))
    done = run("profile", "rebuild", half, "--profile", "spending", *place)
    assert done.exit_code == 1
    assert (
        "1 entities left as they are, because their states hold events that the log does not have: cat" in done.stderr
    )
    assert printed(*show)["features"]["spent"] < 40
    assert printed("profile", "rebuild", log, "--profile", "spending", *place)["entities"] == 1
    assert printed(*show)["features"]["spent"] == 40


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["profile", "show", "ann", "--profile", "spnding"], 1, "did you mean 'spending'?"),
        (["profile", "show", "ann", "--profile", "spending", "--at", "noon"], 2, "2026-11-01T12:30:00Z"),
        (["profile", "stats", "--store", "off"], 2, "there is no store of profiles: give --store"),
        (["profile", "stats", "--store", "mysql:x"], 1, "unknown store 'mysql'"),
        (["events", "import", __file__, "--profile", "spending"], 1, "ends in none of .parquet, .csv, .jsonl"),
        (["events", "import", __file__, "--profile", "spending", "--column", "amount=x"], 2, "fields take --field"),
        (["events", "import", __file__, "--profile", "spending", "--field", "amount"], 2, "write NAME=COLUMN"),
    ],
)
def test_what_is_wrong_is_one_line(place: list[str], arguments: list[str], code: int, says: str) -> None:
    done = run(*arguments, *place)
    assert done.exit_code == code, done.output
    assert says in done.stderr
    assert "Traceback" not in done.output
