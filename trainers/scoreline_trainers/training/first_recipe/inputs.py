"""Which columns of a table become inputs, with which facts, and which do not and why."""

from scoreline_registry.errors import InvalidNameError
from scoreline_registry.names import check_feature_name
from scoreline_trainers.data.columns import row_numbers
from scoreline_trainers.errors import DataError
from scoreline_trainers.profiling.document import ColumnProfile, TableProfile
from scoreline_trainers.profiling.measures import MANY_NAMES
from scoreline_trainers.profiling.names import names_an_id
from scoreline_trainers.training.first_recipe.choices import Choice, Item

_BY_FLAG = {
    "infinite": "infinite numbers, or some beyond float32: clean the data",
    "constant": "one value in all rows",
    "row_number": "numbers the rows",
    "id": "another value in every row: it identifies them",
    "nearly_unique": "text with its own value in most rows",
}
_BY_KIND = {
    "empty": "no value in any row",
    "text": "free text, which no family reads",
    "nested": "lists or structures, which are no features",
    "date": "a date, which no family reads; days since another date can be computed before training",
}
_ENGINEERED = [
    {"kind": "rolling", "windows": [3, 6, 12], "statistics": ["mean", "std"]},
    {"kind": "momentum", "windows": [3, 6]},
    {"kind": "trend", "windows": [6, 12]},
]


def inputs_of(table: TableProfile) -> tuple[Choice, ...]:
    """The keys ``features``, ``exclude``, ``sequence`` and ``engineered``. Raises DataError where no column is left."""
    left_out = [Item(column.name, reason) for column in table.columns if (reason := _why_not(table, column))]
    names = [column.name for column in table.columns]
    roles = {table.unit, table.time, *([table.label.name] if table.label else []), *row_numbers(names)}
    excluded = {item.value for item in left_out}
    kept = [column for column in table.columns if column.name not in roles | excluded]
    steps = [column for column in kept if table.shape == "histories" and _is_step(column)]
    plain = [column for column in kept if column not in steps and "step" not in column.flags]
    if not kept or not (steps or plain):
        reasons = "; ".join(f"{item.value!r}: {item.reason}" for item in left_out) or "the table has no other"
        raise DataError("", f"no column is left as an input: {reasons}")
    described = tuple(item for column in plain if (item := _described(column)))
    features = Choice("features", (Item("auto", "every column without another role"), *described))
    exclude = (Choice("exclude", tuple(left_out), "remove a line to make the column an input"),) if left_out else ()
    return (*((features, *exclude) if plain else ()), *(_sequence(table, steps) if steps else ()))


def _why_not(table: TableProfile, column: ColumnProfile) -> str:
    """Why a column is no input; empty for one that is, or that has another role."""
    flags = set(column.flags)
    if flags & {"label", "unit", "time", "step"} or column.name in row_numbers([each.name for each in table.columns]):
        return ""
    if "leak" in flags or "after_the_event" in flags:
        found = (each.text for each in table.findings if each.column == column.name and each.kind == "leak")
        return f"{next(found, 'gives the label away')}: known only after the event?"
    reason = next((text for flag, text in _BY_FLAG.items() if flag in flags), "") or _BY_KIND.get(column.kind, "")
    if not reason and column.unique > MANY_NAMES and names_an_id(column.name):
        reason = f"{column.unique:,} ids of something else than the rows are about"
    if not reason and table.shape == "histories" and "varying" in flags and not _is_step(column):
        reason = "changes from step to step, and is no number"
    return reason or _unfit(column.name)


def _unfit(name: str) -> str:
    try:
        check_feature_name(name)
    except InvalidNameError:
        return "this name cannot be a feature's: rename the column"
    return ""


def _is_step(column: ColumnProfile) -> bool:
    return "varying" in column.flags and column.kind in ("number", "boolean") and "step" not in column.flags


def _described(column: ColumnProfile) -> Item | None:
    """A feature whose facts are not those that training would infer, with the reason."""
    flags = set(column.flags)
    facts: dict[str, str | int]
    if "code" in flags:
        facts, reason = {"kind": "category"}, f"{column.unique} whole numbers that look like codes"
        if column.unique > MANY_NAMES:
            facts |= {"max_names": MANY_NAMES}
    elif "many_names" in flags:
        facts, reason = {"max_names": MANY_NAMES}, f"{column.unique:,} names: the most frequent are kept"
    elif column.kind == "number" and column.type == "String" and not flags & {"null_texts", "signs", "decimal_comma"}:
        facts, reason = {"kind": "number"}, "numbers that are stored as text"
    else:
        return None
    return Item({"name": column.name, **facts}, reason)


def _sequence(table: TableProfile, steps: list[ColumnProfile]) -> tuple[Choice, ...]:
    order = next(column.name for column in table.columns if {"step", "time"} & set(column.flags))
    spec = {"entity": table.unit, "order": order, "features": [column.name for column in steps]}
    rows = table.rows / max(table.units, 1)
    reason = f"{table.units:,} units with {rows:.1f} rows each and one label: their rows are the steps of a history"
    engineered = tuple(map(Item, _ENGINEERED))
    return (
        Choice("sequence", spec, reason),
        Choice("engineered", engineered, "columns over the newest steps, computed inside the graph"),
    )
