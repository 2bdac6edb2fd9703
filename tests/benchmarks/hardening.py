"""``python -m tests.benchmarks.hardening``: what an attack costs ``gan_hardened`` and ``lightgbm``, and who sees it.

Both are attacked on their own scores by ``tests.trainers.attacks``, on rows that they did not learn from: made-up
accounts and, where SCORELINE_DATA names the folder of real data sets, customers of a telephone company and borrowers.
"""

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from scoreline_trainers.data.columns import Columns
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.splits import Validation
from scoreline_trainers.data.tables import read_table
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.family import Fitted
from scoreline_trainers.progress import Silent
from tests.trainers.attacks import Attack, Outcome, outcome, spenders
from tests.trainers.tables import split_table

EPSILONS = (0.2, 0.5)
MODELS = ("lightgbm", "gan_hardened")
BORROWERS = 9000

Line = tuple[str, float, str, Outcome]


def main() -> None:
    """Prints one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    arguments = parser.parse_args()
    lines = [line for name, frame in tables() for line in attacked(name, frame)]
    if arguments.json:
        named = [
            {"data": data, "epsilon": epsilon, "model": model, **asdict(each)} for data, epsilon, model, each in lines
        ]
        print(json.dumps(named, indent=2))
        return
    heads = ("data", "epsilon", "model", "AUC", "AUC attacked", "seen at 2 %", "flagged, clean", "flagged, attacked")
    table = Table(*heads, title="numbers moved by epsilon standard deviations each")
    for data, epsilon, model, each in lines:
        shares = (each.detected, each.flagged_clean, each.flagged_attacked)
        shown = ["-" if share is None else f"{100 * share:.1f} %" for share in shares]
        table.add_row(data, f"{epsilon}", model, f"{each.clean_auc:.4f}", f"{each.attacked_auc:.4f}", *shown)
    Console(width=110).print(table)


def tables() -> Iterator[tuple[str, pl.DataFrame]]:
    """Name and rows, with a column "label"; all others are features."""
    yield "made-up accounts", spenders(6000)
    folder = os.environ.get("SCORELINE_DATA")
    if folder:
        yield "telco_churn", _telephone(Path(folder))
        yield "uci_credit_default", _borrowers(Path(folder))


def attacked(name: str, frame: pl.DataFrame) -> Iterator[Line]:
    """Every model at every epsilon; the hardened one is trained for that epsilon."""
    columns = Columns(label="label", features="auto")
    learned, judged = split_table(frame, columns, validation=Validation(kind="random", fraction=0.3))
    for epsilon in EPSILONS:
        attack = Attack.on_numbers(learned, epsilon=epsilon)
        for model in MODELS:
            yield name, epsilon, model, outcome(_fitted(model, learned, epsilon), judged, attack)


def _fitted(model: str, learned: Dataset, epsilon: float) -> Fitted:
    family = FAMILIES[model]
    options = {"epsilon": epsilon} if model == "gan_hardened" else {"threads": 1}
    return family.fit(learned, family.config_type(**options), seed=0, progress=Silent())


def _telephone(folder: Path) -> pl.DataFrame:
    frame, _ = read_table(folder / "telco_churn" / "Telco-Customer-Churn.csv")
    return frame.select(
        pl.exclude("customerID", "Churn", "SeniorCitizen", "TotalCharges"),
        pl.col("SeniorCitizen").cast(pl.String),
        pl.col("TotalCharges").cast(pl.Float64, strict=False),
        (pl.col("Churn") == "Yes").cast(pl.Int8).alias("label"),
    )


def _borrowers(folder: Path) -> pl.DataFrame:
    frame, _ = read_table(folder / "uci_credit_default" / "UCI_Credit_Card.csv.gz")
    codes = pl.col("SEX", "EDUCATION", "MARRIAGE").cast(pl.String)
    return frame.rename({"class": "label"}).drop("ID").with_columns(codes).head(BORROWERS)


if __name__ == "__main__":
    main()
