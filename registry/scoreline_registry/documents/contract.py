"""The contracts of a model version: its inputs, and the meaning of its score.

The input contract belongs to a VERSION of a model: names, order, vocabularies, defaults and limits as it was trained.
A route's schema (see ``route``) is what callers send; every arm's contract is checked against it.
"""

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from scoreline_registry.documents.actionability import Actionability, check_actionability
from scoreline_registry.documents.base import FrozenModel, OmitDefaults, refuse_duplicates
from scoreline_registry.documents.ragged import NEIGHBORS, SEQUENCE, RaggedInput, RaggedKind
from scoreline_registry.documents.reason_texts import Language, ReasonTexts
from scoreline_registry.names import check_feature_name

MAX_FEATURES = 4096
MAX_SEQUENCE_LENGTH = 4096
MAX_NEIGHBORS = 1024
MAX_VOCABULARY = 65536

FeatureName = Annotated[str, AfterValidator(check_feature_name)]
FeatureKind = Literal["number", "category"]


class Feature(OmitDefaults):
    """One raw input column.

    A number becomes a float32, a category the float32 index of its name in ``vocabulary``. A missing value (absent, or
    NaN) is refused where ``required``; else it becomes ``default`` where there is one and stays NaN where there is not.
    A ``sensitive`` input is never named as a reason; ``texts`` are the sentences for any other, by language.
    ``recourse`` says how far a person can change it; without it, it is kept as it is.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"recourse", "texts"})

    name: FeatureName
    kind: FeatureKind = "number"
    required: bool = False
    default: float | str | None = None
    min: float | None = None
    max: float | None = None
    vocabulary: tuple[FeatureName, ...] = ()
    unseen: Literal["other", "refuse"] = "other"
    sensitive: bool = False
    texts: dict[Language, ReasonTexts] = Field(default_factory=dict)
    recourse: Actionability | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.required and self.default is not None:
            raise ValueError(f"feature {self.name!r}: a required feature has no default")
        if self.sensitive and self.recourse is not None and not self.recourse.immutable:
            raise ValueError(f"feature {self.name!r}: a sensitive feature is never changed: leave out its recourse")
        return self._number() if self.kind == "number" else self._category()

    def _number(self) -> Self:
        if self.vocabulary or isinstance(self.default, str):
            raise ValueError(f"feature {self.name!r}: a number has no vocabulary and no text default")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"feature {self.name!r}: min is above max")
        return self

    def _category(self) -> Self:
        if self.min is not None or self.max is not None:
            raise ValueError(f"feature {self.name!r}: a category has no min or max")
        if not 1 <= len(self.vocabulary) <= MAX_VOCABULARY or len(set(self.vocabulary)) != len(self.vocabulary):
            raise ValueError(f"feature {self.name!r}: a category needs 1 to {MAX_VOCABULARY} distinct names")
        if self.default is not None and self.default not in self.vocabulary:
            raise ValueError(f"feature {self.name!r}: the default {self.default!r} is not in the vocabulary")
        return self

    def code(self, name: str) -> float:
        """The float that encodes a category: its index in the vocabulary, or ``len(vocabulary)`` for any other name."""
        return float(self.codes.get(name, len(self.vocabulary)))

    @property
    def codes(self) -> Mapping[str, int]:
        """The index of each name of the vocabulary."""
        return {name: index for index, name in enumerate(self.vocabulary)}

    @property
    def default_code(self) -> float:
        """The float that replaces a missing value; NaN where there is no default."""
        if self.default is None:
            return math.nan
        return self.code(self.default) if isinstance(self.default, str) else float(self.default)


class RaggedContract(FrozenModel):
    """A ragged input as documents have it; subclasses add the maximum under its key."""

    kind: ClassVar[RaggedKind]

    features: tuple[FeatureName, ...] = Field(min_length=1, max_length=MAX_FEATURES)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        refuse_duplicates(f"{self.kind.item} feature", self.features)
        return self


class SequenceContract(OmitDefaults, RaggedContract):
    """A history: ``sequence`` float32 [N, T, S], S = the step features, and ``lengths`` int64 [N], 1 <= T <= max.

    Step features that are categories have their names in ``vocabularies``; their values are the index of the name, the
    number of names for any other name, and NaN where missing. The others are numbers.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"vocabularies"})

    kind = SEQUENCE

    max_length: int = Field(ge=1, le=MAX_SEQUENCE_LENGTH)
    vocabularies: dict[FeatureName, tuple[FeatureName, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _vocabularies_fit(self) -> Self:
        for name, names in self.vocabularies.items():
            if name not in self.features:
                raise ValueError(f"the vocabulary {name!r} is of no step feature; there are {', '.join(self.features)}")
            if not 1 <= len(names) <= MAX_VOCABULARY:
                raise ValueError(f"step feature {name!r}: a category needs 1 to {MAX_VOCABULARY} names")
            refuse_duplicates(f"name of step feature {name!r}:", names)
        return self


class NeighborContract(RaggedContract):
    """The neighbors of a unit: ``neighbors`` float32 [N, K, G], G = features, and ``neighbor_mask`` bool [N, K].

    The mask is True where a neighbor is; a unit may have none, and has ``max_neighbors`` at most. Graphs take any K
    from 1, so that a server may pad.
    """

    kind = NEIGHBORS

    max_neighbors: int = Field(ge=1, le=MAX_NEIGHBORS)


def ragged_inputs(*contracts: RaggedContract | None) -> tuple[RaggedInput, ...]:
    """The ragged inputs of some contracts, without None, in the order given."""
    return tuple(
        RaggedInput(each.kind, each.features, getattr(each, each.kind.limit), _vocabularies(each))
        for each in contracts
        if each is not None
    )


def _vocabularies(contract: RaggedContract) -> Mapping[str, tuple[str, ...]]:
    return contract.vocabularies if isinstance(contract, SequenceContract) else {}


class InputContract(OmitDefaults):
    """Everything a version takes: ``features`` float32 [N, F] in this order, and optionally a sequence and neighbors.

    It is empty for versions that take raw tensors and for no others, which the manifest checks.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"neighbors"})

    features: tuple[Feature, ...] = Field(default=(), max_length=MAX_FEATURES)
    sequence: SequenceContract | None = None
    neighbors: NeighborContract | None = None

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        refuse_duplicates("feature", (feature.name for feature in self.features))
        check_actionability(self.actionability, self.vocabularies)
        return self

    @property
    def actionability(self) -> Mapping[str, Actionability]:
        """How far inputs can be changed, of those that say so."""
        return {each.name: each.recourse for each in self.features if each.recourse is not None}

    @property
    def vocabularies(self) -> Mapping[str, tuple[str, ...] | None]:
        """The vocabulary of each feature; None for numbers."""
        return {each.name: each.vocabulary if each.kind == "category" else None for each in self.features}

    @property
    def is_empty(self) -> bool:
        """True for a contract without any input."""
        return not self.features and not self.ragged

    @property
    def ragged(self) -> tuple[RaggedInput, ...]:
        """The ragged inputs, of each kind at most one."""
        return ragged_inputs(self.sequence, self.neighbors)


class Band(FrozenModel):
    """A named range of scores that starts at ``from_score`` and ends where the next band starts."""

    name: FeatureName
    from_score: float


class Points(FrozenModel):
    """Scorecard points: ``base`` points stand for ``odds`` to one, and ``pdo`` points double the odds.

    points = base + pdo / ln 2 * (ln((1 - p) / p) - ln odds) for a score p that is the probability of the bad outcome
    (Siddiqi, Credit Risk Scorecards, 2006, chapter 6).
    """

    base: float
    odds: float = Field(gt=0)
    pdo: float = Field(gt=0)

    @property
    def factor(self) -> float:
        """Points for one unit of log odds."""
        return self.pdo / math.log(2)

    @property
    def offset(self) -> float:
        """Points at odds of one to one."""
        return self.base - self.factor * math.log(self.odds)


class ScoreContract(OmitDefaults):
    """The meaning of a score.

    ``kind`` is "probability" (0 to 1) or "value" (any finite number). Bands ascend by ``from_score``; a score below the
    first has no band. A model of several ``classes`` has their probabilities, in this order, as the extra output
    ``class_probabilities``; its score is that of the last one. Where ``adverse`` says that inputs that raise the score
    are to the disadvantage of whom it is about, or those that lower it, reasons name these inputs alone.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"classes", "adverse"})

    meaning: str = Field(min_length=1, max_length=500)
    kind: Literal["probability", "value"] = "probability"
    bands: tuple[Band, ...] = ()
    points: Points | None = None
    extras: tuple[FeatureName, ...] = ()
    classes: tuple[FeatureName, ...] = ()
    adverse: Literal["raises", "lowers"] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        edges = [band.from_score for band in self.bands]
        if edges != sorted(set(edges)):
            raise ValueError("bands must ascend by from_score, each with its own")
        refuse_duplicates("band", (band.name for band in self.bands))
        refuse_duplicates("extra output", self.extras)
        refuse_duplicates("class", self.classes)
        if self.points is not None and self.kind != "probability":
            raise ValueError("points need a score that is a probability")
        return self
