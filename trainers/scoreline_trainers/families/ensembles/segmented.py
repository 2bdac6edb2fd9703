"""A member for each segment with enough rows, and a fallback member for all other rows, as one graph.

A category feature holds the segment of each row, see ``segments``. The graph runs each member on the rows of
its own segment only, so what a large batch costs does not grow with the number of segments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import onnx
from pydantic import Field, model_validator

from scoreline_registry.documents.contract import InputContract
from scoreline_registry.documents.signature import SCORE
from scoreline_trainers.data.batch import Batch, Float32, Float64, Int64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import FitError
from scoreline_trainers.families import BuiltIn
from scoreline_trainers.families.ensembles.members import Member, MemberSpec, edges_of, fit_member, tolerances_of
from scoreline_trainers.families.ensembles.out_of_fold import folds_of
from scoreline_trainers.families.ensembles.segment_choice import SegmentChoice, choose_by_segment
from scoreline_trainers.family import FamilyConfig, Fitted
from scoreline_trainers.graph.builder import GraphBuilder
from scoreline_trainers.graph.tensor import Tensor, concat, graph_input
from scoreline_trainers.heads.likeness import meta_features
from scoreline_trainers.heads.segments import Segments
from scoreline_trainers.progress import Progress
from scoreline_trainers.spaces import Space

# Segments to compare.
_LEAST_ALIKE = 2


class SegmentedConfig(FamilyConfig):
    """Options of the family.

    Attributes:
        segment: the category feature whose names are the segments.
        member: family and options of the member of each segment; or
        candidates: at least two: each segment takes the one with the least loss on rows of its own that it was not
            trained on, or none where the fallback is better; the fallback is the best of them on all rows.
        members: by name of a segment, another family and options.
        fallback: family and options of the fallback, trained on all rows; null takes those of ``member``. It scores
            segments without a member, names outside the vocabulary, and rows without a segment.
        min_rows: a segment with fewer training rows has no member of its own.
        min_labels: a segment with fewer rows of either label has none either.
        folds: parts of the rows by which candidates are compared.
    """

    segment: str
    member: MemberSpec | None = None
    candidates: tuple[MemberSpec, ...] = ()
    members: dict[str, MemberSpec] = Field(default_factory=dict)
    fallback: MemberSpec | None = None
    min_rows: int = Field(default=200, ge=1)
    min_labels: int = Field(default=10, ge=2)
    folds: int = Field(default=4, ge=2, le=20)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.member is None) == (not self.candidates):
            raise ValueError("give either 'member', of every segment, or 'candidates' to choose from")
        if self.candidates and (self.members or self.fallback is not None):
            raise ValueError("'members' and 'fallback' go with 'member': 'candidates' are chosen from by their loss")
        titles = [spec.title for spec in self.candidates]
        if len(titles) == 1 or len(set(titles)) < len(titles):
            raise ValueError("'candidates' are at least two with different names: give each a 'name'")
        return self

    def search_space(self) -> Space:
        """That of the members of all segments that have no options of their own, and of the fallback's."""
        member = {} if self.member is None else self.member.search_space("member")
        fallback = {} if self.fallback is None else self.fallback.search_space("fallback")
        return {**member, **fallback}

    @property
    def nested(self) -> Sequence[tuple[str, FamilyConfig]]:
        """Every member's, the fallback's and every candidate's."""
        listed = (self.member, *self.members.values(), self.fallback or self.member, *self.candidates)
        return [(spec.family, spec.options()) for spec in listed if spec is not None]


@dataclass(frozen=True, slots=True, eq=False)
class FittedSegmented(Fitted):
    """Members in the order of their places, the fallback last.

    Attributes:
        inputs: the contract.
        segments: K.
        members: K + 1.
        rows: how many rows each of them learned from.
        facts: how members were chosen, and which segments are alike.
    """

    inputs: InputContract
    segments: Segments
    members: tuple[Member, ...]
    rows: tuple[int, ...]
    facts: Mapping[str, str | int | float] = field(default_factory=dict)

    def predict(self, batch: Batch) -> Float64:
        """float64 [N]."""
        place = self.segments.places(batch.table)
        score = np.empty(len(batch))
        for index in np.unique(place):
            rows = np.flatnonzero(place == index)
            score[rows] = self.members[index].predict(batch.take(rows))
        return score

    def to_onnx(self) -> onnx.ModelProto:
        """Rows are gathered by segment, scored, and their scores put back in order."""
        graph = GraphBuilder(self.inputs)
        place = self.segments.emit(graph)
        parts = [_emit_part(place, index, member) for index, member in enumerate(self.members)]
        rows, scores = (concat(part, axis=0) for part in zip(*parts, strict=True))
        # Rows are in order of their places: scattered to where they came from, they are in the batch's order again.
        return graph.build(scores.apply("ScatterElements", rows, scores, axis=0).name)

    def tolerances(self) -> Mapping[str, float]:
        """The widest tolerance of the members."""
        return tolerances_of(self.members, (SCORE,))

    def edges(self) -> Mapping[int, Float32]:
        """The members'."""
        return edges_of(self.members)

    def describe(self) -> Mapping[str, str | int | float]:
        """Which segments have a member of their own, and the members' facts."""
        own = ", ".join(f"{name} ({rows:,} rows)" for name, rows in zip(self.segments.names, self.rows, strict=False))
        others = [name for name in self.segments.vocabulary if name not in self.segments.names]
        facts = {"own members": own or "none", "fallback": ", ".join([*others, "any other", "missing"]), **self.facts}
        return facts | {name: value for member in self.members for name, value in member.describe().items()}


