"""Chooses the family of each segment's member by rows that candidates were not trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from scoreline_trainers.data.batch import Float64, Int64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.families.ensembles.members import MemberSpec
from scoreline_trainers.families.ensembles.out_of_fold import OutOfFold, out_of_fold
from scoreline_trainers.heads.segments import Segments
from scoreline_trainers.progress import Progress

_SMALLEST = 1e-7


@dataclass(frozen=True, slots=True)
class SegmentChoice:
    """The members to train.

    Attributes:
        fallback: the candidate with the least mean loss over all rows.
        members: by segment, the best candidate of its own rows; segments that the fallback scores better are missing.
        facts: the losses, for the model card.
    """

    fallback: MemberSpec
    members: Mapping[str, MemberSpec] = field(default_factory=dict)
    facts: Mapping[str, str | int | float] = field(default_factory=dict)


def choose_by_segment(
    candidates: Sequence[MemberSpec],
    data: Dataset,
    segments: Segments,
    fold: Int64,
    *,
    ensemble: str,
    seed: int,
    progress: Progress,
) -> SegmentChoice:
    """Compares every candidate, trained on a segment's rows and on all rows, by its mean loss out of fold.

    Args:
        candidates: families with their options, with different names.
        data: N rows.
        segments: those with enough rows for a member of their own.
        fold: int64 [N], see ``out_of_fold.folds_of``.
        ensemble: what errors call the ensemble.
        seed: of the candidates.
        progress: shows every training.

    Raises:
        FitError: a candidate cannot be trained.
    """
    everywhere = out_of_fold(candidates, data, fold, ensemble=ensemble, seed=seed, progress=progress)
    losses = _losses(everywhere)
    best = int(losses.mean(axis=0).argmin())
    place = segments.places(data.batch.table)
    members: dict[str, MemberSpec] = {}
    facts = {"fallback": _facts(candidates, losses.mean(axis=0))}
    for index, name in enumerate(segments.names):
        rows = np.flatnonzero(place == index)
        own = out_of_fold(candidates, data.take(rows), fold[rows], ensemble=ensemble, seed=seed, progress=progress)
        means = _losses(own).mean(axis=0)
        shared = float(losses[rows, best].mean())
        facts[f"segment {name}"] = f"{_facts(candidates, means)}, fallback {shared:.4f}"
        if means.min() < shared:
            members[name] = candidates[int(means.argmin())]
    return SegmentChoice(candidates[best], members, {f"loss of {key}": text for key, text in facts.items()})


def _losses(measured: OutOfFold) -> Float64:
    """float64 [R, M]: the log loss of each score, or the squared error of an amount."""
    if measured.amount is not None:
        return np.asarray((measured.scores - measured.amount[:, None]) ** 2, np.float64)
    score = np.clip(measured.scores, _SMALLEST, 1 - _SMALLEST)
    positive = measured.label[:, None] == 1
    return np.asarray(-np.log(np.where(positive, score, 1 - score)), np.float64)


def _facts(candidates: Sequence[MemberSpec], losses: Float64) -> str:
    return ", ".join(f"{spec.title} {loss:.4f}" for spec, loss in zip(candidates, losses, strict=True))
