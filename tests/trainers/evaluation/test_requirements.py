"""What a recipe requires of a version."""

import pytest

from scoreline_trainers.evaluation.document import (
    Evaluation,
    FairnessTable,
    GroupFigures,
    Interval,
    Spread,
)
from scoreline_trainers.evaluation.requirements import check_requirement, required_figures, shortfalls


def evaluation(**changed: object) -> Evaluation:
    segments = (
        GroupFigures(name="a", rows=500, metrics={"auc": Interval(value=0.7)}),
        GroupFigures(name="b", rows=9, metrics={"auc": Interval(value=0.2)}, note="few rows: 9"),
    )
    fields: dict[str, object] = {
        "rows": 600,
        "metrics": {"auc": Interval(value=0.8, low=0.77, high=0.83), "brier": Interval(value=0.1)},
        "by_segment": {"region": segments},
        "fold_spread": {"auc": Spread(mean=0.8, deviation=0.01, low=0.79, high=0.81)},
        "fairness": {
            "gender": FairnessTable(
                column="gender", cut=0.5, reference="m", groups=(), selection_ratio=0.85, flags=("one",)
            )
        },
    }
    return Evaluation.model_validate(fields | changed)


def test_what_reaches_its_limit_is_not_short() -> None:
    limits = {"auc": 0.8, "auc_low_95": 0.75, "brier": 0.1, "fairness_selection_ratio": 0.8, "lowest_segment_auc": 0.6}
    assert shortfalls(limits, evaluation()) == ()


def test_each_shortfall_is_named_with_its_limit() -> None:
    limits = {"auc": 0.81, "brier": 0.05, "fairness_selection_ratio": 0.9, "fairness_flags": 0}
    assert shortfalls(limits, evaluation()) == (
        "auc 0.8 is below 0.81",
        "brier 0.1 is above 0.05",
        "fairness_selection_ratio 0.85 is below 0.9",
        "fairness_flags 1 is above 0",
    )


def test_a_figure_that_is_not_there_is_a_shortfall() -> None:
    assert shortfalls({"ks": 0.3, "test_auc": 0.7}, evaluation()) == (
        "ks is not known for these rows",
        "test_auc is not known for these rows",
    )


def test_figures_of_the_test_part_can_be_required() -> None:
    test = Evaluation(rows=10, metrics={"auc": Interval(value=0.6)})
    assert required_figures(evaluation(test=test))["test_auc"] == 0.6
    assert shortfalls({"test_auc": 0.7}, evaluation(test=test)) == ("test_auc 0.6 is below 0.7",)


def test_an_unknown_figure_is_refused_with_the_nearest() -> None:
    assert check_requirement("test_auc") == "test_auc"
    with pytest.raises(ValueError, match="'acu' cannot be required; did you mean 'auc'"):
        check_requirement("acu")
