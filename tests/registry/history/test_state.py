"""The state of a registry as documents by name."""

from typing import Any

import pytest

from scoreline_registry.errors import NotFoundError
from scoreline_registry.history.state import Documents


@pytest.mark.parametrize(
    ("known", "hint"),
    [
        ([], "there is no model yet"),
        (["credit", "churn"], "did you mean 'credit'?"),
        (["zeta", "omega"], "there are omega, zeta"),
        ([f"m{at:02}" for at in range(8)], "there are m00, m01, m02, m03, m04, m05, m06, m07"),
        ([f"m{at:02}" for at in range(9)], "there are m00, m01, m02, m03, m04, m05, m06, m07, …"),
    ],
)
def test_a_name_that_is_not_there_is_answered_with_those_that_are(known: list[str], hint: str) -> None:
    documents: Documents[Any] = Documents("model", dict.fromkeys(known, "digest"), str)
    with pytest.raises(NotFoundError) as caught:
        documents.require("credits")
    assert str(caught.value).endswith(hint)


def test_documents_that_were_added_are_found_without_being_loaded() -> None:
    empty: Documents[Any] = Documents("model", {}, lambda digest: pytest.fail(f"loads {digest}"))
    added = empty.put("credit", "document", b"bytes", {"part": b"p"})
    assert (added["credit"], list(added), "credit" in added, len(empty)) == ("document", ["credit"], True, 0)
    assert set(added.unwritten.values()) == {b"bytes", b"p"}
    assert list(added.without("credit")) == []
