"""A model's versions in pages: they read as a dictionary would, and changing one writes as much as among few."""

import random
from collections.abc import Mapping

import pytest
from pydantic import ValidationError

from scoreline_registry.documents.documents import MODEL_SCHEMA, Retirement, VersionEntry, decode, sha256_hex
from scoreline_registry.documents.model import Model, read_model
from scoreline_registry.documents.model_versions import ModelVersions, P
from scoreline_registry.documents.version_pages import MAX_RECENT, PAGE_SIZE, VersionPage, VersionRef
from scoreline_registry.errors import NotFoundError
from scoreline_registry.history.publication import facts_of
from tests.registry.samples import MOMENT


class Parts:
    """Stored documents by digest; notes which are read and how many bytes are written."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.reads: list[type] = []

    def __call__(self, kind: type[P], digest: str) -> P:
        self.reads.append(kind)
        return decode(kind, self.stored[digest], key=digest, supported=kind.SUPPORTED)

    def store(self, model: Model) -> tuple[Model, int]:
        """Stores a model and reads it again; also gives the bytes that were new."""
        data, parts = model.stored()
        fresh = {
            digest: part for digest, part in {**parts, sha256_hex(data): data}.items() if digest not in self.stored
        }
        self.stored.update(fresh)
        return read_model(data, key="k", load=self), sum(map(len, fresh.values()))


@pytest.fixture
def parts() -> Parts:
    return Parts()


def entry(number: int, *, retired: bool = False) -> VersionEntry:
    retirement = Retirement(at=MOMENT, author="tester", seen=number) if retired else None
    files = {name: facts_of(f"{name} {number}".encode()) for name in ("model.onnx", "golden.npz", "manifest.json")}
    return VersionEntry(files=files, published_at=MOMENT, author="tester", message="m", retired=retirement)


def entries(numbers: range) -> Mapping[int, VersionEntry]:
    return {number: entry(number) for number in numbers}


def filled(parts: Parts, count: int) -> Model:
    """A stored model with ``count`` versions, published one by one from the last few on."""
    bulk = max(0, count - 40)
    model, _ = parts.store(Model.new("credit", parts).with_entries(entries(range(1, bulk + 1))))
    for number in range(bulk + 1, count + 1):
        model, _ = parts.store(model.with_entry(number, entry(number)))
    return model


def published(parts: Parts, model: Model, count: int) -> list[int]:
    """The bytes that each of some further versions writes."""
    written = []
    for number in range(model.next_version, model.next_version + count):
        model, size = parts.store(model.with_entry(number, entry(number)))
        written.append(size)
    return written


@pytest.mark.parametrize("highest", [40, 3000, 999_999_999])
def test_versions_read_as_a_dictionary_whatever_was_changed_in_which_order(parts: Parts, highest: int) -> None:
    chance = random.Random(highest)
    model, expected, abandoned = Model.new("credit", parts), dict[int, VersionEntry](), set[int]()
    history = [model]
    for _ in range(300):
        number = chance.choice(sorted(expected)) if expected and chance.random() < 0.3 else chance.randint(1, highest)
        if number not in expected and (number in abandoned or chance.random() < 0.1):
            model = model.with_abandoned([number])
            abandoned.add(number)
        else:
            expected[number] = entry(number, retired=chance.random() < 0.3)
            model = model.with_entry(number, expected[number])
        model, _ = parts.store(model)
        history.append(model)
    assert dict(model.versions) == expected
    assert model.numbers == sorted(expected)
    assert len(model.versions) == len(expected)
    assert model.versions.table.newest == max(expected)
    assert model.retired == sorted(number for number, one in expected.items() if one.retired)
    assert model.in_use == sorted(number for number, one in expected.items() if not one.retired)
    assert [number for number, ref in model.versions.refs() if ref.abandoned] == sorted(abandoned)
    assert model.next_version > max(*expected, *abandoned)
    for older in (history[0], history[17], history[150], history[299]):
        refs, before = dict(model.versions.refs()), dict(older.versions.refs())
        assert list(model.versions.differences(older.versions)) == [
            (number, before.get(number), refs.get(number))
            for number in sorted({**before, **refs})
            if before.get(number) != refs.get(number)
        ]


def test_what_a_commit_writes_does_not_grow_with_the_number_of_versions(parts: Parts) -> None:
    """A version's entry here is the smallest there is; the files of a version, which do not grow, are left out."""
    moved, means = {}, {}
    for count in (10, 1000, 5000):
        model = filled(parts, count)
        _, moved[count] = parts.store(model.changed(aliases={"champion": 2}))
        means[count] = sum(published(parts, model, 2 * MAX_RECENT)) / (2 * MAX_RECENT)
    assert max(moved.values()) < 1.05 * moved[10]
    assert max(means.values()) < 1.2 * means[10]


