"""Files as they come: each gives a recipe that trains as it is, or one clear error that says what to do."""

import codecs
import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scoreline_trainers.data.tables import read_table, read_unknown
from scoreline_trainers.errors import TrainersError
from scoreline_trainers.profiling.profile import profile
from scoreline_trainers.training.first_recipe.first_recipe import FirstRecipe, first_recipe
from scoreline_trainers.training.in_python import train as train_file
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train

ROWS = 240
_DRAW = np.random.default_rng(5)
_LABEL = (_DRAW.random(ROWS) < 0.4).astype(int).tolist()
_NUMBER = (_DRAW.normal(0, 1, ROWS) + np.array(_LABEL)).round(2).tolist()


def rows(**columns: Sequence[object]) -> dict[str, Sequence[object]]:
    """A number that tells something of the label, these columns, and the label ``y`` unless they hold one."""
    return {"x": _NUMBER, "y": _LABEL, **columns}


def as_csv(columns: Mapping[str, Sequence[object]], *, separator: str = ",", end: str = "\n") -> str:
    """The text of a CSV file."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator=end)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def decimal_commas(values: Sequence[object]) -> list[str]:
    """Numbers as they are written in most of Europe."""
    return [f"{float(str(value)) * 1000:,.2f}".translate(str.maketrans(",.", ".,")) for value in values]


def signed(pattern: str) -> list[str]:
    """Numbers of a thousand and more by a pattern."""
    return [pattern.format(1000 + 1000 * abs(value)) for value in _NUMBER]


def looked_at(path: Path, *, label: str = "y", positive: str | None = None) -> FirstRecipe:
    """The first recipe for a file."""
    frame, form = read_unknown(path)
    found = profile(frame, label=label, positive=positive, decimal=form.decimal)
    return first_recipe(found, name="nasty", data=path.name, form=form)


def trained(recipe: Recipe, folder: Path) -> Mapping[str, float]:
    """The metrics of a model of the recipe's own reading of its file; a quick family and one split are enough here."""
    frame, _ = read_table(
        folder / str(recipe.data), separator=recipe.separator, decimal=recipe.decimal, encoding=recipe.encoding
    )
    family = "linear" if recipe.task == "regression" else "logistic"
    quick = {"family": family, "config": {}, "validation": {"kind": "random"}}
    document = recipe.model_dump(mode="json", exclude_unset=True) | quick
    return train(Recipe.parse(document), frame).report.metrics


