"""The pages that code writes are what the code says now."""

import pytest

from tests.docs.generated import PAGES
from tests.docs.pages import ROOT


@pytest.mark.parametrize("page", PAGES)
def test_a_generated_page_is_current(page: str) -> None:
    assert (ROOT / page).read_text(encoding="utf-8") == PAGES[page](), "the code has changed: run `make reference`"
