"""A made-up world of segments that behave differently, and one that nobody has seen."""

import numpy as np
import polars as pl

from scoreline_trainers.data.columns import Columns, FeatureSpec

NUMBERS = ("a", "b", "c", "d", "e", "f")
WORLD = Columns(
    label="label",
    features=(
        *(FeatureSpec(name=name) for name in NUMBERS),
        FeatureSpec(name="segment", kind="category", required=False),
    ),
)

# What moves the odds: a curve of a, b times c, and how far d is from zero. e and f are noise.
USUAL = (1.2, 0.8, 0.0)
# Among segments it varies with a standard deviation of 2, so this one is strange but not outlandish.
STRANGE = (-1.5, 2.0, 2.0)


def segments(count: int, rows: int, *, seed: int = 0) -> pl.DataFrame:
    """``rows`` rows of each of ``count`` segments s00, s01, ..., shuffled."""
    draw = np.random.default_rng(seed)
    effects = np.array(USUAL) + 2 * draw.normal(size=(count, 3))
    bases = draw.normal(0, 0.5, count)
    frames = [_segment(f"s{index:02}", effects[index], bases[index], rows, draw) for index in range(count)]
    return pl.concat(frames).sample(fraction=1, shuffle=True, seed=seed)


def odd_segment(rows: int, *, name: str = "new", seed: int = 100) -> pl.DataFrame:
    """A segment whose behaviour differs from the usual."""
    return _segment(name, np.array(STRANGE), 0.0, rows, np.random.default_rng(seed))


def new_segments(count: int, rows: int, *, seed: int = 200) -> list[pl.DataFrame]:
    """Segments that behave as differently as the known ones do among themselves."""
    draw = np.random.default_rng(seed)
    effects = np.array(USUAL) + 2 * draw.normal(size=(count, 3))
    return [_segment(f"n{index:02}", effects[index], 0.0, rows, draw) for index in range(count)]


def _segment(
    name: str, effects: np.ndarray[tuple[int], np.dtype[np.float64]], base: float, rows: int, draw: np.random.Generator
) -> pl.DataFrame:
    x = draw.normal(size=(rows, len(NUMBERS)))
    causes = np.stack([1.3 * np.tanh(1.5 * x[:, 0]), x[:, 1] * x[:, 2], 1.6 * np.abs(x[:, 3]) - 1.28], axis=1)
    label = draw.random(rows) < 1 / (1 + np.exp(-base - causes @ effects))
    return pl.DataFrame(x, schema=list(NUMBERS)).with_columns(
        pl.lit(name).alias("segment"), pl.Series("label", label.astype(np.int8))
    )
