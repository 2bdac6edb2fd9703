"""The value that callers report: what it takes, what it refuses and in which words."""

import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoreline import InvalidRequestError, Outcome
from scoreline.fields import LAST_NANOSECOND, nanoseconds

ID = "0123456789abcdef01234567-65535"


def test_an_outcome_of_a_prediction_has_no_window() -> None:
    outcome = Outcome("default", 1, prediction_id=ID, observed_at=7)
    assert outcome == Outcome("default", 1.0, prediction_id=ID, weight=1.0, observed_at=7)
    assert (outcome.unit, outcome.since, outcome.until, outcome.observed_at) == ("", None, None, 7)
    assert type(outcome.value) is float


def test_an_outcome_of_a_unit_has_a_window() -> None:
    since = datetime(2026, 11, 1, tzinfo=UTC)
    outcome = Outcome("spend", 4.5, unit="c-17", since=since, until=since + timedelta(days=7), weight=0)
    assert outcome.since == 1_793_491_200 * 10**9
    assert outcome.until == outcome.since + 7 * 86_400 * 10**9
    assert outcome.weight == 0


def test_an_outcome_is_observed_now_unless_it_is_said() -> None:
    before = nanoseconds("x", datetime.now(UTC)) - 1000
    assert before <= Outcome("default", 1, prediction_id=ID).observed_at <= nanoseconds("x", datetime.now(UTC)) + 10**9


@pytest.mark.parametrize("value", [1, True, np.float32(1), np.int64(1), np.bool_(True), Decimal(1)])
def test_every_kind_of_number_is_a_value(value: Any) -> None:
    assert Outcome("default", value, prediction_id=ID).value == 1.0


@pytest.mark.parametrize(
    ("given", "field", "reason"),
    [
        ({"value": math.nan}, "value", "NOT_FINITE"),
        ({"value": -math.inf}, "value", "NOT_FINITE"),
        ({"value": 10**400}, "value", "NOT_FINITE"),
        ({"value": -1e31}, "value", "NOT_FINITE"),
        ({"weight": 1e31}, "weight", "NOT_FINITE"),
        ({"value": "1"}, "value", "WRONG_TYPE"),
        ({"value": None}, "value", "WRONG_TYPE"),
        ({"weight": math.nan}, "weight", "NOT_FINITE"),
        ({"weight": -0.5}, "weight", "INVALID"),
        ({"name": ""}, "name", "INVALID"),
        ({"name": " default"}, "name", "INVALID"),
        ({"name": "de\nfault"}, "name", "INVALID"),
        ({"name": "\x1b[31m"}, "name", "INVALID"),
        ({"name": "\ud800"}, "name", "INVALID"),
        ({"name": "x" * 129}, "name", "INVALID"),
        ({"name": 3}, "name", "WRONG_TYPE"),
        ({"prediction_id": ""}, "prediction_id", "INVALID"),
        ({"prediction_id": "17"}, "prediction_id", "INVALID"),
        ({"prediction_id": 17}, "prediction_id", "INVALID"),
        ({"prediction_id": ID.upper()}, "prediction_id", "INVALID"),
        ({"prediction_id": ID[:-5] + "65536"}, "prediction_id", "INVALID"),
        ({"prediction_id": ID[:-5] + "01"}, "prediction_id", "INVALID"),
        ({"prediction_id": ID + "\n"}, "prediction_id", "INVALID"),
        ({"unit": "c-17"}, "prediction_id", "INVALID"),
        ({"since": 3}, "since", "INVALID"),
        ({"observed_at": -1}, "observed_at", "INVALID"),
        ({"observed_at": LAST_NANOSECOND + 1}, "observed_at", "INVALID"),
        ({"observed_at": 1.5}, "observed_at", "WRONG_TYPE"),
        ({"observed_at": True}, "observed_at", "WRONG_TYPE"),
        ({"observed_at": datetime(2026, 11, 1)}, "observed_at", "INVALID"),  # noqa: DTZ001
        ({"observed_at": datetime(1969, 12, 31, tzinfo=UTC)}, "observed_at", "INVALID"),
    ],
)
def test_a_wrong_outcome_is_refused_with_its_field(given: dict[str, Any], field: str, reason: str) -> None:
    outcome: dict[str, Any] = {"name": "default", "value": 1, "prediction_id": ID, **given}
    with pytest.raises(InvalidRequestError) as raised:
        Outcome(**outcome)
    assert (raised.value.metadata["field"], raised.value.reason) == (field, reason)
    assert str(raised.value).startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"since": None}, "since"),
        ({"until": None}, "until"),
        ({"since": 5, "until": 5}, "until"),
        ({"since": 6, "until": 5}, "until"),
        ({"unit": "x" * 1025}, "unit"),
        ({"unit": "\udfff"}, "unit"),
        ({"unit": 17}, "unit"),
    ],
)
def test_a_wrong_unit_or_window_is_refused(given: dict[str, Any], field: str) -> None:
    outcome: dict[str, Any] = {"name": "spend", "value": 1, "unit": "c-17", "since": 1, "until": 2, **given}
    with pytest.raises(InvalidRequestError) as raised:
        Outcome(**outcome)
    assert raised.value.metadata["field"] == field


def test_the_unit_of_an_error_is_not_in_its_text() -> None:
    with pytest.raises(InvalidRequestError) as raised:
        Outcome("spend", 1, unit="secret" * 200, since=1, until=2)
    assert "secret" not in str(raised.value)


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2262, 1, 1)),  # noqa: DTZ001
    st.integers(-23, 23),
)
def test_times_are_exact_to_the_microsecond_in_every_timezone(moment: datetime, hours: int) -> None:
    aware = moment.replace(tzinfo=UTC)
    found = nanoseconds("x", aware.astimezone(timezone(timedelta(hours=hours))))
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=found // 1000) == aware
    assert found % 1000 == 0
