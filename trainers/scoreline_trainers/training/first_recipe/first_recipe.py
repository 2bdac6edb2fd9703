"""The first recipe of a table: what was found in it, as keys with reasons."""

import re
from dataclasses import dataclass
from typing import Any

from scoreline_trainers.data.reading.csv_files import CsvFormat
from scoreline_trainers.errors import DataError
from scoreline_trainers.profiling.document import LabelProfile, TableProfile
from scoreline_trainers.training.first_recipe.choices import Choice, document, yaml_text
from scoreline_trainers.training.first_recipe.event_logs import Event, choices_of_log
from scoreline_trainers.training.first_recipe.inputs import inputs_of
from scoreline_trainers.training.first_recipe.models import family_of, validation_of
from scoreline_trainers.training.recipe import Recipe

_MEANING = 200


@dataclass(frozen=True, slots=True)
class FirstRecipe:
    """A recipe that trains as it is, and why it is so.

    Attributes:
        recipe: checked.
        choices: its keys in order, with reasons.
        profile: of the table that it is for.
    """

    recipe: Recipe
    choices: tuple[Choice, ...]
    profile: TableProfile

    @property
    def text(self) -> str:
        """The recipe as YAML, with the reasons and findings as comments."""
        found = [
            f"- {_named(each.column)}{each.text}{'; ' * bool(each.advice)}{each.advice}"
            for each in self.profile.findings
        ]
        rows = f"First recipe for {self.profile.rows:,} rows of {len(self.profile.columns)} columns."
        return yaml_text(self.choices, [rows, *(["Found in the table:"] if found else []), *found])

    @property
    def document(self) -> dict[str, Any]:
        """The recipe as the mapping that its YAML holds."""
        return document(self.choices)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why each choice was made, one line each."""
        return tuple(reason for choice in self.choices for reason in choice.reasons)


def first_recipe(table: TableProfile, *, name: str, data: str, form: CsvFormat | None = None) -> FirstRecipe:
    """Chooses the keys of a recipe by a profile.

    Args:
        table: with a label; without one an event log, whose next event is predicted.
        name: of the model.
        data: the table's file as the recipe is to name it.
        form: how the file is written, where it is a CSV file.

    Raises:
        DataError: the profile has no label, or no column is left as an input.
    """
    if table.label is None and table.shape == "events":
        return first_recipe_of_log(table, Event(), name=name, data=data, form=form)
    if table.label is None:
        raise DataError("", f"name the label, the column to predict: {_candidates(table)}")
    choices = (
        Choice("name", name),
        Choice("data", data),
        *_of_file(form or CsvFormat()),
        *_of_label(table.label),
        *_of_roles(table),
        *inputs_of(table),
        *family_of(table),
        validation_of(table),
        Choice("score", {"meaning": _meaning(table.label)}),
    )
    return FirstRecipe(Recipe.parse(document(choices), source="of this table"), choices, table)


def first_recipe_of_log(
    table: TableProfile, event: Event, *, name: str, data: str, form: CsvFormat | None = None
) -> FirstRecipe:
    """Chooses the keys of a recipe that predicts an event in a log; arguments as for ``first_recipe``.

    Raises:
        DataError: the log is too short, or has no units or times.
    """
    choices = choices_of_log(table, event, name=name, data=data, form=form or CsvFormat())
    return FirstRecipe(Recipe.parse(document(choices), source="of this log"), choices, table)


def model_name(text: str) -> str:
    """A model's name made of a file's or a label's: "Kunden 2024.csv" gives "kunden-2024"."""
    made = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-")
    return made if made[:1].isalpha() else f"model-{made}".strip("-")


def _named(column: str) -> str:
    return f"{column!r} " if column else ""


def _of_file(form: CsvFormat) -> list[Choice]:
    choices = []
    if form.separator not in (None, ","):
        choices.append(Choice("separator", form.separator, "makes most columns of the header"))
    if form.decimal == ",":
        choices.append(Choice("decimal", ",", "numbers are written with a decimal comma"))
    if form.encoding not in (None, "utf-8", "utf-8-sig", "utf-16"):
        choices.append(Choice("encoding", form.encoding, "the file is not UTF-8: check the accents in its texts"))
    return choices


def _of_label(label: LabelProfile) -> list[Choice]:
    choices = [Choice("label", label.name, label.reason)]
    if label.task != "binary":
        return [*choices, Choice("task", label.task)]
    if label.positive != "1" or {each.value for each in label.values} != {"0", "1"}:
        choices.append(Choice("positive", label.positive))
    return choices


def _of_roles(table: TableProfile) -> list[Choice]:
    choices = []
    dated = {table.time} | {column.name for column in table.columns if "step" in column.flags}
    forms = {column.name: column.date_format for column in table.columns if column.name in dated and column.date_format}
    if table.time and table.shape == "rows":
        sorting = " and the rows are sorted by it" if table.ordered_by == table.time else ""
        choices.append(Choice("time", table.time, f"a date{sorting}: when a row was observed"))
    if forms:
        choices.append(Choice("dates", forms, "as they are written"))
    if table.unit and table.shape == "rows":
        repeats = f"{table.units:,} in {table.rows:,} rows" if table.units < table.rows else "one a row"
        choices.append(Choice("unit", table.unit, f"whom a row is about, {repeats}: not an input"))
    return choices


def _meaning(label: LabelProfile) -> str:
    if label.task == "regression":
        return f"expected {label.name}"
    return f"probability that {label.name} is {label.positive or label.values[-1].value}"[:_MEANING]


def _candidates(table: TableProfile) -> str:
    two = [column.name for column in table.columns if column.unique == 2 and not column.missing]
    listed = ", ".join(two[:6]) or ", ".join(column.name for column in table.columns[:6])
    return f"--label NAME, such as {listed}"
