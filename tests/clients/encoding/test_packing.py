"""What callers give becomes the blocks that the schema lays out, or is refused with the place named."""

import math
from collections.abc import Iterator
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoreline import Columns, Entity, InvalidRequestError, RouteSchema
from scoreline.calls.call_options import CallOptions
from scoreline.encoding.block import cut
from scoreline.encoding.packing import pack_columns, pack_entities
from scoreline.encoding.row import join_rows, pack_row
from scoreline.encoding.row_chunks import row_chunks
from scoreline.v1 import scoring_pb2 as pb
from tests.clients.sums import route_schema

Numbers = ("income", "age")
Words = ("status", "city")
Steps = ("spend", "visits")
Around = ("late", "age")

numbers = st.one_of(st.none(), st.floats(width=32), st.booleans(), st.integers(-(2**24), 2**24))
words = st.one_of(st.none(), st.text(max_size=5))
odd = st.one_of(numbers, words, st.sampled_from([1e39, -1e39, 10**400, math.inf, "\ud800", b"", 1j]))
entities = st.builds(
    lambda entity_id, features, sequence, neighbors, segment: Entity(
        entity_id=entity_id,
        features=features,
        sequence=sequence,
        neighbors=neighbors,
        context={"segment": segment} if segment else {},
    ),
    st.text(max_size=5),
    st.fixed_dictionaries({}, optional={**dict.fromkeys(Numbers, numbers), **dict.fromkeys(Words, words)}),
    st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(Steps, numbers)), max_size=4),
    st.none() | st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(Around, numbers)), max_size=4),
    words,
)


@pytest.fixture(scope="module")
def schema() -> RouteSchema:
    return route_schema(numbers=Numbers, categories=Words, steps=Steps, neighbors=Around)


def unpack(packed: pb.PackedEntities) -> list[dict[str, Any]]:
    """The wire's blocks as plain values; missing ones are left out."""
    count = len(packed.entity_ids)
    blocks = np.frombuffer(packed.numbers, "<f4").reshape(count, len(Numbers))
    codes = np.frombuffer(packed.categories, "<i4").reshape(count, len(Words))
    steps = items(packed.steps, packed.lengths, Steps)
    neighbors = items(packed.neighbors, packed.neighbor_counts, Around)
    contexts = list(packed.contexts)
    contexts = contexts * count if len(contexts) == 1 else contexts or [pb.Context()] * count
    return [
        {
            "id": packed.entity_ids[row],
            "features": present(zip(Numbers, blocks[row].tolist(), strict=True))
            | {name: packed.dictionary[code] for name, code in zip(Words, codes[row], strict=True) if code >= 0},
            "sequence": steps[row],
            "neighbors": neighbors[row],
            "segment": contexts[row].values["segment"].text if "segment" in contexts[row].values else None,
        }
        for row in range(count)
    ]


def items(values: bytes, counts: bytes, names: tuple[str, ...]) -> list[list[dict[str, Any]]]:
    """Each row's steps or neighbours."""
    block = np.frombuffer(values, "<f4").reshape(-1, len(names)).tolist()
    found = iter([present(zip(names, item, strict=True)) for item in block])
    return [[next(found) for _ in range(count)] for count in np.frombuffer(counts, "<i4")]


def present(pairs: Any) -> dict[str, Any]:
    return {name: value for name, value in pairs if value is not None and value == value}


def plain(entity: Entity) -> dict[str, Any]:
    """An entity as ``unpack`` shows it."""
    return {
        "id": entity.entity_id,
        "features": present(entity.features.items()),
        "sequence": [present(step.items()) for step in entity.sequence or ()],
        "neighbors": [present(neighbor.items()) for neighbor in entity.neighbors or ()],
        "segment": entity.context.get("segment"),
    }


