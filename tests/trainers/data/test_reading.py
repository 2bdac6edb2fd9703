"""Numbers, dates and texts that tables write for people."""

from datetime import datetime

import polars as pl
import pytest

from scoreline_trainers.data.columns import Columns, FeatureSpec, SequenceSpec
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.reading.csv_files import Decimal
from scoreline_trainers.data.reading.dates import format_of, formats_of, parsed
from scoreline_trainers.data.reading.numerals import as_plain, decimal_of, unit_of
from scoreline_trainers.data.texts import NumbersRead, read_texts
from scoreline_trainers.errors import DataError

SPACE, MINUS = "\u00a0", "\u2212"


@pytest.mark.parametrize(
    ("text", "point", "comma"),
    [
        ("1,234.50 \u20ac", "1234.50", None),
        ("\u20ac1.234,50", None, "1234.50"),
        ("1.234", "1.234", "1234"),
        ("1,234", "1234", "1.234"),
        ("1,00,000", "100000", None),
        (f"1{SPACE}234", "1234", "1234"),
        ("1'234.5", "1234.5", None),
        ("$3", "3", "3"),
        ("US$ 3", "3", "3"),
        ("EUR 5", "5", "5"),
        ("12 %", "12", "12"),
        ("(1,200.00)", "-1200.00", None),
        ("-\u00a3 7", "-7", "-7"),
        (f"{MINUS}7", "-7", "-7"),
        ("5-", "-5", "-5"),
        (".5", ".5", None),
        ("1e5", "1e5", "1e5"),
        ("-5-", None, None),
        ("(5", None, None),
        ("030 123 456", None, None),
        ("2024-01-01", None, None),
        ("12,34,5", None, None),
        ("about 5", None, None),
        ("", None, None),
    ],
)
def test_numbers_are_read_as_people_write_them(text: str, point: str | None, comma: str | None) -> None:
    assert as_plain(pl.Series("x", [text]), ".").to_list() == [point]
    assert as_plain(pl.Series("x", [text]), ",").to_list() == [comma]


def test_missing_texts_stay_missing() -> None:
    assert as_plain(pl.Series("x", [None, "1"]), ".").to_list() == [None, "1"]


@pytest.mark.parametrize(
    ("texts", "decimal"),
    [
        (["1,5", "2,25", "3"], ","),
        (["1.234,50", "2,00"], ","),
        (["0,125"], ","),
        (["1,234", "56,789"], "."),
        (["1,234.5", "7"], "."),
        (["a,5", "b", "c"], "."),
    ],
)
def test_the_decimal_sign_is_found(texts: list[str], decimal: Decimal) -> None:
    assert decimal_of(pl.DataFrame({"x": texts})) == decimal


def test_the_unit_of_amounts_is_found() -> None:
    assert unit_of(["5 \u20ac", "EUR 7"]) == "EUR"
    assert unit_of(["5%", "7 %"]) == "%"
    assert unit_of(["5 $", "7 \u20ac"]) == unit_of([]) == ""


@pytest.mark.parametrize(
    ("value", "form", "date"),
    [
        ("2024-01-31", "%Y-%m-%d", datetime.fromisoformat("2024-01-31")),
        ("31.01.2024", "%d.%m.%Y", datetime.fromisoformat("2024-01-31")),
        ("01/31/2024", "%m/%d/%Y", datetime.fromisoformat("2024-01-31")),
        ("01/31/2024 5:06 PM", "%m/%d/%Y %I:%M %p", datetime.fromisoformat("2024-01-31T17:06:00")),
        ("2024-01-31T10:00:00+02:00", "%Y-%m-%dT%H:%M:%S%.f%#z", datetime.fromisoformat("2024-01-31T08:00:00")),
        ("2024-01-31 10:00:00.5", "%Y-%m-%d %H:%M:%S%.f", datetime.fromisoformat("2024-01-31T10:00:00.500000")),
        ("Dec-2015", "%b-%Y", datetime.fromisoformat("2015-12-01")),
        ("31-Jan-24", "%d-%b-%y", datetime.fromisoformat("2024-01-31")),
        ("March 3, 2024", "%B %d, %Y", datetime.fromisoformat("2024-03-03")),
        ("20240131", "%Y%m%d", datetime.fromisoformat("2024-01-31")),
        (20240131, "%Y%m%d", datetime.fromisoformat("2024-01-31")),
    ],
)
def test_dates_are_read_in_many_formats(value: object, form: str, date: datetime) -> None:
    values = pl.Series("d", [value, None])
    assert format_of(values) == form
    assert parsed(values, form).to_list() == [date, None]


