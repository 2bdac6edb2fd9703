"""Ensembles: members that score every row, and a combination of their scores, as one graph."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

import numpy as np
import onnx
from pydantic import model_validator

from scoreline_registry.documents.contract import InputContract
from scoreline_registry.documents.signature import SCORE
from scoreline_trainers.data.batch import Batch, Float32, Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.families.ensembles.members import Member, MemberSpec, edges_of, fit_member, tolerances_of
from scoreline_trainers.families.ensembles.out_of_fold import Choice, OutOfFold
from scoreline_trainers.families.ensembles.recency import Recency, recent
from scoreline_trainers.family import FamilyConfig, Fitted
from scoreline_trainers.graph.builder import Extra, GraphBuilder
from scoreline_trainers.graph.tensor import Tensor, concat
from scoreline_trainers.progress import Progress
from scoreline_trainers.spaces import Space

MEMBER_SCORES = "member_scores"


class EnsembleConfig(FamilyConfig):
    """Options that all ensembles share.

    Attributes:
        members: at least two, with different names.
        choose: selects some of them, by rows that they were not trained on.
    """

    members: tuple[MemberSpec, ...]
    choose: Choice | None = None

    def search_space(self) -> Space:
        """Its own and that of each member."""
        members = (member.search_space(f"members.{place}") for place, member in enumerate(self.members))
        return {**self.space, **{path: each for space in members for path, each in space.items()}}

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        titles = [member.title for member in self.members]
        if len(titles) < 2:
            raise ValueError("'members' are at least two")
        for title in titles:
            if titles.count(title) > 1:
                raise ValueError(f"two members are called {title!r}: give each a 'name'")
        if self.choose is not None and self.choose.members > len(titles):
            raise ValueError(f"'choose' takes {self.choose.members} of {len(titles)} members")
        return self

    @property
    def nested(self) -> Sequence[tuple[str, FamilyConfig]]:
        """Every member's."""
        return [(member.family, member.options()) for member in self.members]


class Combination(Protocol):
    """A function of M scores."""

    def apply(self, scores: Float64) -> Float64:
        """The native function: float64 [N, M] -> [N]."""

    def nodes(self, scores: Sequence[Tensor]) -> Tensor:
        """``apply`` as graph nodes: M times double [N] -> [N]."""

    def describe(self, names: Sequence[str]) -> Mapping[str, str | int | float]:
        """Facts for the model card; ``names`` are those of the members."""


@dataclass(frozen=True, slots=True, eq=False)
class WeightedMean:
    """``weights`` float64 [M], none below 0, that total 1."""

    weights: Float64

    def apply(self, scores: Float64) -> Float64:
        """float64 [N]."""
        mean: Float64 = scores @ self.weights
        return mean

    def nodes(self, scores: Sequence[Tensor]) -> Tensor:
        """``apply`` as graph nodes."""
        return (side_by_side(scores) @ self.weights[:, None]).squeeze(1)

    def describe(self, names: Sequence[str]) -> Mapping[str, str | int | float]:
        """The weights."""
        return {"weights": ", ".join(f"{name} {w:.3f}" for name, w in zip(names, self.weights, strict=True))}


@dataclass(frozen=True, slots=True, eq=False)
class Ensemble(Fitted):
    """Trained members and the combination of their scores.

    Attributes:
        inputs: the contract of the whole; members may see part of it.
        members: M.
        combination: of their scores.
        facts: what is known of the members from rows they had not learned from.
    """

    inputs: InputContract
    members: tuple[Member, ...]
    combination: Combination
    facts: Mapping[str, str | int | float] = field(default_factory=dict)

    def predict(self, batch: Batch) -> Float64:
        """float64 [N]."""
        return self.combination.apply(self._scores(batch))

    def extras(self, batch: Batch) -> Mapping[str, Float64]:
        """Each member's score, float64 [N, M]."""
        return {MEMBER_SCORES: self._scores(batch)}

    def to_onnx(self) -> onnx.ModelProto:
        """The members' graphs side by side and, in double, the combination."""
        graph = GraphBuilder(self.inputs)
        found = [graph.embed(each.model.to_onnx(), prefix=f"member_{k}") for k, each in enumerate(self.members)]
        scores = [Tensor(graph, outputs[SCORE].tensor, np.float32) for outputs in found]
        score = self.combination.nodes([each.cast() for each in scores])
        extras = {MEMBER_SCORES: Extra(side_by_side(scores).name, (len(self.members),))}
        return graph.build(score.cast(np.float32).name, extras=extras)

    def tolerances(self) -> Mapping[str, float]:
        """The widest tolerance of the members."""
        return tolerances_of(self.members, (SCORE, MEMBER_SCORES))

    def edges(self) -> Mapping[int, Float32]:
        """The members'."""
        return edges_of(self.members)

    def describe(self) -> Mapping[str, str | int | float]:
        """The combination, how the members differ, and their own facts."""
        names = [member.name for member in self.members]
        facts = {"members": ", ".join(names), **self.combination.describe(names), **self.facts}
        return facts | {name: value for member in self.members for name, value in member.describe().items()}

    def _scores(self, batch: Batch) -> Float64:
        return np.stack([member.predict(batch) for member in self.members], axis=1)


def side_by_side(scores: Sequence[Tensor]) -> Tensor:
    """M times [N] -> [N, M]."""
    return concat([score.unsqueeze(1) for score in scores])


def chosen_facts(measured: OutOfFold, places: Sequence[int]) -> Mapping[str, str | int | float]:
    """Facts for the model card: measurements of the members taken, and the names of the others."""
    facts = measured.only(places).facts()
    others = [name for place, name in enumerate(measured.names) if place not in places]
    return {**facts, "members left out": ", ".join(others)} if others else facts


def fit_members(
    config: EnsembleConfig,
    places: Sequence[int],
    data: Dataset,
    *,
    ensemble: str,
    seed: int,
    progress: Progress,
    recency: Recency | None = None,
) -> tuple[Member, ...]:
    """Trains the members at ``places`` on all rows, or on rows drawn by recency. Raises FitError."""
    return tuple(
        fit_member(
            config.members[place],
            recent(data, recency, ensemble=ensemble, seed=seed + place),
            ensemble=ensemble,
            seed=seed + place,
            progress=progress,
        )
        for place in places
    )
