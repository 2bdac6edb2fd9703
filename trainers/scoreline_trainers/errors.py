"""What can go wrong while training.

    TrainersError
    ├── RecipeError       a recipe that cannot be run as written        (err.recipe, err.problems)
    ├── DataError         a table that does not fit its recipe          (err.column)
    ├── FamilyError       a family that is unknown or not installed     (err.family, err.problem)
    ├── FitError          a family that cannot learn from this dataset  (err.family)
    ├── RequirementError  a version that falls short of its `require`   (err.recipe, err.shortfalls)
    ├── ExportError       a fitted model that no exact graph exists for (err.family)
    ├── AdaptError        a version that cannot take in a segment       (err.version)
    ├── RetrainError      a version that cannot be retrained         (err.version)
    ├── ExplainError      a version that cannot be explained as asked   (err.version)
    └── DemoError         the demo could not go on

A graph that fails a check is the registry's ``GateError``. The facts stay attributes.
"""

from collections.abc import Sequence


class TrainersError(Exception):
    """The base of every error that this package raises on purpose."""


class RecipeError(TrainersError):
    """A recipe that cannot be run as written."""

    def __init__(self, recipe: str, problems: Sequence[str]) -> None:
        self.recipe, self.problems = recipe, tuple(problems)
        super().__init__(f"recipe {recipe}: {'; '.join(self.problems)}")


class DataError(TrainersError):
    """A table that does not fit its recipe. ``column`` is empty where the table as a whole is at fault."""

    def __init__(self, column: str, problem: str) -> None:
        self.column = column
        super().__init__(f"column {column!r} {problem}" if column else problem)


class _FamilyProblemError(TrainersError):
    """One family and what is wrong."""

    def __init__(self, family: str, problem: str) -> None:
        self.family, self.problem = family, problem
        super().__init__(f"family {family!r} {problem}")


class FamilyError(_FamilyProblemError):
    """A family that is unknown or not installed."""


class FitError(_FamilyProblemError):
    """A family that cannot learn from this dataset."""


class RequirementError(TrainersError):
    """A version that falls short of what its recipe requires."""

    def __init__(self, recipe: str, shortfalls: Sequence[str]) -> None:
        self.recipe, self.shortfalls = recipe, tuple(shortfalls)
        super().__init__(f"recipe {recipe} requires more than this version has: {'; '.join(self.shortfalls)}")


class ExportError(_FamilyProblemError):
    """A fitted model that no exact graph exists for."""


class AdaptError(TrainersError):
    """A version that cannot take in a segment as asked."""

    def __init__(self, version: str, problem: str) -> None:
        self.version = version
        super().__init__(f"{version} {problem}")


class RetrainError(TrainersError):
    """A version that cannot be retrained as asked."""

    def __init__(self, version: str, problem: str) -> None:
        self.version = version
        super().__init__(f"{version} {problem}")


class ExplainError(TrainersError):
    """A version that cannot be explained as asked."""

    def __init__(self, version: str, problem: str) -> None:
        self.version = version
        super().__init__(f"{version} {problem}")


class DemoError(TrainersError):
    """The demo could not go on."""