@pytest.mark.parametrize("values", [["5", "6"], [5, 6], [1.5], ["a"], [None], ["2024-13-01"], ["01.02"], [99999999]])
def test_what_is_no_date_is_not_read_as_one(values: list[object]) -> None:
    assert format_of(pl.Series("d", values, strict=False)) is None


def test_days_and_months_that_cannot_be_told_apart_are_read_so_that_rows_are_in_order() -> None:
    texts = pl.Series("d", ["01/03/2024", "02/01/2024", "03/02/2024"])
    assert formats_of(texts) == ("%d/%m/%Y", "%m/%d/%Y")
    assert format_of(texts) == "%m/%d/%Y"
    assert format_of(texts.reverse()) == "%d/%m/%Y"


def test_a_text_that_is_no_date_is_named() -> None:
    with pytest.raises(DataError, match=r"'d' holds 'soon' in 1 of 2 rows, which is no date by '%d.%m.%Y'"):
        parsed(pl.Series("d", ["31.01.2024", "soon"]), "%d.%m.%Y")


def test_dates_as_text_split_rows_by_time() -> None:
    frame = pl.DataFrame({"when": ["31.01.2024", "01.02.2024", "NA"], "x": [1, 2, 3], "y": [0, 1, 0]})
    data = Dataset.from_table(frame, Columns(label="y", time="when", features="auto"))
    assert data.time is not None
    assert data.time.to_list() == [datetime.fromisoformat("2024-01-31"), datetime.fromisoformat("2024-02-01"), None]


def test_steps_are_in_the_order_of_their_dates() -> None:
    frame = pl.DataFrame({"who": [1, 1], "day": ["01.02.2024", "31.01.2024"], "x": [2.0, 1.0], "y": [0, 0]})
    steps = SequenceSpec(entity="who", order="day", features=("x",))
    data = Dataset.from_table(frame, Columns(label="y", sequence=steps))
    assert data.batch.history[0][0, :, 0].tolist() == [1.0, 2.0]


def test_a_recipe_names_the_format_of_dates() -> None:
    frame = pl.DataFrame({"when": ["03/04/2024"], "x": [1], "y": [0]})
    columns = Columns(label="y", time="when", dates={"when": "%m/%d/%Y"}, features="auto")
    assert read_texts(frame, columns).frame["when"].to_list() == [datetime.fromisoformat("2024-03-04")]


def test_signed_numbers_are_read_and_codes_and_categories_stay_text() -> None:
    frame = pl.DataFrame({"spent": ["$1,200", "$3"], "code": ["007", "12"], "rate": ["5 %", "7 %"], "y": [0, 1]})
    columns = Columns(label="y", features=("auto", FeatureSpec(name="rate", kind="category")))
    read = read_texts(frame, columns)
    assert read.frame.to_dict(as_series=False) == {**frame.to_dict(as_series=False), "spent": [1200, 3]}
    assert read.numbers == (NumbersRead("spent", "$1,200"),)


def test_signed_numbers_beside_a_text_for_none_are_read() -> None:
    frame = pl.DataFrame({"spent": ["1.200,50 \u20ac", "-", "3"], "y": [0, 1, 0]})
    read = read_texts(frame, Columns(label="y", features="auto", decimal=","))
    assert read.frame["spent"].to_list() == [1200.5, None, 3.0]


def test_the_most_frequent_names_of_a_category_are_kept() -> None:
    frame = pl.DataFrame({"city": ["oslo", "lima", "pune", "lima", "pune"], "y": [0, 1, 0, 1, 0]})
    data = Dataset.from_table(frame, Columns(label="y", features=(FeatureSpec(name="city", max_names=2),)))
    assert data.inputs.features[0].vocabulary == ("lima", "pune")
    assert data.batch.table[:, 0].tolist() == [2, 0, 1, 0, 1]


def test_kept_names_are_of_a_category_without_a_list() -> None:
    with pytest.raises(ValueError, match="'max_names' goes with a category whose vocabulary is not listed"):
        FeatureSpec(name="city", max_names=2, vocabulary=("lima",))
