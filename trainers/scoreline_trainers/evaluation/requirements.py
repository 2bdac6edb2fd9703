"""What a recipe requires of a version: figures of its evaluation that must reach a limit."""

from collections.abc import Mapping

from scoreline_trainers.evaluation.document import Evaluation
from scoreline_trainers.problems import nearest_or_all

TEST = "test_"

AT_LEAST = (
    "auc", "auc_low_95", "gini", "average_precision", "ks", "best_f1", "brier_skill", "lowest_segment_auc",
    "fairness_selection_ratio", "accuracy", "auc_macro", "auc_micro", "average_precision_macro",
    "average_precision_micro", "precision_macro", "recall_macro", "f1_macro", "r2", "spearman",
)  # fmt: skip
"""Figures that are better when higher."""

AT_MOST = (
    "brier", "log_loss", "ece_10_equal_mass", "ece_20_equal_mass", "auc_std", "fairness_flags",
    "mae", "rmse", "median_error",
)  # fmt: skip
"""Figures that are better when lower."""


def check_requirement(name: str) -> str:
    """The name of a figure that can be required, of the test part with "test_" before it. Raises ValueError."""
    if name.removeprefix(TEST) not in (*AT_LEAST, *AT_MOST):
        raise ValueError(f"{name!r} cannot be required; {nearest_or_all(name, (*AT_LEAST, *AT_MOST))}")
    return name


def required_figures(evaluation: Evaluation) -> dict[str, float]:
    """The figures that can be required, by name; those of the test part begin with "test_"."""
    found = {name: figure.value for name, figure in evaluation.metrics.items()}
    area = evaluation.metrics.get("auc")
    if area is not None and area.low is not None:
        found["auc_low_95"] = area.low
    if "auc" in evaluation.fold_spread:
        found["auc_std"] = evaluation.fold_spread["auc"].deviation
    segments = [
        group.metrics["auc"].value
        for groups in evaluation.by_segment.values()
        for group in groups
        if "auc" in group.metrics and not group.note
    ]
    if segments:
        found["lowest_segment_auc"] = min(segments)
    found |= _fairness(evaluation)
    if evaluation.test is not None:
        found |= {f"{TEST}{name}": value for name, value in required_figures(evaluation.test).items()}
    return found


def shortfalls(required: Mapping[str, float], evaluation: Evaluation) -> tuple[str, ...]:
    """One text for each requirement that is not met, such as "auc 0.713 is below 0.75"."""
    found, short = required_figures(evaluation), []
    for name, limit in required.items():
        value, higher = found.get(name), name.removeprefix(TEST) in AT_LEAST
        if value is None:
            short.append(f"{name} is not known for these rows")
        elif (value < limit) if higher else (value > limit):
            short.append(f"{name} {value:.4g} is {'below' if higher else 'above'} {limit:g}")
    return tuple(short)


def _fairness(evaluation: Evaluation) -> dict[str, float]:
    tables = evaluation.fairness.values()
    if not tables:
        return {}
    ratios = [table.selection_ratio for table in tables if table.selection_ratio is not None]
    found = {"fairness_flags": float(sum(len(table.flags) for table in tables))}
    return found | ({"fairness_selection_ratio": min(ratios)} if ratios else {})
