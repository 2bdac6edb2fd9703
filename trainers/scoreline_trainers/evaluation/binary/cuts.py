"""Decisions at a cut: confusion, precision, recall, specificity and F1."""

from collections.abc import Mapping

import numpy as np

from scoreline_trainers.data.batch import Float64, Int64
from scoreline_trainers.evaluation.binary.ranked import Ranked
from scoreline_trainers.evaluation.document import Confusion, Cut
from scoreline_trainers.evaluation.metrics import Label
from scoreline_trainers.evaluation.uncertainty.intervals import rate_interval

BEST_F1 = "best F1"


def confusion_at(label: Label, score: Float64, cut: float) -> Confusion:
    """Rows with a score of at least ``cut`` are selected."""
    event, selected = np.asarray(label, bool), score >= cut
    hits = int(np.count_nonzero(event & selected))
    alarms, misses = int(np.count_nonzero(selected)) - hits, int(np.count_nonzero(event)) - hits
    return Confusion(
        true_positives=hits,
        false_positives=alarms,
        false_negatives=misses,
        true_negatives=len(event) - hits - alarms - misses,
    )


def cut_at(
    label: Label, score: Float64, cut: float, *, name: str, units: Int64 | None = None, profit: float | None = None
) -> Cut:
    """The figures of decisions at one cut; shares of nothing are None."""
    event, selected = np.asarray(label, bool), score >= cut
    confusion = confusion_at(label, score, cut)
    precision, recall, specificity = (
        rate_interval(hits[among], None if units is None else units[among])
        for hits, among in ((event, selected), (selected, event), (~selected, ~event))
    )
    return Cut(
        name=name,
        score=cut,
        confusion=confusion,
        selected=float(selected.mean()),
        precision=precision,
        recall=recall,
        specificity=specificity,
        f1=_f1(confusion),
        profit=profit,
    )


def named_cuts(label: Label, score: Float64, given: Mapping[str, float], units: Int64 | None = None) -> tuple[Cut, ...]:
    """The figures at the given cuts, by ascending score, and at the cut with the highest F1 in these rows."""
    cuts = dict(given)
    if label.any():
        ranked = Ranked.of(label, score)
        cuts[BEST_F1] = float(ranked.score[ranked.best_f1])
    ascending = sorted(cuts.items(), key=lambda item: item[1])
    return tuple(cut_at(label, score, cut, name=name, units=units) for name, cut in ascending)


def _f1(confusion: Confusion) -> float | None:
    wrong = confusion.false_positives + confusion.false_negatives
    total = 2 * confusion.true_positives + wrong
    return 2 * confusion.true_positives / total if total else None
