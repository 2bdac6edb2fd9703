"""Times of rows as moments, where a recipe's ``time`` column holds dates."""

import polars as pl


def moments_of(time: pl.Series | None) -> pl.Series | None:
    """Datetime [N] without a zone, null where there is none; None where the column holds no dates.

    Times with a zone are in UTC; texts are read as ISO dates.
    """
    if time is None:
        return None
    if time.dtype == pl.String:
        time = time.str.to_datetime(strict=False, time_unit="us")
    if isinstance(time.dtype, pl.Datetime) and time.dtype.time_zone is not None:
        time = time.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    if time.dtype != pl.Date and not isinstance(time.dtype, pl.Datetime):
        return None
    found = time.cast(pl.Datetime("us"))
    return None if found.null_count() == len(found) else found
