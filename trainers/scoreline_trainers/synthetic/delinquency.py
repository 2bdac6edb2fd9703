"""Accounts over 30 to 90 days and whether they default in the month after: about 12 in 100 do.

Defaulters deteriorate: from some day on their salary comes late and shrinks, savings drain, utility bills are paid
late or not at all, cash withdrawals and small transfers grow. Others have bad weeks, too, but recover; what tells
them apart is the course, not any one day.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

from scoreline_trainers.data.batch import Float64

SHORTEST, LONGEST = 30, 90
DEFAULT_SHARE = 0.12
STEP_FEATURES = (
    "salary", "savings", "expenses", "utility_payments", "utility_delay_days",
    "atm_withdrawals", "upi_transfers", "upi_count", "card_utilisation", "failed_debits",
)  # fmt: skip

Block = npt.NDArray[np.float64]


def delinquency(rows: int, *, seed: int = 0) -> pl.DataFrame:
    """One row per account and day, oldest first: ``account_id``, ``day`` from 0, ten step features, ``defaulted``."""
    draw = np.random.default_rng(seed)
    lengths = draw.integers(SHORTEST, LONGEST, rows, endpoint=True)
    defaulted = draw.random(rows) < DEFAULT_SHARE
    stress = _stress(lengths, defaulted, draw)
    values = _behaviour(stress, draw)
    real = np.arange(LONGEST) < lengths[:, None]
    account, day = np.nonzero(real)
    columns = {name: np.round(block[real], 2).astype(np.float32) for name, block in values.items()}
    return pl.DataFrame(
        {
            "account_id": pl.Series(account).cast(pl.String).str.zfill(7).str.replace("^", "a"),
            "day": day.astype(np.int16),
            **columns,
            "defaulted": defaulted[account].astype(np.int8),
        }
    )


def _stress(lengths: npt.NDArray[np.int64], defaulted: npt.NDArray[np.bool_], draw: np.random.Generator) -> Block:
    """[N, LONGEST] how bad each day is, from 0 to about 1."""
    days = np.arange(LONGEST)
    rows = len(lengths)
    onset = lengths * draw.uniform(0.35, 0.85, rows)
    slope = draw.uniform(0.4, 1.1, rows) / (lengths - onset)
    decline = np.clip((days - onset[:, None]) * slope[:, None], 0, 1.2)
    bad_week = draw.uniform(0, 1, (rows, 1)) * lengths[:, None]
    passing = draw.uniform(0, 0.8, (rows, 1)) * np.exp(-(((days - bad_week) / 5) ** 2))
    # One in eight goes down without a default, and one in eight defaults out of the blue.
    goes_down = defaulted ^ (draw.random(rows) < 0.125)
    return np.asarray(np.where(goes_down[:, None], decline, 0.0) + passing)


def _behaviour(stress: Block, draw: np.random.Generator) -> dict[str, Block]:
    rows = len(stress)
    days = np.arange(LONGEST)
    income = draw.lognormal(10.4, 0.5, (rows, 1))
    payday = draw.integers(0, 30, (rows, 1))
    late = (8 * stress * draw.random((rows, LONGEST))).astype(np.int64)
    salary = income * ((days - payday - late) % 30 == 0) * np.clip(1 - 0.5 * stress, 0.2, 1)
    expenses = income / 30 * draw.gamma(2.0, 0.35, stress.shape) * (1 + 0.4 * stress)
    bill = ((days - payday - 5) % 30 == 0) & (draw.random(stress.shape) > 0.7 * stress)
    usual = draw.beta(2, 5, (rows, 1))
    transfers = draw.poisson(1.2 + 2.5 * stress)
    return {
        "salary": salary,
        "savings": _savings(salary, expenses, income, stress),
        "expenses": expenses,
        "utility_payments": income * 0.06 * bill,
        "utility_delay_days": np.maximum(0, draw.normal(12 * stress, 2.0)),
        "atm_withdrawals": income / 60 * draw.gamma(0.6, 1.0, stress.shape) * (1 + 1.5 * stress),
        "upi_transfers": transfers * income / 150 * draw.gamma(2.0, 0.5, stress.shape),
        "upi_count": transfers.astype(np.float64),
        "card_utilisation": np.clip(usual + 0.5 * stress + draw.normal(0, 0.05, stress.shape), 0, 1),
        "failed_debits": draw.poisson(0.02 + 0.25 * stress**2).astype(np.float64),
    }


def _savings(salary: Block, expenses: Block, income: Block, stress: Block) -> Float64:
    """A balance that takes salary in, lets expenses out, and never falls below zero."""
    balance = np.empty_like(expenses)
    held = (income * 1.5)[:, 0]
    for day in range(LONGEST):
        held = np.maximum(0, held + salary[:, day] - expenses[:, day] * (1 + stress[:, day]))
        balance[:, day] = held
    return balance