MODELS: Mapping[str, Callable[[], str | bytes]] = {
    "mixed types": lambda: as_csv(rows(mixed=["5", "n/a", "abc", "7.5"] * 60)),
    "numbers beside a word": lambda: as_csv(rows(age=["30", "41", "unknown"] * 80)),
    "empty column": lambda: as_csv(rows(empty=[""] * ROWS)),
    "constant column": lambda: as_csv(rows(constant=["same"] * ROWS)),
    "a level in every row": lambda: as_csv(rows(city=[f"city {n}" for n in range(ROWS)])),
    "duplicate ids": lambda: as_csv(rows(customer_id=[n // 2 for n in range(ROWS)])),
    "dates as text": lambda: as_csv(
        rows(application_date=[f"{1 + n % 28:02}/{1 + n % 12:02}/2024" for n in range(ROWS)])
    ),
    "broken dates": lambda: as_csv(rows(opened=["2024-01-31", "31.01.2024", "soon", "NA"] * 60)),
    "unicode header": lambda: as_csv(rows(**{"\u00fcber gr\u00f6\u00dfe \u2603": _NUMBER[::-1]})),
    "windows line ends": lambda: as_csv(rows(c=["a", "b"] * 120), end="\r\n"),
    "semicolons and decimal commas": lambda: as_csv({**rows(), "x": decimal_commas(_NUMBER)}, separator=";"),
    "tabs": lambda: as_csv(rows(c=["a", "b, c"] * 120), separator="\t"),
    "nameless first column": lambda: as_csv({"": range(ROWS), **rows()}),
    "byte order mark": lambda: codecs.BOM_UTF8 + as_csv(rows()).encode(),
    "utf-16": lambda: as_csv(rows(c=["\u00e4", "\u00f6"] * 120)).encode("utf-16"),
    "latin-1": lambda: as_csv(rows(c=["K\u00f6ln", "Z\u00fcrich"] * 120)).encode("latin-1"),
    "quoted line ends": lambda: as_csv(rows(note=["one\ntwo", 'say "x"'] * 120)),
    "excel's separator line": lambda: "sep=;\r\n" + as_csv(rows(), separator=";", end="\r\n"),
    "thousands": lambda: as_csv(rows(spent=signed("{:,.2f}"))),
    "spaces in thousands": lambda: as_csv(rows(spent=[text.replace(",", "\u00a0") for text in signed("{:,.0f}")])),
    "percent": lambda: as_csv(rows(rate=signed("{:.0f} %"))),
    "currencies": lambda: as_csv(rows(spent=signed("${:,.2f}"), income=signed("{:,.0f} EUR"))),
    "label of three values": lambda: as_csv(
        {**rows(), "y": [f"class {int(value > -0.5) + int(value > 1)}" for value in _NUMBER]}
    ),
    "label of amounts": lambda: as_csv({**rows(), "y": [f"{1000 * value:,.2f} EUR" for value in _NUMBER]}),
    "label of words": lambda: as_csv({**rows(), "y": ["churned" if one else "stayed" for one in _LABEL]}),
    "label of booleans": lambda: as_csv({**rows(), "y": [str(bool(one)) for one in _LABEL]}),
    "copies of rows": lambda: as_csv(rows()) + as_csv(rows()).partition("\n")[2],
    "infinite numbers in text": lambda: as_csv(rows(ratio=["1.5", "inf", "-inf", "2"] * 60)),
    "runs of spaces": lambda: "\n".join(line.replace(",", "   ") for line in as_csv(rows()).splitlines()),
    "blank names around": lambda: as_csv(rows(**{" spaced ": _NUMBER[::-1]})),
    "ten thousand levels": lambda: as_csv(
        {name: [*values] * 50 for name, values in rows().items()}
        | {"shop": [f"s{n % 10_000}" for n in range(50 * ROWS)]}
    ),
}


@pytest.mark.parametrize("kind", MODELS)
def test_a_nasty_table_gives_a_model(tmp_path: Path, kind: str) -> None:
    content = MODELS[kind]()
    (tmp_path / "t.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    found = looked_at(tmp_path / "t.csv")
    metrics = trained(found.recipe, tmp_path)
    assert metrics.get("auc", 1) > 0.6
    assert metrics


@pytest.mark.acceptance
@pytest.mark.parametrize(
    "kind",
    ["semicolons and decimal commas", "duplicate ids", "dates as text", "label of three values", "label of amounts"],
)
def test_a_recipe_trains_as_it_is_written(tmp_path: Path, kind: str) -> None:
    content = MODELS[kind]()
    assert isinstance(content, str)
    (tmp_path / "t.csv").write_text(content)
    found = looked_at(tmp_path / "t.csv")
    (tmp_path / "t.yaml").write_text(found.text)
    assert train_file(tmp_path / "t.yaml").report.validation_rows > 0


ERRORS: Mapping[str, tuple[Callable[[], str | bytes], str]] = {
    "no positive": (lambda: as_csv({**rows(), "y": [0] * ROWS}), r"'y' is the label and has one value only, '0'.*add"),
    "missing label": (lambda: as_csv({**rows(), "y": ["", 1] * 120}), r"missing in 120 of 240 rows .*remove or fill"),
    "label of names": (lambda: as_csv({**rows(), "y": [f"n{n}" for n in range(ROWS)]}), r"240 different texts: name"),
    "no rows": (lambda: "x,y\n", r"the table has no rows"),
    "no header": (lambda: "1,2\n3,4\n5,6\n", r"t.csv has no header: its first line is 1, 2; put names"),
    "two columns of one name": (lambda: "x,x,y\n1,2,0\n", r"t.csv has duplicate columns 'x': give each another name"),
    "a row with more fields": (lambda: "x,y\n1,0\n1,2,1\n", r"a row has more fields than the header: quote"),
    "another label": (
        lambda: as_csv({**rows(), "z": _LABEL}).replace("y", "label"),
        r"'y' is not in the table; it has",
    ),
    "nothing but ids": (lambda: as_csv({"id": range(ROWS), "y": _LABEL}), r"no column is left as an input"),
    "an empty file": (lambda: "", r"t.csv is not a readable table"),
    "a spreadsheet": (lambda: b"PK\x03\x04\x00\xff\xfe", r"t.csv is a spreadsheet or .*: save the sheet as CSV"),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_a_hopeless_table_gives_one_clear_error(tmp_path: Path, kind: str) -> None:
    make, message = ERRORS[kind]
    content = make()
    (tmp_path / "t.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(TrainersError, match=message) as error:
        looked_at(tmp_path / "t.csv")
    assert "\n" not in str(error.value)


def test_numbers_are_those_that_people_wrote(tmp_path: Path) -> None:
    columns: dict[str, Any] = {**rows(spent=signed("{:,.2f} \u20ac")), "x": decimal_commas(_NUMBER)}
    columns["spent"] = decimal_commas([1 + abs(value) for value in _NUMBER])
    (tmp_path / "t.csv").write_text(as_csv(columns, separator=";"))
    found = looked_at(tmp_path / "t.csv")
    assert found.recipe.decimal == ","
    assert found.profile.column("x").mean == pytest.approx(1000 * np.mean(_NUMBER), rel=1e-6)
    assert found.profile.column("spent").kind == "number"


def test_one_class_of_three_becomes_the_positive(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(as_csv({**rows(), "y": ["low", "mid", "high"] * 80}))
    recipe = looked_at(tmp_path / "t.csv", positive="high").recipe
    assert (recipe.task, recipe.positive) == ("binary", "high")
    assert "auc" in trained(recipe, tmp_path)
