"""What a recipe is trained on: a file, a generator, or several files that make one table."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Discriminator, Field, Tag

from scoreline_trainers.data.columns import Spec
from scoreline_trainers.data.training_tables.spec import Sources


class Synthetic(Spec):
    """Data that a generator makes: ``scoreline data synth`` writes the same."""

    synthetic: str
    rows: int = Field(default=20_000, ge=1)
    seed: int = Field(default=0, ge=0)


def _kind_of_data(given: object) -> str:
    """Which kind of ``data`` is meant, so that mistakes are reported about that kind alone."""
    if isinstance(given, str):
        return "str"
    if isinstance(given, Mapping):
        return "Synthetic" if "synthetic" in given else "Sources"
    return type(given).__name__ if isinstance(given, Synthetic | Sources) else "str"


Data = Annotated[
    Annotated[Synthetic, Tag("Synthetic")] | Annotated[str, Tag("str")] | Annotated[Sources, Tag("Sources")],
    Discriminator(_kind_of_data),
]
"""A file, a generator, or several files that make one table."""
