from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from scoreline_trainers.data.training_tables.spec import Sources
from scoreline_trainers.errors import DataError
from scoreline_trainers.training.first_recipe.files import first_recipe
from scoreline_trainers.training.first_recipe.first_recipe import FirstRecipe
from scoreline_trainers.training.in_python import train
from scoreline_trainers.training.recipe import Recipe


def write(folder: Path, *, days: int = 400, form: str = "%Y-%m-%d %H:%M:%S") -> Path:
    """A log of purchases and returns; some customers buy far more often than others."""
    draw = np.random.default_rng(3)
    customer = draw.integers(0, 60, 3000) * draw.integers(0, 2, 3000)
    start = datetime.fromisoformat("2023-01-01")
    when = sorted(start + timedelta(minutes=int(minute)) for minute in draw.integers(0, days * 1440, 3000))
    frame = pl.DataFrame(
        {
            "customer_id": [f"c{number}" for number in customer],
            "ordered_at": [moment.strftime(form) for moment in when],
            "kind": draw.choice(["order", "return"], 3000, p=[0.8, 0.2]),
            "amount": draw.lognormal(3, 1, 3000).round(2),
        }
    )
    frame.write_csv(folder / "orders.csv", separator=";")
    return folder / "orders.csv"


def sources(found: FirstRecipe) -> Sources:
    """The recipe's ``data``."""
    assert isinstance(found.recipe.data, Sources)
    return found.recipe.data


@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M"])
def test_a_log_becomes_rows_at_cuts_and_trains(tmp_path: Path, form: str) -> None:
    found = first_recipe(write(tmp_path, form=form), folder=tmp_path)
    data = sources(found)
    assert data.cuts is not None
    assert data.label is not None
    assert (data.cuts.every, data.label.within_days) == ("month", (30.0,))
    assert (data.events[0].entity, data.events[0].time) == ("customer_id", "ordered_at")
    assert (found.recipe.validation.kind, found.recipe.validation.gap_days) == ("time", 30)
    quick = Recipe.parse({**found.document, "family": "logistic", "validation": {"kind": "time"}})
    assert train(quick, folder=tmp_path).report.training_rows > 100


def test_the_event_can_be_named(tmp_path: Path) -> None:
    found = first_recipe(write(tmp_path), "kind", positive="return", within_days=14)
    label = sources(found).label
    assert label is not None
    assert (label.within_days, label.where) == ((14.0,), ("kind == return",))
    assert found.recipe.score.meaning == "probability of kind == return within 14 days"


def test_months_that_are_numbers_are_a_scale_of_their_own(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    months = [(client, month) for client in range(80) for month in range(-int(draw.integers(6, 30)), 1)]
    frame = pl.DataFrame(months, schema=["client_id", "month_number"], orient="row")
    late = draw.random(len(frame)) < 0.1 + 0.3 * (frame["client_id"].to_numpy() % 2)
    status = pl.Series(["1" if one else "X" for one in late])
    frame.with_columns(status=status).write_csv(tmp_path / "t.csv")
    options = {"positive": "1", "time": "month_number", "within_days": 90.0, "folder": tmp_path}
    found = first_recipe(tmp_path / "t.csv", "status", **options)  # type: ignore[arg-type]
    data = sources(found)
    assert data.cuts is not None
    assert (data.cuts.every, data.cuts.first, data.cuts.last) == (1, -26, -3)
    assert data.events[0].time_unit == "month"
    assert data.label is not None
    assert data.label.where == ("status == '1'",)
    quick = Recipe.parse({**found.document, "family": "logistic"})
    assert train(quick, folder=tmp_path).report.training_rows > 100


@pytest.mark.parametrize("positive", [None, "refund"])
def test_an_event_that_is_not_there_is_refused(tmp_path: Path, positive: str | None) -> None:
    with pytest.raises(DataError, match="'kind' says which event it is: name one with --positive, such as order, retu"):
        first_recipe(write(tmp_path), "kind", positive=positive, within_days=14)


def test_a_log_that_is_too_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'ordered_at' spans 2 days, too few for an event in the days after a cut"):
        first_recipe(write(tmp_path, days=3))


def test_a_log_without_units_is_refused(tmp_path: Path) -> None:
    pl.DataFrame({"date": ["2024-01-01", "2024-03-01"], "x": [1, 2]}).write_csv(tmp_path / "t.csv")
    with pytest.raises(DataError, match=r"an event log needs a column that says whose the events are \(--unit\)"):
        first_recipe(tmp_path / "t.csv", within_days=7)
