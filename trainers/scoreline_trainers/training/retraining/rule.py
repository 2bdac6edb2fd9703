"""The recipe's key ``retrain``: when a version is due, and how its challenger is compared."""

from pydantic import Field

from scoreline_trainers.data.columns import Spec


class RetrainRule(Spec):
    """When a version is due to be retrained. A limit of None is not looked at.

    Attributes:
        min_rows: fewer new rows are too few to decide on, and nothing is due.
        max_age_days: since the champion was trained.
        psi: population stability index of the score, or of any input, of the new rows against the baseline; it also
            has to be above what chance explains.
        auc_drop: of the champion on new labelled rows, against its AUC when it was trained.
        error_rise: of the mean absolute error of a regression, as a share of what it was.
        compare: the share of the new table, its newest rows, that the challenger does not learn from and is compared
            on.
        refit: whether the published challenger then learns from these rows too.
    """

    min_rows: int = Field(default=1000, ge=1)
    max_age_days: float | None = Field(default=90, gt=0)
    psi: float | None = Field(default=0.2, gt=0)
    auc_drop: float | None = Field(default=0.05, gt=0, lt=1)
    error_rise: float | None = Field(default=0.1, gt=0)
    compare: float = Field(default=0.2, gt=0, lt=1)
    refit: bool = False
