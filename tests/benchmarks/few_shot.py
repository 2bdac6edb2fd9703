"""``python -m tests.benchmarks.few_shot``: what ten labelled rows of a new segment are worth.

Every segment is held out in turn, and 20 times ten of its rows are drawn; a draw's figure is the mean over segments.
Real data is read from the folder that SCORELINE_DATA names, and skipped where there is none.
"""

import argparse
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console
from rich.progress import track
from rich.table import Table

from scoreline_trainers.data.columns import Columns, FeatureSpec
from tests.benchmarks.shots import DRAWS, FEW_SHOT, Estimate, Outcome, play
from tests.trainers.worlds import WORLD, new_segments, odd_segment, segments

# Networks of one size, and long enough to learn.
CONFIGS: Mapping[str, Mapping[str, Any]] = {"mlp": {"hidden": (64, 64), "epochs": 60, "patience": 8}}

# Fewer rows than this judge too little, and more than this take too long.
_LEAST, _MOST_KNOWN, _MOST_JUDGED = 800, 8000, 3000


@dataclass(frozen=True, slots=True)
class Holding:
    """Segments to hold out: pairs of the rows to learn from, and of the rows of each segment to judge by."""

    columns: Columns
    segment: str
    pairs: Sequence[tuple[pl.DataFrame, Sequence[pl.DataFrame]]]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table; estimates are over draws. ``worth`` is what the rows add to the model without them."""

    data: str
    family: str
    segments: int
    general: float
    without: float
    adapted: Estimate
    gain: Estimate
    worth: Estimate
    won: float


def main() -> None:
    """Plays everything that was asked for and prints one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[*SOURCES], help="these data sets alone")
    parser.add_argument("--draws", type=int, default=DRAWS, help="how often ten rows are drawn (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    lines = [line for name in arguments.only or SOURCES for line in measure(name, draws=arguments.draws)]
    if arguments.json:
        print(json.dumps([asdict(line) for line in lines], indent=2))
    else:
        show(Console(width=None if Console().is_terminal else 180), lines, draws=arguments.draws)


def measure(name: str, *, draws: int) -> Iterator[Line]:
    """The lines of one data set; none where it is not there."""
    holding = SOURCES[name]()
    if holding is None:
        return
    pairs = track(holding.pairs, description=name, console=Console(stderr=True))
    played = [
        play(known, strangers, holding.columns, holding.segment, configs=CONFIGS, draws=draws)
        for known, strangers in pairs
    ]
    for family in FEW_SHOT:
        yield line(name, family, [outcome for outcomes in played for outcome in outcomes[family]])


def line(data: str, family: str, outcomes: list[Outcome]) -> Line:
    """Means over segments, then over draws. A draw is won where it beats the global model on its segment."""
    general, without, adapted = (
        np.mean([getattr(outcome, part) for outcome in outcomes], axis=0) for part in ("general", "without", "adapted")
    )
    won = np.mean([outcome.adapted > outcome.general for outcome in outcomes])
    means = float(general.mean()), float(without.mean())
    return Line(
        data,
        family,
        len(outcomes),
        *means,
        Estimate.of(adapted),
        Estimate.of(adapted - general),
        Estimate.of(adapted - without),
        float(won),
    )


def show(console: Console, lines: list[Line], *, draws: int) -> None:
    """Prints the table."""
    heads = ("data", "family", "held out", "global", "no rows", "10 rows", "over global", "over no rows", "won")
    table = Table(*heads, title=f"AUC of a segment that was never seen; mean of {draws} draws (95 % interval)")
    for each in lines:
        adapted = each.adapted
        table.add_row(
            each.data,
            each.family,
            str(each.segments),
            f"{each.general:.4f}",
            f"{each.without:.4f}",
            f"{adapted.mean:.4f} ({adapted.low:.4f} to {adapted.high:.4f})",
            *(f"{by.mean:+.4f} ({by.low:+.4f} to {by.high:+.4f})" for by in (each.gain, each.worth)),
            f"{each.won:.0%}",
        )
    console.print(table)


def _strange() -> Holding:
    """One segment that behaves otherwise."""
    return Holding(WORLD, "segment", [(segments(16, 400), [odd_segment(1500)])])


def _varied() -> Holding:
    """Segments that differ from the known ones as those do among themselves."""
    return Holding(WORLD, "segment", [(segments(16, 400), new_segments(8, 1000))])


def _credit() -> Holding | None:
    frame = _real("uci_credit_default/UCI_Credit_Card.csv.gz")
    if frame is None:
        return None
    categories = tuple(FeatureSpec(name=name, kind="category") for name in ("EDUCATION", "SEX", "MARRIAGE"))
    others = [name for name in frame.columns if name not in ("ID", "class", "EDUCATION", "SEX", "MARRIAGE")]
    columns = Columns(label="class", features=(*categories, *(FeatureSpec(name=name) for name in others)))
    return _each_held_out(frame, columns, "EDUCATION")


def _bank() -> Holding | None:
    frame = _real("bank_marketing/bank-additional-full.csv.gz", separator=";")
    if frame is None:
        return None
    # How long the call took is known only after it.
    frame = frame.drop("duration").with_columns((pl.col("y") == "yes").cast(pl.Int8))
    return _each_held_out(frame, Columns(label="y", features="auto"), "job")


SOURCES = {
    "synthetic, one strange": _strange,
    "synthetic, eight": _varied,
    "uci_credit_default by education": _credit,
    "bank_marketing by job": _bank,
}


def _each_held_out(frame: pl.DataFrame, columns: Columns, segment: str) -> Holding:
    frame = frame.sample(fraction=1, shuffle=True, seed=0)
    counts = frame[segment].value_counts().filter(pl.col("count") >= _LEAST).sort(segment)
    owns = [pl.col(segment) == name for name in counts[segment].to_list()]
    pairs = [(frame.filter(~own).head(_MOST_KNOWN), [frame.filter(own).head(_MOST_JUDGED)]) for own in owns]
    return Holding(columns, segment, pairs)


def _real(name: str, *, separator: str = ",") -> pl.DataFrame | None:
    folder = os.environ.get("SCORELINE_DATA")
    file = Path(folder or "", name)
    if not folder or not file.is_file():
        Console(stderr=True).print(f"{name} is left out: SCORELINE_DATA does not name a folder that holds it")
        return None
    return pl.read_csv(file, separator=separator, infer_schema_length=None)


if __name__ == "__main__":
    main()
