"""Which family and which validation a first recipe takes."""

from scoreline_trainers.errors import DataError
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.profiling.document import TableProfile
from scoreline_trainers.profiling.findings import FEW_POSITIVES
from scoreline_trainers.training.first_recipe.choices import Choice

SMALL = 2_000
"""Up to so many rows an ensemble is quick enough, and one model alone unsteady."""

_FOLDED = 100_000
_ROWS_OF_A_CLASS = 20
_MOMENTS = 10
_FEW_MOMENTS = 3
_LEARNERS = ("lightgbm", "catboost", "xgboost", "random_forest", "linear", "logistic")
_MEMBERS = ("logistic", "lightgbm", "random_forest")


def family_of(table: TableProfile) -> tuple[Choice, ...]:
    """The keys ``family`` and ``config``."""
    positives = _rarer(table)
    amounts = table.label is None or table.label.task == "regression"
    weights = "" if amounts else "; class weights are left out, so that scores stay probabilities"
    if positives is not None and positives < FEW_POSITIVES:
        return (Choice("family", "logistic", f"{positives:,} rows of the rarer label are few for trees{weights}"),)
    members = [name for name in _MEMBERS if not FAMILIES.problem(name)]
    binary = table.label is not None and table.label.task == "binary"
    if binary and table.rows <= SMALL and table.shape == "rows" and len(members) > 1:
        reason = f"{table.rows:,} rows are few: several models together are steadier than one{weights}"
        config = {"members": [{"family": name} for name in members]}
        return (Choice("family", "stacking", reason), Choice("config", config))
    _check_classes(table)
    learner = _learner(table)
    if table.shape == "histories":
        reason = f"trees over the computed columns; with the extra `deep`, `lstm` or `tcn` read the steps{weights}"
        return (Choice("family", learner, reason),)
    return (Choice("family", learner, f"trees take any table as it is; compare with `catboost`{weights}"),)


def _check_classes(table: TableProfile) -> None:
    label = table.label
    if label is None or label.task != "multiclass" or label.values[-1].rows >= _ROWS_OF_A_CLASS:
        return
    rarest = label.values[-1]
    raise DataError(
        label.name,
        f"has {rarest.rows} rows of the class {rarest.value!r}: leave them out, or name the one that counts as 1 with "
        "--positive",
    )


def _learner(table: TableProfile) -> str:
    """The first family that is installed and learns the label's task. Raises DataError where none does."""
    task = table.label.task if table.label else "binary"
    able = (name for name in _LEARNERS if not FAMILIES.problem(name) and FAMILIES.listing(name).learns(task))
    found = next(able, None)
    if found is None:
        raise DataError(table.label.name if table.label else "", f"makes a {task}, which no installed family learns")
    return found


def validation_of(table: TableProfile) -> Choice:
    """The key ``validation``."""
    time = next((column for column in table.columns if column.name == table.time), None)
    # Early folds of a walk forward may lack a class.
    classes = table.label is not None and table.label.task == "multiclass"
    dated = not classes and time is not None and time.kind == "date" and not time.missing and table.shape == "rows"
    test = {"test": 0.2}
    if dated and time is not None and time.unique >= _FEW_MOMENTS:
        last = "a fifth of the rows, the newest, is the test part that nothing else reads"
        if time.unique >= _MOMENTS and table.rows <= _FOLDED:
            reason = f"rows are dated by {time.name!r}: each fold is judged by a model of what was before; {last}"
            return Choice("validation", {"kind": "walk_forward", "folds": 4, **test}, reason)
        return Choice("validation", {"kind": "time", **test}, f"rows are dated by {time.name!r}; {last}")
    last = "a fifth of the rows is the test part that nothing else reads"
    if table.rows > _FOLDED:
        return Choice("validation", {"kind": "random", **test}, f"{table.rows:,} rows are enough for one split; {last}")
    if table.shape == "rows" and table.unit and table.units < table.rows:
        reason = f"rows of one {table.unit!r} stay together; {last}"
        return Choice("validation", {"kind": "groups", "folds": 5, **test}, reason)
    return Choice("validation", {"kind": "folds", "folds": 5, **test}, f"five folds show the spread; {last}")


def _rarer(table: TableProfile) -> int | None:
    """Rows of the rarer label; None for other labels than yes and no."""
    label = table.label
    if label is None or label.rate is None:
        return None
    positives = round(label.rate * table.rows)
    return min(positives, table.rows - positives)
