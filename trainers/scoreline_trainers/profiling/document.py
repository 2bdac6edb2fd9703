"""The profile of a table as a document: frozen values that are written as JSON and read back."""

from typing import Literal

from pydantic import Field

from scoreline_registry.documents.base import FrozenModel

ColumnKind = Literal["number", "category", "boolean", "date", "text", "nested", "empty"]
"""How the values of a column are read. "text" has too many distinct values for a category."""

Flag = Literal[
    "label",
    "unit",
    "time",
    "constant",
    "id",
    "nearly_unique",
    "row_number",
    "code",
    "leak",
    "after_the_event",
    "heavy_tail",
    "null_texts",
    "decimal_comma",
    "signs",
    "mixed",
    "infinite",
    "many_names",
    "sorted",
    "step",
    "varying",
]
"""What is special about a column.

``signs`` are currencies, percent signs and thousands separators; ``step`` orders the rows of a unit, and ``varying``
values change within a unit.
"""

Severity = Literal["error", "warning", "note"]
"""An error prevents training until it is mended, a warning may make a model wrong, a note is good to know."""

Task = Literal["binary", "regression", "multiclass"]

Shape = Literal["rows", "histories", "events"]
"""Whether rows stand for themselves, are the steps of units that have one label each, or events of units."""


class ValueCount(FrozenModel):
    """How many rows have a value, written as text."""

    value: str
    rows: int


class Bin(FrozenModel):
    """How many rows have a number from ``low`` up to ``high``; the last bin includes ``high``."""

    low: float
    high: float
    rows: int


class Quantiles(FrozenModel):
    """Places of a number's distribution among the rows that have one."""

    min: float
    p01: float
    p25: float
    median: float
    p75: float
    p99: float
    max: float


class ColumnProfile(FrozenModel):
    """What is in one column.

    Attributes:
        name: of the column.
        kind: how its values are read.
        type: as the file stores it, by the name of Polars.
        missing: share of the rows without a value, 0 to 1; texts that mean "no value" count as missing.
        unique: number of distinct values.
        top: the most frequent values, most frequent first; of categories, booleans and text.
        histogram: of a number, at most 20 bins of equal width between its 1st and 99th percentile.
        quantiles: of a number.
        mean: of a number.
        unit: of amounts, where names or signs tell it: "EUR", "%", "days".
        date_format: of dates that are stored as text or as numbers, by ``strptime``.
        earliest, latest: of dates, in ISO 8601.
        null_texts: texts that mean "no value", with the rows that have them.
        label_auc: area under the ROC curve of this column alone against the label, on rows held out, 0.5 to 1; None
            where it was not measured.
        flags: what is special about it.
    """

    name: str
    kind: ColumnKind
    type: str
    missing: float
    unique: int
    top: tuple[ValueCount, ...] = ()
    histogram: tuple[Bin, ...] = ()
    quantiles: Quantiles | None = None
    mean: float | None = None
    unit: str = ""
    date_format: str = ""
    earliest: str = ""
    latest: str = ""
    null_texts: tuple[ValueCount, ...] = ()
    label_auc: float | None = None
    flags: tuple[Flag, ...] = ()


class LabelProfile(FrozenModel):
    """What the label holds.

    Attributes:
        name: of the column.
        task: what a model of it predicts.
        values: of yes/no labels and classes, most frequent first.
        positive: the value that counts as 1, as text; empty for amounts and classes.
        rate: share of the rows with that value; None for amounts and classes.
        reason: why the task and this value.
    """

    name: str
    task: Task
    values: tuple[ValueCount, ...] = ()
    positive: str = ""
    rate: float | None = None
    reason: str = ""


class Finding(FrozenModel):
    """Something a person should know, with what to do about it.

    Attributes:
        severity: how much it matters.
        kind: which check found it, such as "leak" or "constant".
        column: whose; empty for the table as a whole.
        text: what was found.
        advice: what to do; empty where nothing needs to be done.
    """

    severity: Severity
    kind: str
    column: str = ""
    text: str
    advice: str = ""


class TableProfile(FrozenModel):
    """What is in a table.

    Attributes:
        rows: number of rows.
        columns: in the table's order.
        label: where one was named.
        duplicate_rows: rows that are equal to an earlier one.
        shape: what a row stands for.
        unit: the column that identifies whom a row is about; empty where there is none.
        units: number of distinct units.
        time: the column that says when a row was observed; empty where there is none.
        ordered_by: the column of dates that the rows are sorted by; empty where there is none.
        findings: errors first, then warnings, then notes.
    """

    rows: int
    columns: tuple[ColumnProfile, ...]
    label: LabelProfile | None = None
    duplicate_rows: int = 0
    shape: Shape = "rows"
    unit: str = ""
    units: int = 0
    time: str = ""
    ordered_by: str = ""
    findings: tuple[Finding, ...] = Field(default=())

    def column(self, name: str) -> ColumnProfile:
        """The profile of one column. Raises KeyError."""
        found = next((column for column in self.columns if column.name == name), None)
        if found is None:
            raise KeyError(name)
        return found
