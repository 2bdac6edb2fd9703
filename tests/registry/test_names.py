from collections.abc import Callable

import pytest
from pydantic import TypeAdapter

from scoreline_registry.documents.documents import Name
from scoreline_registry.errors import InvalidError, InvalidNameError
from scoreline_registry.history.changes import SetAlias
from scoreline_registry.names import ModelRef, check_feature_name, check_name
from scoreline_registry.registry import Registry
from tests.registry.samples import MODEL_BYTES, manifest, publish, spec

HOSTILE = [
    "",
    ".",
    "..",
    "../up",
    "a/b",
    "a\\b",
    "/abs",
    "-a",
    "a-",
    "a--b",
    "a..b",
    "7",
    "Upper",
    "ünicode",
    "a b",
    "a\n",
    "a\x00",
    "a@b",
    "a" * 65,
    "con\u0000",
    "\u202ea",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_refused_wherever_a_name_goes_in(registry: Registry, name: str) -> None:
    publish(registry)
    with pytest.raises(InvalidNameError):
        check_name("model", name)
    with pytest.raises(InvalidNameError):
        publish(registry, name)
    with pytest.raises(InvalidNameError):
        registry.commit(SetAlias("credit", name, 1), author="tester", message="")
    with pytest.raises(ValueError, match="not a valid name"):
        spec(route=name)
    with pytest.raises(InvalidError, match="not a valid name"):
        registry.publish(
            "credit", files={"model.onnx": MODEL_BYTES, name: b"x"}, manifest=manifest(), author="a", message=""
        )
    assert registry.latest().revision == 1


@pytest.mark.parametrize("name", ["a", "credit", "credit-lgbm", "credit_lgbm.v2", "a1", "a" * 64])
def test_ordinary_names_pass(name: str) -> None:
    assert check_name("model", name) == name


@pytest.mark.parametrize("name", [*HOSTILE, "a", "credit", "credit-lgbm", "credit_lgbm.v2", "a" * 64])
def test_stored_names_follow_the_same_rule(name: str) -> None:
    def passes(check: Callable[[str], object]) -> bool:
        try:
            check(name)
        except ValueError:
            return False
        return True

    assert passes(TypeAdapter(Name).validate_python) == passes(lambda text: check_name("model", text))


@pytest.mark.parametrize("text", ["credit@champion", "credit@7", "credit-lgbm@a.b"])
def test_a_reference_reads_and_writes_the_same(text: str) -> None:
    assert str(ModelRef.parse(text)) == text


@pytest.mark.parametrize("text", ["credit", "credit@", "@7", "credit@0", "credit@07", "credit@-1", "credit@٣", "a@b@c"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(InvalidNameError):
        ModelRef.parse(text)


def test_a_reference_with_a_huge_number_is_refused() -> None:
    with pytest.raises(InvalidNameError):
        ModelRef.parse("credit@" + "9" * 5000)


@pytest.mark.parametrize("name", ["", " a", "a ", "a\nb", "\x1b[31m", "a" * 201, "\u200b"])
def test_a_feature_name_that_cannot_be_seen_is_refused(name: str) -> None:
    with pytest.raises(InvalidNameError):
        check_feature_name(name)


def test_a_long_hostile_name_does_not_fill_the_screen() -> None:
    with pytest.raises(InvalidNameError) as caught:
        check_name("model", "x/" * 100_000)
    assert len(str(caught.value)) < 300