@settings(max_examples=150)
@given(batch=st.lists(entities, min_size=1, max_size=6), data=st.data())
def test_any_rows_of_packed_entities_unpack_to_what_was_given(
    batch: list[Entity], data: st.DataObject, schema: RouteSchema
) -> None:
    start = data.draw(st.integers(0, len(batch) - 1))
    stop = data.draw(st.integers(start + 1, len(batch)))
    message = pb.PackedEntities.FromString(pack_entities(batch, schema).message(start, stop).SerializeToString())
    assert unpack(message) == [plain(entity) for entity in batch[start:stop]]


@settings(max_examples=100)
@given(batch=st.lists(entities, min_size=1, max_size=6))
def test_columns_pack_to_the_same_message_as_entities(batch: list[Entity], schema: RouteSchema) -> None:
    columns = Columns(
        features={name: [entity.features.get(name) for entity in batch] for name in Numbers + Words},
        entity_ids=[entity.entity_id for entity in batch],
        sequences=[entity.sequence for entity in batch],
        neighbors=[entity.neighbors for entity in batch],
        contexts=[entity.context for entity in batch],
    )
    by_column = pack_columns(columns, schema).message(0, len(batch))
    by_row = pack_entities(batch, schema).message(0, len(batch))
    assert unpack(by_column) == unpack(by_row)


@settings(max_examples=100)
@given(batch=st.lists(entities, min_size=1, max_size=6))
def test_no_message_is_larger_than_its_rows_were_counted(batch: list[Entity], schema: RouteSchema) -> None:
    block = pack_entities(batch, schema)
    fixed = 64 + (block.contexts[0].ByteSize() if len(block.contexts) == 1 else 0)
    assert block.message(0, len(batch)).ByteSize() <= fixed + int(block.row_bytes().sum())


@given(sizes=st.lists(st.integers(1, 50), max_size=40), max_rows=st.integers(1, 10), max_bytes=st.integers(1, 120))
def test_parts_cover_every_row_once_within_the_limits(sizes: list[int], max_rows: int, max_bytes: int) -> None:
    parts = list(cut(np.array(sizes, np.int64), max_rows=max_rows, max_bytes=max_bytes))
    assert [row for start, stop in parts for row in range(start, stop)] == list(range(len(sizes)))
    assert all(stop - start <= max_rows for start, stop in parts)
    assert all(sum(sizes[start:stop]) <= max_bytes or stop - start == 1 for start, stop in parts)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, 1.0),
        (np.bool_(False), 0.0),
        (np.float64(2.5), 2.5),
        (np.int8(3), 3.0),
        (Decimal("1.5"), 1.5),
        (1e-300, 0.0),
        (math.inf, math.inf),
    ],
)
def test_whatever_counts_as_a_number_becomes_a_float32(value: Any, expected: float, schema: RouteSchema) -> None:
    block = pack_entities([Entity(features={"income": value})], schema)
    assert block.numbers[0, 0] == np.float32(expected)


@pytest.mark.parametrize("value", [None, math.nan, np.float32("nan"), Decimal("nan")])
def test_none_and_nan_are_missing(value: Any, schema: RouteSchema) -> None:
    assert np.isnan(pack_entities([Entity(features={"income": value})], schema).numbers[0, 0])


@pytest.mark.parametrize("value", [None, math.nan, np.float64("nan")])
def test_a_category_may_be_missing(value: Any, schema: RouteSchema) -> None:
    assert pack_entities([Entity(features={"status": value})], schema).categories[0, 0] == -1


