"""The table that a version was learned from, column by column, and what callers send."""

from collections.abc import Iterator, Sequence

from scoreline_registry.documents.contract import Feature
from scoreline_trainers.profiling.document import ColumnProfile, Finding, TableProfile
from scoreline_trainers.reporting.blocks import Bars, Block, Cell, Section, Table, Text, facts
from scoreline_trainers.reporting.document import VersionReport
from scoreline_trainers.reporting.text import percent, short

MAX_COLUMNS = 200
_SHOWN_NAMES = 8


def data(report: VersionReport) -> Section:
    """The profile of the table."""
    profile = report.run.profile if report.run is not None else None
    if profile is None:
        return Section("Data", ())
    notes = [finding for finding in profile.findings if finding.severity == "note"]
    blocks: list[Block] = [facts(_table_facts(profile), title="The table", detail=True), _columns(profile)]
    if len(profile.columns) > MAX_COLUMNS:
        blocks.append(Text(f"{len(profile.columns) - MAX_COLUMNS:,} more columns are in the JSON form.", detail=True))
    if notes:
        blocks.append(_notes(notes))
    return Section("Data", tuple(blocks))


def inputs(report: VersionReport) -> Section:
    """What callers send."""
    contract = report.manifest.inputs
    blocks: list[Block] = []
    if contract.features:
        rows = tuple((feature.name, feature.kind, _limits(feature)) for feature in contract.features)
        blocks.append(Table("", ("feature", "kind", "facts"), rows))
    for ragged in contract.ragged:
        counts, rest = ("1 to", "") if ragged.kind.least else ("Up to", ", or none")
        names = ", ".join(ragged.features)
        blocks.append(Text(f"{counts} {ragged.max_items} {ragged.kind.items}{rest}, each with: {names}."))
    return Section("Inputs", tuple(blocks))


def _notes(notes: Sequence[Finding]) -> Table:
    """Columns of which the same was found share a row."""
    columns: dict[tuple[str, str], list[str]] = {}
    for note in notes:
        columns.setdefault((note.text, note.advice), []).append(note.column)
    rows = tuple((", ".join(filter(None, names)), *said) for said, names in columns.items())
    return Table("Good to know", ("column", "found", "advice"), rows, detail=True)


def _table_facts(profile: TableProfile) -> dict[str, str]:
    found = {"rows": f"{profile.rows:,}", "columns": f"{len(profile.columns):,}", "a row is": profile.shape}
    found["equal to an earlier row"] = f"{profile.duplicate_rows:,}"
    if profile.unit:
        found["unit"] = f"{profile.unit}, {profile.units:,} different"
    if profile.time:
        found["time"] = profile.time
    label = profile.label
    if label is not None:
        found["label"] = f"{label.name} ({label.task})"
        if label.rate is not None:
            found["label is 1"] = f"{percent(label.rate)} of the rows, where it is {label.positive!r}"
    return found


def _columns(profile: TableProfile) -> Table:
    columns = ("column", "distribution", "kind", "missing", "distinct", "values", "alone: AUC", "flags")
    rows = tuple(_row(column) for column in profile.columns[:MAX_COLUMNS])
    return Table("Columns", columns, rows, detail=True)


def _row(column: ColumnProfile) -> tuple[Cell, ...]:
    return (
        column.name,
        _distribution(column),
        column.kind,
        percent(column.missing),
        f"{column.unique:,}",
        "; ".join(_values(column)),
        "-" if column.label_auc is None else f"{column.label_auc:.3f}",
        ", ".join(flag.replace("_", " ") for flag in column.flags),
    )


def _values(column: ColumnProfile) -> Iterator[str]:
    if column.quantiles is not None:
        found = column.quantiles
        yield f"{short(found.min)} to {short(found.max)}, median {short(found.median)} {column.unit}".rstrip()
    elif column.earliest:
        yield f"{column.earliest} to {column.latest}"
    elif column.top:
        yield ", ".join(f"{each.value} ({each.rows:,})" for each in column.top[:4])
    if column.null_texts:
        yield "missing is written " + ", ".join(repr(each.value) for each in column.null_texts)


def _distribution(column: ColumnProfile) -> Cell:
    if column.histogram:
        counts = tuple(each.rows for each in column.histogram)
        low, high = column.histogram[0].low, column.histogram[-1].high
        return Bars(counts, f"histogram of {column.name} from {short(low)} to {short(high)}")
    if column.top:
        return Bars(tuple(each.rows for each in column.top[:20]), f"most frequent values of {column.name}")
    return ""


def _limits(feature: Feature) -> str:
    found = ["required"] if feature.required else []
    found += [f"{name} {value}" for name in ("default", "min", "max") if (value := getattr(feature, name)) is not None]
    if feature.vocabulary:
        shown = ", ".join(feature.vocabulary[:_SHOWN_NAMES]) + (", ..." * (len(feature.vocabulary) > _SHOWN_NAMES))
        found.append(f"{len(feature.vocabulary)} names ({shown}), others: {feature.unseen}")
    return "; ".join(found + (["sensitive"] if feature.sensitive else [])) or "-"