class Segmented(BuiltIn):
    """The model family ``segmented``."""

    name = "segmented"
    config_type = SegmentedConfig
    libraries = ()

    def fit(self, data: Dataset, config: SegmentedConfig, *, seed: int, progress: Progress) -> FittedSegmented:
        """Trains a member on the rows of each segment that has enough, and the fallback on all rows."""
        every = Segments.of(data.inputs, config.segment, family=self.name)
        strange = sorted(config.members.keys() - set(every.names))
        if strange:
            there = ", ".join(every.names[:40])
            raise FitError(self.name, f"has a member for {strange[0]!r}, no {config.segment}; there are {there}")
        large = every.only(_large_enough(every, data, config))
        choice = self._choice(data, config, large, seed=seed, progress=progress)
        segments = large.only(choice.members)
        place = segments.places(data.batch.table)
        taken = [np.flatnonzero(place == index) for index in range(segments.fallback)] + [np.arange(len(data))]
        specs = [_named(choice.members[name], name) for name in segments.names] + [_named(choice.fallback, "fallback")]
        members = tuple(
            fit_member(spec, data.take(rows), ensemble=self.name, seed=seed, progress=progress)
            for spec, rows in zip(specs, taken, strict=True)
        )
        facts = {**choice.facts, **_alike(data, every)}
        return FittedSegmented(data.inputs, segments, members, tuple(map(len, taken)), facts)

    def _choice(
        self, data: Dataset, config: SegmentedConfig, segments: Segments, *, seed: int, progress: Progress
    ) -> SegmentChoice:
        """The members that the options name, or that are chosen among the candidates. Raises FitError."""
        if config.member is not None:
            named = {name: config.members.get(name, config.member) for name in segments.names}
            return SegmentChoice(config.fallback or config.member, named)
        fold = folds_of(data, folds=config.folds, seed=seed)
        return choose_by_segment(
            config.candidates, data, segments, fold, ensemble=self.name, seed=seed, progress=progress
        )


def _named(spec: MemberSpec, name: str) -> MemberSpec:
    return spec.model_copy(update={"name": name})


def _alike(data: Dataset, segments: Segments) -> Mapping[str, str]:
    """Each segment's most alike other segment, for the model card."""
    found = meta_features(data, segments)
    if len(found.segments) < _LEAST_ALIKE:
        return {}
    nearest = ((name, *found.nearest(name)[0]) for name in found.segments)
    return {"most alike segments": ", ".join(f"{name} to {other} {share:.2f}" for name, other, share in nearest)}


def _large_enough(segments: Segments, data: Dataset, config: SegmentedConfig) -> list[str]:
    """The names with enough rows, and enough of either label, where there are labels of 0 and 1."""
    place: Int64 = segments.places(data.batch.table)
    rows = np.bincount(place, minlength=segments.fallback + 1)
    positives = np.bincount(place, weights=data.label, minlength=segments.fallback + 1)
    rarer = np.minimum(positives, rows - positives)
    enough = rows >= config.min_rows
    if data.task == "binary":
        enough &= rarer >= config.min_labels
    return [name for name, large in zip(segments.names, enough, strict=False) if large]


def _emit_part(place: Tensor, index: int, member: Member) -> tuple[Tensor, Tensor]:
    """The rows at one place, int64 [n], and the member's scores of them, float32 [n].

    The batch's first row is scored too and left out again: not every operator takes no rows at all.
    """
    graph = place.graph
    rows = place.equal(index).nonzero()
    some = rows.like([0]).concat(rows, axis=0)
    model = member.model.to_onnx()
    feeds = {value.name: graph_input(graph, value.name).gather(some).name for value in model.graph.input}
    scores = Tensor(graph, graph.embed(model, prefix=f"member_{index}", feeds=feeds)[SCORE].tensor, np.float32)
    return rows, scores.slice(1)
