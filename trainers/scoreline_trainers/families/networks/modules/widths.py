"""Sizes of layers, as a recipe may give them."""

from typing import Annotated

from pydantic import AfterValidator, Field

Width = Annotated[int, Field(ge=1)]

# One layer or more, first to last.
Widths = Annotated[tuple[Width, ...], Field(min_length=1)]


def _odd(kernel: int) -> int:
    if kernel % 2 == 0:
        raise ValueError("a kernel is odd, so that it reaches as far back as ahead")
    return kernel


OddKernel = Annotated[int, Field(ge=1), AfterValidator(_odd)]
