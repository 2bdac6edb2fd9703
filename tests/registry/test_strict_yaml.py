"""YAML that callers send costs a bounded effort, whatever it holds."""

import pytest

from scoreline_registry.errors import InvalidError
from scoreline_registry.strict_yaml import MAX_CHARACTERS, MAX_DEPTH, MAX_VALUES, read_yaml

LAUGHS = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a" * (MAX_CHARACTERS + 1), "1,048,577 characters; at most 1,048,576"),
        ("[" + "1," * MAX_VALUES + "]", "line 1: it has more than 50,000 values"),
        (LAUGHS, "line 5: it has more than 50,000 values, those of aliases included"),
        ("a: &a [1, *a]", "line 1: an alias contains itself"),
        ("a: &a\n  b: *a", "line 2: an alias contains itself"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "line 1: it nests deeper than 32 levels"),
        ("? " * 10_000, "nests deeper"),
        ("a: 1" + ":1" * 100_000, "line 1: a number of more than 400 characters"),
        ("a: " + "1" * 5000, "line 1: a number of more than 400 characters"),
        ("a: 2001-99-99", "it holds a value that cannot be"),
        ("a: *b", "line 1: found undefined alias 'b'"),
    ],
    ids=["characters", "values", "laughs", "self", "self in a mapping", "depth", "keys", "base 60", "digits", "date",
         "undefined"],
)  # fmt: skip
def test_a_document_beyond_a_limit_is_refused_in_words(text: str, says: str) -> None:
    with pytest.raises(InvalidError) as caught:
        read_yaml(text, source="definition")
    assert str(caught.value).startswith("definition: ")
    assert says in str(caught.value)


def test_documents_within_the_limits_are_read() -> None:
    assert read_yaml("[" * MAX_DEPTH + "]" * MAX_DEPTH, source="definition")
    assert len(read_yaml("[" + "1," * (MAX_VALUES - 1) + "]", source="definition")) == MAX_VALUES - 1
    assert len(read_yaml("a: |\n  " + "x" * (MAX_CHARACTERS - 10), source="definition")["a"]) == MAX_CHARACTERS - 10


def test_aliases_repeat_what_they_name() -> None:
    text = "a: &a {x: 1}\nb: *a\nc: [*a, &d [*a], *d]"
    a = {"x": 1}
    assert read_yaml(text, source="definition") == {"a": a, "b": a, "c": [a, [a], [a]]}