def test_reading_one_of_many_versions_reads_a_page_per_level(parts: Parts) -> None:
    model = filled(parts, 5000)
    parts.reads.clear()
    assert model.entry(17) == entry(17)
    assert [kind.__name__ for kind in parts.reads] == ["VersionIndex", *["VersionPage"] * 3, "VersionDocument"]


def test_what_differs_is_found_without_reading_what_does_not(parts: Parts) -> None:
    model = filled(parts, 5000)
    newer = model
    for number in range(5001, 5001 + 2 * MAX_RECENT):
        newer, _ = parts.store(newer.with_entry(number, entry(number)))
    parts.reads.clear()
    assert [number for number, _, _ in newer.versions.differences(model.versions)] == list(range(5001, 5033))
    # Of each of the 32 numbers both sides are looked up, by a page per level.
    assert len(parts.reads) < 250


def test_only_changed_pages_are_written_when_the_list_of_changes_is_full(parts: Parts) -> None:
    model = filled(parts, 5000)
    before = len(parts.stored)
    published(parts, model, MAX_RECENT + 1)
    # Per version its entry, an index and the model's document; once a page of references and the two above it.
    assert len(parts.stored) - before <= 3 * (MAX_RECENT + 1) + 4


def test_an_entry_that_is_there_already_changes_nothing(parts: Parts) -> None:
    model = filled(parts, 40)
    assert model.with_entry(3, entry(3)) is model
    assert model.with_abandoned([3]) is model
    assert model.changed(aliases={}) is model
    assert model.with_entry(3, entry(3, retired=True)) is not model


def test_an_abandoned_number_is_no_version(parts: Parts) -> None:
    model, _ = parts.store(filled(parts, 3).with_abandoned([7]))
    assert 7 not in model.versions
    assert (model.next_version, len(model.versions), model.numbers) == (8, 3, [1, 2, 3])
    with pytest.raises(NotFoundError, match="credit has versions 1, 2, 3"):
        model.entry(7)


def test_the_document_of_a_model_is_of_the_schema_that_needs_a_newer_scoreline(parts: Parts) -> None:
    model = filled(parts, 1)
    assert model.document.schema_number == MODEL_SCHEMA == 3


@pytest.mark.parametrize(
    "page",
    [
        {"level": 0, "pages": {"0": "0" * 64}},
        {"level": 1, "versions": {"1": {"abandoned": True}}},
        {"level": 1, "pages": {"33": "0" * 64}},
        {"level": 0, "versions": {"07": {"abandoned": True}}},
    ],
)
def test_a_page_that_contradicts_itself_is_refused(page: dict[str, object]) -> None:
    assert VersionPage.model_validate({"level": 1, "pages": {str(PAGE_SIZE): "0" * 64}}).pages
    with pytest.raises(ValidationError):
        VersionPage.model_validate(page)


@pytest.mark.parametrize("ref", [{}, {"entry": "0" * 64, "abandoned": True}, {"entry": "x"}])
def test_a_reference_names_an_entry_or_says_that_there_is_none(ref: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        VersionRef.model_validate(ref)


def test_a_model_without_versions_reads_nothing(parts: Parts) -> None:
    empty = ModelVersions("credit", parts)
    assert (len(empty), list(empty), 1 in empty) == (0, [], False)
    assert not parts.reads
