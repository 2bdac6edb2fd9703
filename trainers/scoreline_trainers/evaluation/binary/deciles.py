"""Lift and gain by tenths of the rows, the highest scores first."""

import numpy as np

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.evaluation.document import Decile
from scoreline_trainers.evaluation.metrics import Label

TENTHS = 10


def deciles(label: Label, score: Float64) -> tuple[Decile, ...]:
    """Tenths of the rows by descending score, fewer below ten rows; empty without both labels.

    Tenths hold equally many rows, so that equal scores may be in two of them.
    """
    rows, positives = len(label), int(np.sum(label, dtype=np.int64))
    if not 0 < positives < rows:
        return ()
    parts = [part for part in np.array_split(np.argsort(-score, kind="stable"), TENTHS) if len(part)]
    base, found, seen, caught = positives / rows, [], 0, 0
    for number, part in enumerate(parts, start=1):
        hits = int(np.sum(label[part], dtype=np.int64))
        seen, caught = seen + len(part), caught + hits
        found.append(
            Decile(
                number=number,
                rows=len(part),
                positives=hits,
                lowest=float(score[part].min()),
                highest=float(score[part].max()),
                mean_score=float(score[part].mean()),
                rate=hits / len(part),
                lift=hits / len(part) / base,
                cumulative_lift=caught / seen / base,
                gain=caught / positives,
                ks=caught / positives - (seen - caught) / (rows - positives),
            )
        )
    return tuple(found)
