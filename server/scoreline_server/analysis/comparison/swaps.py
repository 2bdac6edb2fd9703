"""Decisions that a shadow would change: the swap table at each cut-off and the matrix of bands."""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from scoreline_registry.statistics.scores.swap_sets import SwapSet, Table, band_table
from scoreline_server.analysis.report.shadow import BandMatrix, SwapTable
from scoreline_server.analysis.rows.predictions import CHUNK, Version
from scoreline_server.analysis.rows.shadow_pairs import Floats

Values = npt.NDArray[np.floating[Any]]

NO_BAND = "none"
"""Of scores below the lowest band."""


def cut_offs(primary: Version, shadow: Version, given: Iterable[float] = ()) -> list[tuple[str, float, float]]:
    """(name, primary's cut-off, shadow's): where bands that both have begin; without such bands, those given."""
    cuts = dict(zip(shadow.bands, shadow.cuts, strict=True))
    named = zip(primary.bands, primary.cuts, strict=True)
    shared = [(band, cut, cuts[band]) for band, cut in named if band in cuts]
    return shared or [(f"{cut:g}", cut, cut) for cut in sorted(given)]


def is_crossed(cut: tuple[str, float, float], primary: Floats, shadow: Floats) -> bool:
    """Whether any score is below the cut-off; none is where the lowest band begins."""
    return bool((primary < cut[1]).any() or (shadow < cut[2]).any())


def swap_table(
    cut: tuple[str, float, float], primary: Floats, shadow: Floats, labels: Mapping[str, Values], alpha: float
) -> SwapTable:
    """The swap table at one cut-off; ``labels`` are outcomes by metric [P], NaN where there is none yet."""
    name, primary_cut, shadow_cut = cut
    table = summed(lambda a, b: band_table(a, b, cuts=[primary_cut], shadow_cuts=[shadow_cut]), primary, shadow)
    counts = SwapSet.of(table, 0)
    above, shadow_above = primary >= primary_cut, shadow >= shadow_cut
    cells = (above & shadow_above, ~above & shadow_above, above & ~shadow_above, ~above & ~shadow_above)
    return SwapTable(
        name=name,
        primary_cut=primary_cut,
        shadow_cut=shadow_cut,
        both_above=counts.both_above,
        swapped_in=counts.moved_up,
        swapped_out=counts.moved_down,
        both_below=counts.both_below,
        flips=counts.flip_rate(alpha=alpha),
        net_shift=counts.net_shift(alpha=alpha),
        outcome_rates=tuple(
            (metric, tuple(_rate(values[cell]) for cell in cells)) for metric, values in labels.items()
        ),
    )


def band_matrix(primary: Version, shadow: Version, primary_scores: Floats, shadow_scores: Floats) -> BandMatrix | None:
    """The rows by both bands; None where either version has no bands."""
    if not primary.bands or not shadow.bands:
        return None
    cuts = {"cuts": primary.cuts, "shadow_cuts": shadow.cuts}
    table = summed(lambda a, b: band_table(a, b, **cuts), primary_scores, shadow_scores)
    top, left = int(not table[0].any()), int(not table[:, 0].any())
    counts = tuple(tuple(row) for row in table[top:, left:].tolist())
    return BandMatrix((NO_BAND, *primary.bands)[top:], (NO_BAND, *shadow.bands)[left:], counts)


def summed(table: Callable[[Floats, Floats], Table], primary: Floats, shadow: Floats) -> Table:
    """A table of the same rows by both scores, added up over parts of them, so that intermediate arrays stay small."""
    tables = (table(primary[at : at + CHUNK], shadow[at : at + CHUNK]) for at in range(0, max(1, len(primary)), CHUNK))
    return reduce(operator.add, tables)


def most_used(versions: Sequence[Version], indices: npt.NDArray[np.uint16]) -> Version:
    """The version that most rows have."""
    return versions[int(np.bincount(indices, minlength=len(versions)).argmax())]


def _rate(values: Values) -> tuple[int, float]:
    known = values[np.isfinite(values)]
    return len(known), float(known.mean()) if len(known) else float("nan")
