"""Profiles over whole logs: recorded live with late and repeated events, they equal the training table bit for bit."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from scoreline_registry.profiles.computation.computation import Reading
from scoreline_registry.profiles.computation.offline import Cut
from scoreline_registry.profiles.profile import Profile
from scoreline_server.profile_stores.sqlite_store import SqliteStore
from scoreline_server.profile_stores.store import ProfileStore
from scoreline_trainers.data.profiles.documents import find_profile
from scoreline_trainers.data.profiles.event_tables import EventTable, column_of, events_of, read_events
from scoreline_trainers.data.profiles.rows import profile_rows
from scoreline_trainers.data.profiles.spec import ProfileSource
from scoreline_trainers.data.sources.files import Files
from scoreline_trainers.data.sources.times import TimeSpec, moments
from scoreline_trainers.data.training_tables.assembly import training_table
from scoreline_trainers.data.training_tables.spec import Sources
from scoreline_trainers.synthetic import TABLE_SETS
from scoreline_trainers.training.profiles import with_profiles
from scoreline_trainers.training.recipe import find_recipe
from tests.e2e.live_logs import arrivals, recorded

_SECOND = 10**6
_DATA = pytest.mark.skipif(
    "SCORELINE_DATA" not in os.environ, reason="SCORELINE_DATA names the folder of real data sets"
)


def _whole_log(test: Callable[[ProfileStore], None]) -> Callable[[ProfileStore], None]:
    return pytest.mark.acceptance(pytest.mark.timeout(1800)(_DATA(test)))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ProfileStore]:
    opened = SqliteStore(tmp_path / "profiles.sqlite", synchronous="normal")
    yield opened
    opened.close()


class Compared:
    """The rows of a training table beside what a store said at each of them, while the events arrived."""

    def __init__(self, store: ProfileStore, frame: pl.DataFrame, source: ProfileSource, *, time: str) -> None:
        self.profile: Profile = find_profile(source, folder=Path())
        self.events: EventTable = read_events(Files(Path()), source.events, self.profile, zone="UTC")
        rows = profile_rows(frame, source, self.profile, times=moments(frame, time, TimeSpec(), "UTC"))
        log = list(events_of(self.events.frame))
        self.arriving = arrivals(log, lateness=self.profile.lateness_seconds * _SECOND)
        cuts = list(map(Cut, rows.entities, rows.moments.tolist(), rows.at_hand()))
        self.live = recorded(store, self.profile, self.arriving, cuts)
        self.frame = frame[rows.order].with_columns(entity=rows.entities, moment=pl.Series(rows.moments))

    def check(self) -> int:
        """Asserts that nothing counts twice or is lost, and that all columns are equal; how many were compared."""
        assert self.live.kept == len(self.events)
        assert self.live.repeated + self.live.late == len(self.arriving) - len(self.events) > 0
        names = [name for name in self.profile.kinds if name in self.frame.columns]
        for name in names:
            offline = self.frame[name].fill_null(float("nan")) if self._is_number(name) else self.frame[name]
            live = pl.Series(name, [_value(reading, name) for reading in self.live.readings], dtype=offline.dtype)
            assert live.equals(offline, null_equal=True), name
        return len(names)

    def windowed(self, name: str, aggregate: pl.Expr, *, where: pl.Expr | None = None) -> None:
        """Asserts that a feature equals what Polars aggregates of the events in its window, at 2,000 rows."""
        feature = self.profile.by_name[name]
        assert feature.window_seconds is not None
        assert feature.tile_seconds is not None
        window, tile = feature.window_seconds * _SECOND, feature.tile_seconds * _SECOND
        some = self.frame.with_row_index("row").sample(2_000, seed=1).select("row", "entity", "moment", name)
        events = self.events.frame.filter(pl.col("type") == feature.events[0], *([] if where is None else [where]))
        first = (pl.col("moment") - window) // tile * tile
        within = some.join(events, on="entity").filter(pl.col("time") < pl.col("moment"), pl.col("time") >= first)
        made = within.group_by("row").agg(aggregate.cast(pl.Float64).alias("made"))
        both = some.join(made, on="row", how="left").select((pl.col("made", name)).fill_null(0))
        assert len(made) > 100
        np.testing.assert_allclose(both[name], both["made"], rtol=1e-9, atol=1e-9)

    def _is_number(self, name: str) -> bool:
        return self.profile.kinds[name] == "number"


def _value(reading: Reading, name: str) -> float | str | None:
    return reading.numbers[name] if name in reading.numbers else reading.categories[name]


def packaged(store: ProfileStore, name: str, *, time: str, place: int = 0) -> Compared:
    """A profile of a packaged recipe, over the whole of its log."""
    written, folder = find_recipe(name)
    recipe = with_profiles(written, folder=folder)
    assert isinstance(recipe.data, Sources)
    table = training_table(recipe.data.model_copy(update={"profiles": (recipe.data.profiles[place],)}), folder=folder)
    return Compared(store, table.frame, recipe.data.profiles[place], time=time)


def test_purchases_are_read_live_as_they_are_trained_on(tmp_path: Path, store: ProfileStore) -> None:
    path = tmp_path / "purchases.parquet"
    TABLE_SETS["spending"](12, seed=3)["purchases"].write_parquet(path)
    fields = {"method": "payment_method"}
    file: dict[str, Any] = {"file": str(path), "entity": "customer_id", "id": "purchase_id", "time": "moment"}
    profile = {
        "profile": "spending-guardian",
        "entity": "customer_id",
        "event": {"type": "purchase", "fields": fields},
        "events": {**file, "type": "purchase", "fields": fields},
        "sequence": "purchases",
    }
    sources = Sources.model_validate({"table": {"file": str(path), "time": "moment"}, "profiles": profile})
    found = Compared(store, training_table(sources, folder=tmp_path).frame, sources.profiles[0], time="moment")
    assert found.check() == 14
    live = [[step.get("amount") for step in reading.sequences["purchases"]] for reading in found.live.readings]
    assert [steps or [None] for steps in live] == found.frame["purchases_amount"].to_list()


@_whole_log
def test_clicks_are_read_live_as_they_are_trained_on(store: ProfileStore) -> None:
    found = packaged(store, "clickstream-profile", time="timestamp")
    assert found.check() == 17
    page = pl.col(column_of("click", "page"))
    found.windowed("clicks_90d", pl.len())
    found.windowed("carts_90d", pl.len(), where=page.is_in(["cart", "add_to_cart"]))


@_whole_log
def test_a_year_of_purchases_is_read_live_as_it_is_trained_on(store: ProfileStore) -> None:
    found = packaged(store, "cdnow-profile", time="cut")
    assert found.check() == 15
    amount = pl.col(column_of("purchase", "amount"))
    found.windowed("frequency_90d", pl.len())
    found.windowed("monetary_360d", amount.sum())
    found.windowed("largest_360d", amount.max())


@_whole_log
def test_card_customers_are_read_live_as_they_are_trained_on(store: ProfileStore) -> None:
    found = packaged(store, "handbook-fraud-profiles", time="TX_DATETIME")
    assert found.check() == 19
    amount = pl.col(column_of("transaction", "amount"))
    found.windowed("customer_count_7d", pl.len())
    found.windowed("customer_amount_mean_7d", amount.mean())
    found.windowed("customer_amount_std_7d", amount.std(ddof=0))


@_whole_log
def test_card_terminals_are_read_live_as_they_are_trained_on(store: ProfileStore) -> None:
    found = packaged(store, "handbook-fraud-profiles", time="TX_DATETIME", place=1)
    assert found.check() == 9
    fraud = pl.col(column_of("outcome", "fraud"))
    found.windowed("terminal_frauds_7d", fraud.sum())
    found.windowed("terminal_risk_7d", fraud.mean())
