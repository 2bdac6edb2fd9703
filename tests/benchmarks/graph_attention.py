"""``python -m tests.benchmarks.graph_attention``: what neighbours tell of units without a history.

The units are the applicants of ``$SCORELINE_DATA/german_graph``. A new one has what it writes in its application; what
a bank learns with time (balances, payments missed, other loans) is known of its neighbours alone, as far as they are
not new themselves. A share of the edges is hidden at random. Every applicant is new once per fold and seed, and models
that share a fold are compared on it; the interval is that of the mean difference over folds and seeds.

The edges of this graph join applicants who are alike, history included, so they tell of a new unit what nobody told the
bank: read the figures as what a good graph can do. Its neighbours share labels no more often than any two applicants.
"""

import argparse
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score

from scoreline_trainers.data.columns import Columns, FeatureSpec, NeighborSpec
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.progress import Silent

Ints = npt.NDArray[np.intp]

HIDDEN = (0.0, 0.5, 0.8, 0.9, 0.98)
FOLDS = 5
MOST_NEIGHBORS = 32

LEARNED_WITH_TIME = (
    "CheckingAccountBalance_geq_0", "CheckingAccountBalance_geq_200", "SavingsAccountBalance_geq_100",
    "SavingsAccountBalance_geq_500", "MissedPayments", "NoCurrentLoan", "CriticalAccountOrLoansElsewhere",
    "OtherLoansAtBank", "OtherLoansAtStore", "NumberOfOtherLoansAtBank",
)  # fmt: skip

_TRAINING = {
    "epochs": 60, "patience": 8, "batch_size": 64, "learning_rate": 0.003, "dropout": 0.3, "weight_decay": 1e-3,
    "stopping_fraction": 0.15,
}  # fmt: skip
OWN_MODELS = {"logistic": {}, "mlp": {"hidden": (32, 16), **_TRAINING}}
GAT = {"heads": 4, "size": 8, "head": 16, **_TRAINING}


@dataclass(frozen=True)
class Applicants:
    """One row per applicant with its ``unit`` and label ``bad``; ``edges`` int [E, 2] are pairs of rows, each once."""

    frame: pl.DataFrame
    edges: Ints

    @property
    def own(self) -> tuple[str, ...]:
        """What an applicant writes."""
        return tuple(name for name in self.frame.columns if name not in {"bad", "unit", *LEARNED_WITH_TIME})


@dataclass(frozen=True)
class Figures:
    """What was seen with one share of the edges hidden.

    ``auc`` is the mean by model, ``gain`` the mean of gat's AUC less the other's by other model, with ``half_width`` of
    its 95 % interval.
    """

    hidden: float
    neighbors: float
    auc: Mapping[str, float]
    gain: Mapping[str, float]
    half_width: Mapping[str, float]


def main() -> None:
    """Trains on every fold and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=4, help="how many times every applicant is new once")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    applicants = read(Path(os.environ["SCORELINE_DATA"]) / "german_graph")
    figures = list(measure(applicants, hidden=HIDDEN, seeds=range(arguments.seeds)))
    if arguments.json:
        print(json.dumps([asdict(each) for each in figures], indent=2))
        return
    models = list(figures[0].auc)
    gains = [f"gat - {name}" for name in figures[0].gain]
    table = Table("edges hidden", "neighbors", *models, *gains, title="AUC on new applicants")
    for each in figures:
        differences = [f"{gain:+.3f} ± {each.half_width[name]:.3f}" for name, gain in each.gain.items()]
        scores = [f"{each.auc[name]:.3f}" for name in models]
        table.add_row(f"{each.hidden:.0%}", f"{each.neighbors:.1f}", *scores, *differences)
    Console().print(table)


def read(folder: Path) -> Applicants:
    """The applicants and their graph, edges in both directions once and none from a unit to itself."""
    frame = pl.read_csv(folder / "german.csv")
    frame = frame.with_columns(
        (pl.col("GoodCustomer") == -1).cast(pl.Int8).alias("bad"), pl.int_range(pl.len()).cast(pl.String).alias("unit")
    ).drop("GoodCustomer")
    edges = np.sort(np.loadtxt(folder / "german_edges.txt").astype(np.intp), axis=1)
    return Applicants(frame, np.unique(edges[edges[:, 0] != edges[:, 1]], axis=0))


def measure(applicants: Applicants, *, hidden: Sequence[float], seeds: Sequence[int]) -> Iterator[Figures]:
    """Figures for each share of hidden edges."""
    folds = [(seed, new) for seed in seeds for new in _folds(len(applicants.frame), seed)]
    own = {name: [_own_auc(applicants, new, name, seed) for seed, new in folds] for name in OWN_MODELS}
    for share in hidden:
        graphs = {seed: _neighbors(applicants, share, seed) for seed in seeds}
        gat = [_gat_auc(applicants, graphs[seed], new, seed) for seed, new in folds]
        gains = {name: np.array(gat) - np.array(scores) for name, scores in own.items()}
        yield Figures(
            hidden=share,
            neighbors=float(np.mean([len(near) for graph in graphs.values() for near in graph])),
            auc={name: float(np.mean(scores)) for name, scores in {**own, "gat": gat}.items()},
            gain={name: float(gain.mean()) for name, gain in gains.items()},
            half_width={name: float(1.96 * gain.std(ddof=1) / math.sqrt(len(gain))) for name, gain in gains.items()},
        )


def _folds(rows: int, seed: int) -> list[Ints]:
    return [np.sort(part) for part in np.array_split(np.random.default_rng(seed).permutation(rows), FOLDS)]


def _neighbors(applicants: Applicants, hidden: float, seed: int) -> list[list[str]]:
    """The units beside each one as far as they are shown, in random order, so that the first ones are a sample."""
    draw = np.random.default_rng(seed)
    near: list[list[str]] = [[] for _ in range(len(applicants.frame))]
    shown = applicants.edges[draw.random(len(applicants.edges)) >= hidden]
    for left, right in draw.permutation(shown).tolist():
        near[left].append(str(right))
        near[right].append(str(left))
    return near


def _own_auc(applicants: Applicants, new: Ints, family: str, seed: int) -> float:
    features = tuple(FeatureSpec(name=name) for name in applicants.own)
    data = Dataset.from_table(applicants.frame, Columns(label="bad", features=features))
    return _auc(data, new, family, OWN_MODELS[family], seed)


def _gat_auc(applicants: Applicants, near: list[list[str]], new: Ints, seed: int) -> float:
    is_new = pl.Series(np.isin(np.arange(len(applicants.frame)), new))
    frame = applicants.frame.with_columns(
        pl.Series("near", near, dtype=pl.List(pl.String)),
        *(pl.when(~is_new).then(pl.col(name)).alias(name) for name in LEARNED_WITH_TIME),
    )
    columns = Columns(
        label="bad",
        unit="unit",
        features=tuple(FeatureSpec(name=name) for name in applicants.own),
        neighbors=NeighborSpec(ids="near", features=LEARNED_WITH_TIME, max_neighbors=MOST_NEIGHBORS),
    )
    data = Dataset.from_table(frame, columns)
    return _auc(data, new, "gat", GAT, seed)


def _auc(data: Dataset, new: Ints, family: str, config: Mapping[str, object], seed: int) -> float:
    known = np.setdiff1d(np.arange(len(data)), new)
    chosen = FAMILIES[family]
    fitted = chosen.fit(data.take(known), chosen.config_type(**config), seed=seed, progress=Silent())
    return float(roc_auc_score(data.label[new], fitted.predict(data.batch.take(new))))


if __name__ == "__main__":
    main()