@pytest.mark.parametrize(
    ("entity", "reason", "text"),
    [
        (Entity(features={"incom": 1.0}), "UNKNOWN_FEATURE", "nearest it has is 'income'"),
        (Entity(features={"income": "12"}), "WRONG_TYPE", "'income' takes a number, not str"),
        (Entity(features={"income": 1j}), "WRONG_TYPE", "'income' takes a number, not complex"),  # type: ignore[dict-item]
        (Entity(features={"income": 1e39}), "NOT_FINITE", "'income' is a number too large"),
        (Entity(features={"income": 10**400}), "NOT_FINITE", "'income' is a number too large"),
        (Entity(features={"status": 3}), "WRONG_TYPE", "'status' takes a category's name as text, not int"),
        (Entity(entity_id=1.5), "WRONG_TYPE", "'entity_id' takes text or a whole number, not float"),  # type: ignore[arg-type]
        (Entity(entity_id=True), "WRONG_TYPE", "'entity_id' takes text or a whole number, not bool"),
        (Entity(sequence=np.zeros((4, 3))), "WRONG_BLOCK_LENGTH", r"numbers \[T, 2\], not float64 \[4, 3\]"),
        (Entity(sequence=np.array([["a", "b"]])), "WRONG_BLOCK_LENGTH", "not <U1"),
        (Entity(sequence=[{"spent": 1.0}]), "UNKNOWN_FEATURE", "nearest it has is 'spend'"),
        (Entity(sequence=[{}, {"visits": 1e39}]), "NOT_FINITE", r"'sequence\[1\].visits'"),
        (Entity(sequence=[[1.0, 2.0]]), "WRONG_TYPE", "a mapping per step"),  # type: ignore[list-item]
        (Entity(neighbors=np.zeros((4, 3))), "WRONG_BLOCK_LENGTH", r"numbers \[K, 2\], not float64 \[4, 3\]"),
        (
            Entity(neighbors=[{"lat": 1.0}]),
            "UNKNOWN_FEATURE",
            "no neighbor feature 'lat'; the nearest it has is 'late'",
        ),
        (Entity(neighbors=[{}, {"age": 1e39}]), "NOT_FINITE", r"'neighbors\[1\].age'"),
        (Entity(context={"segment": [1]}), "WRONG_TYPE", "'context.segment' takes"),  # type: ignore[dict-item]
    ],
)
def test_what_no_route_could_take_is_refused_with_row_and_feature(
    entity: Entity, reason: str, text: str, schema: RouteSchema
) -> None:
    with pytest.raises(InvalidRequestError, match=f"^row 1: .*{text}") as caught:
        pack_entities([Entity(), entity], schema)
    assert (caught.value.reason, caught.value.metadata["row"]) == (reason, "1")


def test_a_refusal_never_repeats_a_value(schema: RouteSchema) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        pack_entities([Entity(features={"income": "hunter2"})], schema)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"features": {"incom": [1.0]}}, "nearest it has is 'income'"),
        ({"features": {"income": np.array(["1"])}}, "'income' takes numbers, not <U1"),
        ({"features": {"income": ["1"]}}, "row 0: 'income' takes a number, not str"),
        ({"features": {"income": np.zeros((1, 2))}}, "'income' must be a column"),
        ({"features": {"income": [1.0, 2.0], "age": [1.0]}}, "'age' must be a column"),
        ({"features": {"income": np.array([1.0, 1e39])}}, "row 1: 'income' is a number too large"),
        ({"features": {"status": np.array([1, 2])}}, "'status' takes category names as text, not int64"),
        ({"features": {"income": [1.0]}, "contexts": [{}, {}]}, "'contexts' must be none, one"),
        ({"features": {}, "sequences": np.zeros((2, 3, 5))}, "'sequences' must be numbers"),
        ({"features": {}, "sequences": np.zeros((2, 3, 2)), "lengths": [1, 4]}, "lengths must lie from 0 to 3"),
        ({"features": {}, "sequences": np.zeros((2, 3, 2)), "lengths": [1.0, 2.0]}, "'lengths' must be whole numbers"),
        ({"features": {}, "neighbors": np.zeros((2, 3, 5))}, r"'neighbors' must be numbers \[2, K, 2\]"),
        (
            {"features": {}, "neighbors": np.zeros((2, 3, 2)), "neighbor_counts": [0, 4]},
            "neighbor_counts must lie from 0 to 3, the K of neighbors",
        ),
        (
            {"features": {}, "sequences": np.array([[[0, 0]] * 3, [[0, 1e39]] * 3]), "lengths": [3, 2]},
            r"row 1: 'sequence\[0\].visits' is a number too large",
        ),
    ],
)
def test_columns_that_cannot_be_are_refused(columns: dict[str, Any], text: str, schema: RouteSchema) -> None:
    with pytest.raises(InvalidRequestError, match=text):
        pack_columns(Columns(**columns), schema)


