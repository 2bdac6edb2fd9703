"""The table of families has all of them."""

from scoreline_trainers.families import BUILT_IN
from tests.benchmarks.families import SIZES


def test_every_family_is_measured() -> None:
    assert SIZES.keys() == BUILT_IN.keys()
