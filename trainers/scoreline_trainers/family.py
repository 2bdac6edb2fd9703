"""The protocol of model families, and of the models that they train.

A family sees encoded columns and not where they came from. What computes columns in front of a model, or calibrates its
score behind it, wraps a ``Fitted`` in another ``Fitted`` and joins the two graphs. So the steps of a recipe compose,
and the gate proves the whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar

import onnx
from pydantic import model_validator

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.batch import Batch, Float32, Float64
from scoreline_trainers.data.columns import Spec, Task
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import FitError
from scoreline_trainers.progress import Progress
from scoreline_trainers.spaces import Space


class FamilyConfig(Spec):
    """The base of a family's options in a recipe: frozen and strict; unknown keys are refused."""

    space: ClassVar[Space] = {}
    """What a search may try: option -> range or choices."""

    def search_space(self) -> Space:
        """``space``, and that of members by path, such as "members.0.config.num_leaves"."""
        return self.space

    @property
    def nested(self) -> "Sequence[tuple[str, FamilyConfig]]":
        """The families, with their options, of the members that a model of this one consists of."""
        return ()


def nested_families(config: FamilyConfig) -> Iterator[str]:
    """The families of all members, and of their members."""
    for family, options in config.nested:
        yield family
        yield from nested_families(options)


class LibraryConfig(FamilyConfig):
    """Options of a family that is one library's model, which may be written by the library's own names too.

    No option of a subclass may be a tuple: names are looked up before JSON is validated.
    """

    aliases: ClassVar[Mapping[str, str]] = {}
    """The library's name -> the option's."""

    @model_validator(mode="before")
    @classmethod
    def _by_own_names(cls, given: object) -> object:
        if not isinstance(given, Mapping):
            return given
        named: dict[str, object] = {}
        for name, value in given.items():
            option = cls.aliases.get(name, name)
            if option in named:
                raise ValueError(f"{option!r} is given twice, once as {name!r}: keep one of them")
            named[option] = value
        return named


ConfigT = TypeVar("ConfigT", bound=FamilyConfig)


class Fitted(Protocol):
    """A trained model. Subclasses implement at least ``predict`` and ``to_onnx``; the other methods have defaults."""

    def predict(self, batch: Batch) -> Float64:
        """The native score, float64 [N]: the reference that the graph is compared with."""

    def to_onnx(self) -> onnx.ModelProto:
        """The same function as a graph in the standard signature. Raises ExportError where no exact graph exists."""

    def extras(self, batch: Batch) -> Mapping[str, Float64]:
        """The graph's further outputs by name, natively, first axis N."""
        del batch
        return {}

    def tolerances(self) -> Mapping[str, float]:
        """Output -> the largest difference from its native value that is accepted, where the gate's is too narrow."""
        return {}

    def edges(self) -> Mapping[int, Float32]:
        """Feature column -> float32 values at which the score may jump; the gate probes rows exactly there."""
        return {}

    def describe(self) -> Mapping[str, str | int | float]:
        """Facts for the model card: sizes, rounds, the most important columns."""
        return {}

    def files(self) -> Mapping[str, bytes]:
        """Further files of the version by name, such as a booster's own text."""
        return {}


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """A published version that training continues from.

    Attributes:
        name: of the version, such as "credit@7".
        family: of the version.
        inputs: its contract, by which the new rows are encoded.
        files: of the version by name; among them what ``Fitted.files`` gave.
    """

    name: str
    family: str
    inputs: InputContract
    files: Mapping[str, bytes]


BINARY: frozenset[Task] = frozenset({"binary"})


class Family(Protocol[ConfigT]):
    """A kind of model. Third parties add one by an entry point of group "scoreline.families", see ``families``.

    A family may learn more than labels of 0 and 1: those that say so have an attribute ``tasks``, a frozenset of
    ``Task``. Several classes and several horizons need nothing of a family: one model of it is trained for each, see
    ``families.tasks``. A family that can continue from a version has a method ``fit_from``, see ``WarmFamily``.

    ``testing.FAMILY_CHECKS`` are what every family must pass.
    """

    @property
    def name(self) -> str:
        """The name in a recipe, which is also that of the entry point."""

    @property
    def summary(self) -> str:
        """One line for ``scoreline train --list``."""

    @property
    def needs_label(self) -> bool:
        """False for a family that can learn from rows without labels."""

    @property
    def config_type(self) -> type[ConfigT]:
        """Its options in a recipe."""

    @property
    def libraries(self) -> Sequence[str]:
        """The installed distributions whose versions decide what is learned; a manifest records them."""

    def fit(self, data: Dataset, config: ConfigT, *, seed: int, progress: Progress) -> Fitted:
        """Trains on ``data``; the rows that decide when to stop are held out of it. Equal arguments give equal models.

        Raises:
            FitError: the dataset lacks what the family needs.
        """


class WarmFamily(Family[ConfigT], Protocol[ConfigT]):
    """A family whose training can continue from a published version of the same family."""

    def fit_from(self, start: Start, data: Dataset, config: ConfigT, *, seed: int, progress: Progress) -> Fitted:
        """Continues training from ``start`` on ``data``, which is encoded by the contract of ``start``.

        Raises:
            FitError: the version lacks what training continues from, or the options do not fit it.
        """


def features_only(data: Dataset, *, family: str) -> Float32:
    """The features, float32 [N, F], of a dataset that has no other part. Raises FitError for any other dataset."""
    if data.features is None or not data.has_features_only:
        raise FitError(family, "learns from features and takes no sequence and no neighbors")
    return data.features
