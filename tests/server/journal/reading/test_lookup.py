"""Calls are found in the journal by their ids, and little is read for it."""

import time
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from scoreline_registry.registry import Registry
from scoreline_server.journal.format.blocks import Block, Fault, Kind, framed, heads, scan
from scoreline_server.journal.reading import lookup as lookup_module
from scoreline_server.journal.reading.lookup import CallFinder, KnownCall, find_calls
from scoreline_server.journal.reading.reader import journal_files, read_records
from scoreline_server.scoring.call_ids import new_call_ids
from tests.server.journals import FACTS, catalog_of, journal_in, scored
from tests.server.many_rows import ManyRows, write_rows
from tests.server.routes import apply
from tests.server.toys import publish_linear
from tests.server.wire import entity, named

ABSENT = bytes(12)


def ids_in(*folders: Path) -> list[bytes]:
    return [id_.tobytes() for records in read_records(folders) for id_ in records.arrays.call_ids]


def as_older_writers(folder: Path) -> None:
    """Makes files be of a writer whose ids say no time."""
    for path in journal_files([folder]):
        head, *rest = [block for block in scan(BytesIO(path.read_bytes())) if isinstance(block, Block)]
        assert head.kind == Kind.FILE
        whole = path.read_bytes()
        path.write_bytes(framed(Kind.FILE, replace(FACTS, timed_ids=False).body()) + whole[rest[0].start :])


def test_an_id_begins_with_its_second_and_is_random_then() -> None:
    before = int(time.time())
    ids = new_call_ids(1000)
    single = new_call_ids(1)
    after = int(time.time())
    assert (len(ids), len(single)) == (12_000, 12)
    split = np.frombuffer(ids + single, [("second", ">u4"), ("random", ">u8")])
    assert before <= split["second"].min() <= split["second"].max() <= after
    assert len(np.unique(split["random"])) == 1001


def test_what_a_server_scored_is_known_with_its_route_and_rows(registry: Registry, tmp_path: Path) -> None:
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    apply(registry, "route: other\nschema: {like: linear@champion}\nrules: [{split: {linear@champion: 100}}]\n")
    calls = [named(*(entity(f"c{at}", income=1.0, age=1.0, debt=1.0) for at in range(rows)), route=route)
             for route, rows in (("credit", 1), ("other", 3), ("other", 2))]  # fmt: skip
    answers, seen = scored(catalog_of(registry), *calls)
    journal = journal_in(tmp_path)
    for one in seen:
        journal(one)
    journal.close()
    found = find_calls([tmp_path], [*(answer.call_id for answer in answers), ABSENT])
    expected = [KnownCall("credit", 1), KnownCall("other", 3), KnownCall("other", 2)]
    assert found.calls == {answer.call_id: call for answer, call in zip(answers, expected, strict=True)}
    assert found.is_complete


@pytest.mark.parametrize("older", [False, True])
def test_the_calls_of_several_hosts_are_found_among_many(tmp_path: Path, older: bool) -> None:
    for host, start in (("a", 1_790_000_000), ("b", 1_790_000_100)):
        write_rows(tmp_path / host, ManyRows(rows=60_000, start=start * 10**9, seed=start))
        if older:
            as_older_writers(tmp_path / host)
    hosts = (tmp_path / "a", tmp_path / "b")
    wanted = ids_in(*hosts)[::9973]
    found = find_calls(hosts, [*wanted, ABSENT])
    assert found.calls == dict.fromkeys(wanted, KnownCall("credit", 1))
    assert found.is_complete


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of what the lookup reads from now on."""
    read: Callable[[BinaryIO, int, int], bytes] = lookup_module._read
    sizes: list[int] = []

    def counting(file: BinaryIO, start: int, end: int) -> bytes:
        sizes.append(end - start)
        return read(file, start, end)

    monkeypatch.setattr(lookup_module, "_read", counting)
    return sizes


def test_only_the_blocks_of_the_second_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = write_rows(tmp_path, ManyRows(rows=400_000, per_second=500))
    every = ids_in(tmp_path)
    sizes = counted(monkeypatch)
    finder = CallFinder([tmp_path])
    assert finder.find([every[200_000]]).calls.keys() == {every[200_000]}
    assert sum(sizes) < 0.15 * path.stat().st_size
    sizes.clear()
    assert finder.find([every[300_000]]).calls.keys() == {every[300_000]}
    assert sum(sizes) < 12 * 16384 * 3
    sizes.clear()
    late = (1_900_000_000).to_bytes(4, "big") + bytes(8)
    assert not finder.find([late]).calls
    assert not sizes


def test_a_search_in_files_of_older_writers_is_bounded_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rows(tmp_path, ManyRows(rows=60_000))
    as_older_writers(tmp_path)
    oldest, *_, newest = ids_in(tmp_path)
    monkeypatch.setattr(lookup_module, "_MOST_BYTES", 1)
    found = find_calls([tmp_path], [newest])
    assert (set(found.calls), found.is_complete) == ({newest}, True)
    found = find_calls([tmp_path], [oldest, newest])
    assert (set(found.calls), found.is_complete) == ({newest}, False)


def test_a_finder_sees_what_is_appended_and_passes_over_what_is_damaged(tmp_path: Path) -> None:
    (path,) = write_rows(tmp_path, ManyRows(rows=80_000))
    whole = path.read_bytes()
    every = ids_in(tmp_path)
    places = [head.start for head in heads(BytesIO(whole)) if head.kind == Kind.ROWS]
    path.write_bytes(whole[: places[2] + 1000])
    finder = CallFinder([tmp_path])
    wanted = [every[0], every[40_000], every[79_999]]
    assert finder.find(wanted).calls.keys() == set(wanted[:1])
    path.write_bytes(whole[: places[2]] + b"damage" + whole[places[2] + 6 :])
    assert finder.find(wanted).calls.keys() == {wanted[0], wanted[2]}
    path.unlink()
    assert not finder.find(wanted).calls


def test_heads_are_those_of_the_sound_blocks(tmp_path: Path) -> None:
    (path,) = write_rows(tmp_path, ManyRows(rows=50_000))
    whole = path.read_bytes()
    blocks = [block for block in scan(BytesIO(whole)) if isinstance(block, Block)]
    assert [(head.kind, head.start, head.end) for head in heads(BytesIO(whole))] == [
        (block.kind, block.start, block.end) for block in blocks
    ]
    torn = BytesIO(whole[:-1])
    assert [head.end for head in heads(torn)] == [block.end for block in blocks[:-1]]
    assert any(isinstance(found, Fault) for found in scan(torn))


def test_an_id_is_found_alone_whatever_its_bytes(registry: Registry, tmp_path: Path) -> None:
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    calls = [named(entity(f"c{at}", income=1.0, age=1.0, debt=1.0)) for at in range(40)]
    journal = journal_in(tmp_path)
    for one in scored(catalog_of(registry), *calls)[1]:
        journal(one)
    journal.close()
    finder = CallFinder([tmp_path])
    ids = ids_in(tmp_path)
    assert len(ids) == 40
    assert {each for each in ids if each not in finder.find([each]).calls} == set()