def test_columns_come_as_arrays_of_any_kind(schema: RouteSchema) -> None:
    block = pack_columns(
        Columns(
            features={
                "income": np.array([1, 2, 3], np.int16),
                "age": np.ma.masked_array([1.0, 2.0, 3.0], mask=[False, True, False]),
                "status": np.array(["a", "b", "a"]),
                "city": np.array(["x", None, math.nan], object),
            },
            entity_ids=np.array(["p", "q", "r"]),
        ),
        schema,
    )
    np.testing.assert_array_equal(block.numbers, np.array([[1, 1], [2, np.nan], [3, 3]], np.float32))
    assert [[block.dictionary[code] if code >= 0 else None for code in row] for row in block.categories] == [
        ["a", "x"],
        ["b", None],
        ["a", None],
    ]
    assert block.entity_ids == ["p", "q", "r"]


def test_padded_sequences_are_cut_to_their_lengths(schema: RouteSchema) -> None:
    sequences = np.arange(12, dtype=np.float64).reshape(2, 3, 2)
    block = pack_columns(Columns(features={}, sequences=sequences, lengths=[1, 2]), schema)
    np.testing.assert_array_equal(block.ragged[0].values, np.array([[0, 1], [6, 7], [8, 9]], np.float32))
    np.testing.assert_array_equal(np.frombuffer(block.message(0, 2).lengths, "<i4"), [1, 2])


def test_padded_neighbors_are_cut_to_their_counts_and_nobody_needs_any(schema: RouteSchema) -> None:
    neighbors = np.arange(12, dtype=np.float64).reshape(2, 3, 2)
    message = pack_columns(Columns(features={}, neighbors=neighbors, neighbor_counts=[0, 2]), schema).message(0, 2)
    np.testing.assert_array_equal(np.frombuffer(message.neighbors, "<f4"), [6, 7, 8, 9])
    np.testing.assert_array_equal(np.frombuffer(message.neighbor_counts, "<i4"), [0, 2])


@pytest.mark.parametrize(("entity", "part"), [(Entity(sequence=[]), "sequence"), (Entity(neighbors=[]), "neighbors")])
def test_a_route_that_takes_no_such_part_refuses_it(entity: Entity, part: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"takes no {part}") as caught:
        pack_entities([entity], route_schema())
    assert caught.value.reason == f"UNEXPECTED_{part.upper()}"


def test_one_context_for_all_travels_once_and_types_are_kept_apart(schema: RouteSchema) -> None:
    same = pack_entities([Entity(context={"segment": "a"})] * 3, schema)
    apart = pack_entities([Entity(context={"vip": True}), Entity(context={"vip": 1})], schema)
    assert len(same.message(0, 2).contexts) == 1
    assert [context.values["vip"].WhichOneof("kind") for context in apart.contexts] == ["flag", "number"]


@pytest.mark.parametrize(
    ("rows", "beside", "text"),
    [
        ([5], {}, "'rows' takes Entity values, .* not int"),
        (5, {}, "'rows' takes Entity values, .* not int"),
        ("rows", {}, "'rows' takes Entity values, .* not str"),
        (Entity(), {}, "rows: give a list of Entity values"),
        ([Entity()], {"entity_ids": ["a"]}, "entity_ids belong beside columns .* not beside list; Entity values hold"),
        ([{"income": 1.0}], {"entity_ids": ["a"]}, "entity_ids belong beside columns .* not beside list"),
        ({"income": [1.0, 2.0]}, {"entity_ids": ["a"]}, r"'entity_ids' must be \[2\] like the columns, not \[1\]"),
        ({"income": [1.0]}, {"entity_ids": "incom"}, "there is no column 'incom'; the nearest it has is 'income'"),
        ({"income": {1.0}}, {}, "'income' takes a column with a length"),
        ({"income": iter([1.0])}, {}, "'income' takes a column with a length"),
        ({"income": [1.0, 2.0], "age": [1.0]}, {}, "'age' must be a column"),
        ({"income": [1.0]}, {"lengths": [1, 2]}, "'lengths' must be"),
        ({"income": [1.0]}, {"neighbor_counts": [1, 2]}, "'neighbor_counts' must be"),
    ],
)
def test_rows_must_be_entities_or_columns(rows: Any, beside: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidRequestError, match=text):
        list(row_chunks(rows, **beside).chunks)


