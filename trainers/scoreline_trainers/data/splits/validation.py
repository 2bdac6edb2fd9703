"""The recipe's key ``validation``: how the rows that judge a model are chosen."""

from typing import Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from scoreline_trainers.data.columns import Spec

Kind = Literal["last_fraction", "random", "time", "folds", "groups", "walk_forward"]

FOLDED: frozenset[Kind] = frozenset({"folds", "groups", "walk_forward"})
"""Kinds that train a model for each fold and the published model on all of their rows."""

DEFAULT_FOLDS = 5

_ONLY: dict[str, frozenset[Kind]] = {
    "folds": FOLDED,
    "repeats": frozenset({"folds", "groups"}),
    "stratify": frozenset({"folds", "groups"}),
    "gap_days": frozenset({"time", "walk_forward"}),
    "window_days": frozenset({"walk_forward"}),
}
"""Options that not every kind has."""


class TestPart(Spec):
    """The rows that nothing but the last evaluation reads.

    Attributes:
        fraction: of all rows.
        kind: "time" takes the newest, "last_fraction" those at the end of the table, "random" draws whole units with
            the table's share of each label. By default "time" where the recipe names a ``time`` column, else "random".
    """

    __test__ = False

    fraction: float = Field(default=0.2, gt=0, lt=1)
    kind: Literal["last_fraction", "random", "time"] | None = None


class Validation(Spec):
    """How the validation rows are chosen.

    Attributes:
        kind: "last_fraction" takes the last rows of the table, "random" draws them, "time" takes the newest by the
            recipe's ``time`` column and never puts rows of one moment on both sides. "folds" and "groups" deal all
            rows to folds, each of which judges a model of the others; units stay whole, and "groups" needs them.
            "walk_forward" cuts the rows by time and judges each fold by a model of what was before it.
        fraction: of the rows, for a kind with one split.
        folds: how many, 5 by default.
        repeats: how often the rows are dealt again.
        stratify: whether every fold has its share of each label; by default where there are labels.
        gap_days: time between the last training row and the first validation row, so that labels that are known only
            days later do not reach into training; also before a test part by time.
        window_days: trains each walk-forward fold on so many days before it; by default on all of them.
        test: a test part, or its fraction.
    """

    kind: Kind = "random"
    fraction: float = Field(default=0.2, gt=0, lt=1)
    folds: int | None = Field(default=None, ge=2)
    repeats: int | None = Field(default=None, ge=1)
    stratify: bool | None = None
    gap_days: float | None = Field(default=None, ge=0)
    window_days: float | None = Field(default=None, gt=0)
    test: TestPart | None = None

    @field_validator("test", mode="before")
    @classmethod
    def _by_fraction(cls, test: object) -> object:
        return {"fraction": test} if isinstance(test, int | float) and not isinstance(test, bool) else test

    @model_validator(mode="after")
    def _goes_with_its_kind(self) -> Self:
        for option, kinds in _ONLY.items():
            if getattr(self, option) is not None and self.kind not in kinds:
                raise ValueError(f"{option!r} goes with kind {', '.join(sorted(kinds))}, not with {self.kind!r}")
        if self.kind in FOLDED and self.fraction != type(self).model_fields["fraction"].default:
            raise ValueError(f"'fraction' goes with a kind with one split; {self.kind!r} has 'folds'")
        return self

    @model_serializer(mode="wrap")
    def _what_applies(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without options that are not set or not of this kind."""
        kept: dict[str, Any] = handler(self)
        return {
            name: value
            for name, value in kept.items()
            if value is not None and not (name == "fraction" and self.is_folded)
        }

    @property
    def is_folded(self) -> bool:
        """Whether every fold has a model of its own and the published model learns from all rows but the test part."""
        return self.kind in FOLDED

    @property
    def fold_count(self) -> int:
        """How many folds a folded kind has in each repeat."""
        return self.folds or DEFAULT_FOLDS
