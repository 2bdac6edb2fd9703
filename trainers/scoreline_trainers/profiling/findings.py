"""Findings: what a person should know about a table before a model learns from it, and what to do."""

from collections.abc import Iterator, Mapping, Sequence

from scoreline_trainers.problems import as_yaml
from scoreline_trainers.profiling.document import ColumnProfile, Finding, Severity, TableProfile
from scoreline_trainers.profiling.leaks import TOO_GOOD, Sign
from scoreline_trainers.profiling.measures import MANY_NAMES

FEW_ROWS = 1000
FEW_POSITIVES = 50

_RARE = 0.05
_MOSTLY_MISSING = 0.95
_ORDER: Sequence[Severity] = ("error", "warning", "note")


def all_findings(
    table: TableProfile, signs: Mapping[str, tuple[Sign, int]], late: Mapping[str, int], runs: Sequence[str]
) -> tuple[Finding, ...]:
    """Every finding, errors first.

    Args:
        table: the profile.
        signs: by column, the rows that have the label almost always, and how many there are.
        late: by column of dates, how many lie after the row was observed.
        runs: columns whose equal values stand together in the file.
    """
    found = [
        *_of_label(table),
        *(each for column in table.columns for each in _of_column(table, column, signs)),
        *(
            _warning("after_the_event", name, f"holds dates after {table.time!r} in {count:,} rows", "exclude it")
            for name, count in late.items()
        ),
        *_of_rows(table, runs),
    ]
    return tuple(sorted(found, key=lambda finding: _ORDER.index(finding.severity)))


def _of_label(table: TableProfile) -> Iterator[Finding]:
    label = table.label
    if label is None or label.rate is None:
        return
    positives = round(label.rate * table.rows)
    if min(positives, table.rows - positives) < FEW_POSITIVES:
        text = f"has {positives:,} rows of {label.positive!r} among {table.rows:,}"
        yield _warning("few_positives", label.name, text, "collect more rows: metrics of so few say little")
    if label.rate < _RARE:
        text = f"is {label.positive!r} in {label.rate:.2%} of the rows"
        advice = "read average precision beside the AUC; without class weights scores stay probabilities"
        yield Finding(severity="note", kind="imbalance", column=label.name, text=text, advice=advice)


def _of_column(table: TableProfile, column: ColumnProfile, signs: Mapping[str, tuple[Sign, int]]) -> Iterator[Finding]:
    flags = set(column.flags)
    yield from _leaks(table, column, signs)
    if column.kind == "empty":
        yield _warning("empty", column.name, "has no value", "exclude it")
    elif "constant" in flags:
        yield _warning("constant", column.name, "has one value in all rows", "exclude it")
    elif column.missing > _MOSTLY_MISSING:
        yield _note("mostly_missing", column.name, f"is missing in {column.missing:.1%} of the rows")
    if flags & {"id", "row_number", "nearly_unique"} and not flags & {"unit", "label", "time"}:
        yield _note("id", column.name, f"has {column.unique:,} values in {table.rows:,} rows: it identifies them")
    if "infinite" in flags:
        yield _warning("infinite", column.name, "holds infinite numbers, or some beyond float32", "clean the data")
    if "mixed" in flags:
        yield _mixed(column)
    yield from _readings(column)


def _leaks(table: TableProfile, column: ColumnProfile, signs: Mapping[str, tuple[Sign, int]]) -> Iterator[Finding]:
    """Columns that give the label away."""
    if not {"leak", "after_the_event"} & set(column.flags) or table.label is None:
        return
    auc = column.label_auc or 0.0
    figure = "explains {:.1%} of the variance" if table.label.task == "regression" else "has an AUC of {:.3f}"
    advice = "if it is known only after the event, exclude it"
    if auc >= TOO_GOOD:
        yield _warning(
            "leak", column.name, f"predicts the label alone: it {figure.format(auc)} on rows held out", advice
        )
    elif column.name in signs:
        sign, rows = signs[column.name]
        text = f"is {sign} in {rows:,} of the rows looked at, and nearly all of them are {table.label.positive!r}"
        yield _warning("leak", column.name, text, advice)
    else:
        text = f"is named like a fact of after the event, and has an AUC of {auc:.3f} alone"
        yield _warning("leak", column.name, text, advice)


def _mixed(column: ColumnProfile) -> Finding:
    texts = [each.value for each in column.top if not any(sign.isdigit() for sign in each.value)]
    named = f", such as {texts[0]!r}" if texts else ""
    advice = f"`null_values: {as_yaml([texts[0]])}` reads it as missing" if texts else "split it into two columns"
    return _warning("mixed", column.name, f"holds numbers beside other texts{named}", advice)


def _readings(column: ColumnProfile) -> Iterator[Finding]:
    flags = set(column.flags)
    if "null_texts" in flags:
        counted = ", ".join(f"{each.value!r} in {each.rows:,} rows" for each in column.null_texts[:3])
        yield _note("null_texts", column.name, f"{counted} mean no value")
    if flags & {"decimal_comma", "signs"}:
        unit = f" of {column.unit}" if column.unit else ""
        yield _note("signs", column.name, f"holds numbers{unit} written for people")
    if "many_names" in flags and "unit" not in flags:
        text = f"has {column.unique:,} names"
        yield _note("many_names", column.name, text, f"keep the most frequent {MANY_NAMES} with `max_names`")
    if column.date_format and column.type == "String" and "%d/%m" in column.date_format:
        text = f"holds dates, read as {column.date_format}"
        yield _note("dates", column.name, text, "where months come first, change `dates`")
    if "heavy_tail" in flags:
        yield _note("heavy_tail", column.name, "has a heavy tail", "trees do not mind; networks and regressions do")


def _of_rows(table: TableProfile, runs: Sequence[str]) -> Iterator[Finding]:
    if table.rows < FEW_ROWS:
        yield _warning(
            "few_rows", "", f"{table.rows:,} rows", "take metrics with their intervals; small models do best"
        )
    if table.duplicate_rows:
        text = f"{table.duplicate_rows:,} rows repeat an earlier one"
        advice = "where they are copies, remove them: a model would be validated on rows that it has learned"
        yield (_warning if table.unit else _note)("duplicates", "", text, advice)
    if table.unit and table.units < table.rows:
        text = f"{table.units:,} units in {table.rows:,} rows"
        advice = "rows that are drawn for validation are whole units"
        if table.time and table.label is not None and table.shape == "rows":
            advice = "what a unit did before can become features: `data: {table: ..., events: ...}`"
        yield _note("repeated_units", table.unit, text, advice)
    if table.ordered_by:
        yield _note("order", table.ordered_by, "is ascending or descending in the file", "validate by time")
    elif len(runs) > 1:
        text = f"equal values of {', '.join(runs[:3])} stand together: the rows may be in the order of time"
        yield _note("order", "", text, "if they are, `validation: {kind: last_fraction}` is the honest one")


def _warning(kind: str, column: str, text: str, advice: str) -> Finding:
    return Finding(severity="warning", kind=kind, column=column, text=text, advice=advice)


def _note(kind: str, column: str, text: str, advice: str = "") -> Finding:
    return Finding(severity="note", kind=kind, column=column, text=text, advice=advice)
