"""The notes of a report and the verdict that they add up to."""

from collections.abc import Mapping
from typing import Any

import pytest

from scoreline_trainers.evaluation.document import Evaluation, Interval, OverTime, PeriodFigures, Spread
from scoreline_trainers.reporting.document import RunReport, VersionReport
from scoreline_trainers.reporting.verdict import notes_of, verdict
from tests.trainers.reporting.reports import bare_report, whole_report

GOOD = Interval(value=0.8, low=0.78, high=0.82)
WORSE = Interval(value=0.7, low=0.68, high=0.72)


def judged(**update: Any) -> VersionReport:
    facts = {"rows": 5000, "positives": 1000, "metrics": {"auc": GOOD}, **update}
    run = RunReport(evaluation=Evaluation.model_validate(facts))
    return bare_report().model_copy(update={"run": run})


def test_a_version_without_notes_has_no_problem() -> None:
    assert notes_of(judged()) == ()
    assert verdict(()) == "No problem was found."


@pytest.mark.parametrize(
    ("update", "severity", "text"),
    [
        ({"metrics": {"auc": Interval(value=0.52, low=0.49, high=0.55)}}, "problem", "no better than chance"),
        ({"metrics": {"auc_macro": Interval(value=0.52, low=0.49, high=0.55)}}, "problem", "no better than chance"),
        ({"metrics": {"r2": Interval(value=0.02, low=-0.01, high=0.05)}}, "problem", "than the mean of the label"),
        ({"rows": 150}, "caution", "the figures rest on 150 validation rows"),
        ({"positives": 12}, "caution", "12 of them positive"),
        ({"test": Evaluation(rows=500, metrics={"auc": WORSE})}, "caution", "the AUC on the test part, 0.7000"),
        ({"metrics": {"ece_10_equal_mass": Interval(value=0.08)}}, "caution", "off the observed rates by 8.0%"),
        ({"fold_spread": {"auc": Spread(mean=0.8, deviation=0.05, low=0.7, high=0.9)}}, "caution", "between folds"),
        (
            {
                "over_time": OverTime(
                    column="day",
                    period="month",
                    periods=(PeriodFigures(name="2026-02", start="2026-02-01", rows=500, metrics={"auc": WORSE}),),
                )
            },
            "caution",
            "in the last period, 2026-02, the AUC is 0.7000",
        ),
    ],
)
def test_each_weakness_of_an_evaluation_is_noted(update: Mapping[str, Any], severity: str, text: str) -> None:
    (note,) = notes_of(judged(**update))
    assert note.severity == severity
    assert text in note.text


def test_notes_come_once_and_problems_first() -> None:
    notes = notes_of(whole_report())
    severities = [note.severity for note in notes]
    assert severities == sorted(severities, key=("problem", "caution", "info").index)
    assert len({note.text for note in notes}) == len(notes)
    assert verdict(notes) == "Not fit for use as it is: 1 problem to be solved first."
    assert (
        verdict(notes[1:])
        == f"No problem was found; {severities.count('caution')} cautions to look at before it is used."
    )


def test_a_retired_version_is_a_problem() -> None:
    report = whole_report()
    assert report.publication is not None
    retired = report.model_copy(update={"publication": report.publication.model_copy(update={"retired": True})})
    assert "this version is retired" in notes_of(retired)[0].text
