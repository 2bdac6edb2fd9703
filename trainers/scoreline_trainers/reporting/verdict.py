"""What to look at before a version is believed: notes from all parts of its report, and the verdict they add up to."""

from collections.abc import Iterator, Mapping, Sequence

from scoreline_registry.documents.contract import InputContract
from scoreline_registry.pictures.notes import Note, Severity, problems_first
from scoreline_trainers.evaluation.document import Evaluation, Interval
from scoreline_trainers.profiling.document import Finding, TableProfile
from scoreline_trainers.reporting.document import VersionReport
from scoreline_trainers.reporting.text import interval, number, percent

FEW_ROWS, FEW_POSITIVES = 200, 30
"""Fewer evaluated rows, or positives among them, say little."""

LARGE_CALIBRATION_ERROR = 0.05
LARGE_SPREAD = 0.03
"""Standard deviation of the AUC over folds from which one fold may mislead."""

_LEAKS = frozenset({"leak", "after_the_event"})
_SAME: Mapping[str, tuple[str, ...]] = {
    "leak": ("predicts the label", "gives the label away"),
    "after_the_event": ("predicts the label", "gives the label away"),
    "constant": ("one value",),
    "id": ("identifies rows",),
    "nearly_unique": ("identifies rows",),
}
"""Words of warnings that say the same as a kind of finding."""


def notes_of(report: VersionReport) -> tuple[Note, ...]:
    """The notes of a report, problems first, each text once."""
    found = [*_record(report)]
    if report.run is not None:
        findings = () if report.run.profile is None else _findings(report.run.profile, report.manifest.inputs)
        found += [Note(_severity(finding), _text(finding)) for finding in findings]
        if report.run.evaluation is not None:
            found += _evaluation(report.run.evaluation)
        found += [Note("caution", text) for text in report.run.warnings if not _is_said(text, findings)]
    ranked = problems_first(found)
    return tuple({note.text: note for note in reversed(ranked)}.values())[::-1]


def verdict(notes: Sequence[Note]) -> str:
    """One sentence."""
    problems, cautions = (sum(note.severity == severity for note in notes) for severity in ("problem", "caution"))
    if problems:
        return f"Not fit for use as it is: {_counted(problems, 'problem')} to be solved first."
    if cautions:
        return f"No problem was found; {_counted(cautions, 'caution')} to look at before it is used."
    return "No problem was found."


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _record(report: VersionReport) -> Iterator[Note]:
    if report.publication is not None and report.publication.retired:
        yield Note("problem", "this version is retired: it must not be used any more")
    if report.run is None:
        yield Note(
            "info",
            "this version has no report.json: it was published from elsewhere, or trained by an older release. The "
            "report shows what its manifest knows; profile, curves and groups are missing",
        )
    if report.manifest.parity is None:
        yield Note("caution", "the graph was not compared with the model that it was exported from")


def _findings(profile: TableProfile, inputs: InputContract) -> tuple[Finding, ...]:
    """Errors and warnings about the table as a whole, its label, and the columns that the model reads."""
    steps = (name for ragged in inputs.ragged for name in ragged.features)
    read = {"", *(feature.name for feature in inputs.features), *steps}
    read |= {profile.label.name} if profile.label is not None else set()
    return tuple(each for each in profile.findings if each.column in read and each.severity != "note")


def _severity(finding: Finding) -> Severity:
    return "problem" if finding.severity == "error" or finding.kind in _LEAKS else "caution"


def _is_said(warning: str, findings: Sequence[Finding]) -> bool:
    """Whether a finding says the same of the same column as a warning of the run."""
    return any(
        warning.startswith(f"column {finding.column!r}")
        and any(words in warning for words in _SAME.get(finding.kind, ()))
        for finding in findings
    )


def _text(finding: Finding) -> str:
    named = finding.column and f"{finding.column!r}" not in finding.text
    text = f"column {finding.column!r}: {finding.text}" if named else finding.text
    return f"{text}; {finding.advice}" if finding.advice else text


def _evaluation(found: Evaluation) -> Iterator[Note]:
    yield from _amount_of_rows(found)
    yield from _discrimination(found)
    yield from _calibration(found)
    yield from _stability(found)
    for table in found.fairness.values():
        yield from (Note("caution", f"column {table.column!r}: {flag}") for flag in table.flags)
    best = found.best_cut
    if best is not None and best.profit.value <= max(best.select_all, best.select_none):
        everyone = "all rows" if best.select_all >= best.select_none else "no row"
        yield Note("caution", f"by the recipe's costs no cut is better than to select {everyone}")


def _amount_of_rows(found: Evaluation) -> Iterator[Note]:
    if found.rows < FEW_ROWS or (found.positives is not None and found.positives < FEW_POSITIVES):
        positives = "" if found.positives is None else f", {found.positives:,} of them positive"
        text = f"the figures rest on {found.rows:,} {found.evaluated_on}{positives}: look at their intervals"
        yield Note("caution", text)


def _discrimination(found: Evaluation) -> Iterator[Note]:
    explained = found.metrics.get("r2")
    if explained is not None and (explained.value if explained.low is None else explained.low) <= 0:
        yield Note("problem", f"the score may be no better than the mean of the label: its R² is {interval(explained)}")
    auc = found.metrics.get("auc") or found.metrics.get("auc_macro")
    if auc is not None and auc.low is not None and auc.low <= 0.5:
        yield Note("problem", f"the score may be no better than chance: its AUC is {interval(auc)}")
    test = found.test.metrics.get("auc") if found.test is not None else None
    if auc is not None and test is not None and _below(test, auc):
        text = f"the AUC on the test part, {interval(test)}, is below that on {found.evaluated_on}, {interval(auc)}"
        yield Note("caution", f"{text}: the choice of the model fitted these rows")


def _calibration(found: Evaluation) -> Iterator[Note]:
    chance = found.calibration.error_by_chance
    error = found.metrics.get("ece_20_equal_mass")
    if chance is not None and chance.high is not None and error is not None and error.value <= chance.high:
        return
    for name, error in found.metrics.items():
        low = error.value if error.low is None else error.low
        if name.startswith("ece") and low > LARGE_CALIBRATION_ERROR:
            text = f"scores are off the observed rates by {percent(error.value)} on average"
            yield Note("caution", f"{text}: use them to rank, or set `calibration` in the recipe")
            return


def _stability(found: Evaluation) -> Iterator[Note]:
    spread = found.fold_spread.get("auc")
    if spread is not None and spread.deviation > LARGE_SPREAD:
        text = f"the AUC differs between folds, from {number(spread.low)} to {number(spread.high)}"
        yield Note("caution", f"{text}: a single split would mislead")
    if found.over_time is not None and found.over_time.periods:
        last, whole = found.over_time.periods[-1], found.metrics.get("auc")
        auc = last.metrics.get("auc")
        if auc is not None and whole is not None and _below(auc, whole):
            yield Note(
                "caution", f"in the last period, {last.name}, the AUC is {interval(auc)}, overall {interval(whole)}"
            )


def _below(figure: Interval, other: Interval) -> bool:
    """Whether a figure's interval lies below another's."""
    return figure.high is not None and other.low is not None and figure.high < other.low