def test_rows_are_taken_no_sooner_than_they_are_asked_for(schema: RouteSchema) -> None:
    taken = []

    def rows() -> Iterator[Entity | dict[str, Any]]:
        for row in range(3000):
            taken.append(row)
            yield Entity(entity_id=str(row))
        yield {"income": np.ones(1500)}

    batches = row_chunks(rows()).chunks
    assert (len(next(batches)), len(taken)) == (1024, 1024)
    assert [(batch.first_row, len(batch)) for batch in batches] == [
        (1024, 1024), (2048, 952), (3000, 1024), (4024, 476)
    ]  # fmt: skip


@settings(max_examples=150)
@given(batch=st.lists(entities, min_size=1, max_size=6))
def test_rows_that_were_packed_apart_travel_as_if_packed_together(batch: list[Entity], schema: RouteSchema) -> None:
    rows = [pack_row(entity, schema) for entity in batch]
    assert unpack(join_rows(rows, schema.digest)) == unpack(pack_entities(batch, schema).message(0, len(batch)))
    assert join_rows(rows, schema.digest).ByteSize() <= 64 + sum(row.size + 8 for row in rows)


@settings(max_examples=150)
@given(features=st.fixed_dictionaries({}, optional={**dict.fromkeys(Numbers, odd), **dict.fromkeys(Words, odd)}))
def test_plain_entities_are_packed_like_any_other(features: dict[str, Any]) -> None:
    schema = route_schema(numbers=Numbers, categories=Words)

    def outcome(entity: Entity) -> Any:
        try:
            return join_rows([pack_row(entity, schema)], schema.digest).SerializeToString(deterministic=True)
        except InvalidRequestError as error:
            return error.message

    # A mapping that is no dict goes the long way.
    assert outcome(Entity(features=features)) == outcome(Entity(features=MappingProxyType(features)))


@pytest.mark.parametrize(
    "entity",
    [
        Entity(entity_id="\ud800"),
        Entity(features={"status": "\ud800"}),
        Entity(context={"segment": "\ud800"}),
        Entity(context={"\ud800": 1.0}),
        Entity(features=[1.0]),  # type: ignore[arg-type]
        Entity(context="premium"),  # type: ignore[arg-type]
        Entity(context={1: 1.0}),  # type: ignore[dict-item]
    ],
)
def test_what_no_message_can_carry_is_refused_without_speaking_of_rows(entity: Entity, schema: RouteSchema) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        pack_row(entity, schema)
    assert "row" not in caught.value.message + str(caught.value.metadata)
    with pytest.raises(InvalidRequestError, match=r"^row 0: "):
        pack_entities([entity], schema)


@pytest.mark.parametrize(
    "wrong",
    [{"route": 3}, {"route": "\ud800"}, {"extras": "zz"}, {"extras": [3]}, {"request_id": 7}, {"request_id": "\udfff"}],
)
def test_names_that_are_no_texts_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match=next(iter(wrong))):
        CallOptions(**{"route": "credit", **wrong})


@pytest.mark.parametrize(
    ("name", "hint"),
    [("incom", "the nearest it has is 'income'"), ("zzz", "it has 'age', 'city', 'income', 'status'")],
)
def test_an_unknown_name_meets_the_nearest_or_those_there_are(name: str, hint: str, schema: RouteSchema) -> None:
    with pytest.raises(InvalidRequestError, match=hint):
        pack_row(Entity(features={name: 1.0}), schema)
