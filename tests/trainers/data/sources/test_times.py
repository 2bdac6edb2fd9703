from datetime import UTC, date, datetime

import polars as pl
import pytest

from scoreline_trainers.data.sources.times import DAY, SECOND, Calendar, TimeSpec, calendar_of, moments, resolution
from scoreline_trainers.errors import DataError

NEW_YEAR = 1_704_067_200 * SECOND  # 2024-01-01T00:00:00Z


@pytest.mark.parametrize(
    ("value", "spec"),
    [
        ("2024-01-01", {}),
        ("2024-01-01 00:00:00", {}),
        ("2024-01-01T00:00:00.000", {}),
        ("2024-01-01T01:00:00+01:00", {}),
        ("01.01.2024", {"time_format": "%d.%m.%Y"}),
        (20240101, {"time_format": "%Y%m%d"}),
        (1_704_067_200, {"time_unit": "second"}),
        (1_704_067_200_000, {"time_unit": "millisecond"}),
        (date(2024, 1, 1), {}),
        (datetime(2024, 1, 1, tzinfo=UTC), {}),
        ("2024-01-01 01:00", {"time_zone": "Europe/Berlin"}),
        ("2023-12-31 19:00", {"time_zone": "America/New_York"}),
    ],
)
def test_times_are_read_as_microseconds_since_1970_in_utc(value: object, spec: dict[str, str]) -> None:
    frame = pl.DataFrame({"when": [value]})
    assert moments(frame, "when", TimeSpec.model_validate(spec), "UTC").tolist() == [NEW_YEAR]


def test_numbered_months_are_thirty_days_long() -> None:
    frame = pl.DataFrame({"month": [-1, 0, 2]})
    values = moments(frame, "month", TimeSpec(time_unit="month"), "UTC")
    assert values.tolist() == [-30 * DAY, 0, 60 * DAY]
    assert Calendar(unit="month").column(values, "cut").to_list() == [-1, 0, 2]


def test_the_hour_that_summer_time_leaves_out_is_read_as_the_hour_after() -> None:
    frame = pl.DataFrame({"when": ["2024-03-31 02:30", "2024-03-31 03:30", "2024-10-27 02:30"]})
    read = moments(frame, "when", TimeSpec(time_zone="Europe/Berlin"), "UTC")
    assert read[0] == read[1]
    assert Calendar().column(read, "when").cast(pl.String).to_list()[2] == "2024-10-27 00:30:00.000000"


@pytest.mark.parametrize(
    ("values", "spec", "message"),
    [
        (
            ["2024-01-01", "31/02/2024", "soon"],
            {},
            r"column 'when' holds 2 times of 3 that cannot be read: '31/02/2024', 'soon' \(row 2, 3\); write their",
        ),
        (["2024-13-01"], {"time_format": "%Y-%m-%d"}, "cannot be read: '2024-13-01' .* by `time_format: '%Y-%m-%d'`"),
        (["2024-01-01", None], {}, r"column 'when' is a time and missing in 1 of 2 rows \(row 2\)"),
        ([20240101], {}, "column 'when' holds numbers: write `time_format"),
        ([1.5], {"time_unit": "day"}, "column 'when' holds fractions of a day"),
        ([True], {}, "column 'when' is a time and holds Boolean"),
    ],
)
def test_times_that_cannot_be_read_are_named(values: list[object], spec: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        moments(pl.DataFrame({"when": values}), "when", TimeSpec.model_validate(spec), "UTC")


def test_files_with_times_on_different_scales_are_refused() -> None:
    with pytest.raises(DataError, match="different scales: dates, whole numbers of a month"):
        calendar_of([TimeSpec(), TimeSpec(time_unit="month")], "UTC")


def test_the_newest_day_lasts_a_day_where_no_time_of_day_is_known() -> None:
    days = moments(pl.DataFrame({"d": ["2024-01-01", "2024-06-01"]}), "d", TimeSpec(), "Europe/Berlin")
    assert resolution(days, Calendar("Europe/Berlin")) == DAY
    assert resolution(days + 1, Calendar("Europe/Berlin")) == 0
    assert resolution(days, Calendar(unit="month")) == 30 * DAY


def test_a_cut_is_read_on_the_scale_of_the_times() -> None:
    assert Calendar("Europe/Berlin").moment("2024-01-01T01:00:00") == NEW_YEAR
    assert Calendar().moment("2024-01-01") == NEW_YEAR
    assert Calendar(unit="week").moment(-3) == -21 * DAY
    with pytest.raises(ValueError, match="the times are dates"):
        Calendar().moment(3)
    with pytest.raises(ValueError, match="whole numbers of a week"):
        Calendar(unit="week").moment("2024-01-01")
