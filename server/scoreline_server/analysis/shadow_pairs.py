"""A shadow against the arm that answered: two scores of the same rows, joined by prediction id."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scoreline_server.analysis.exposures import NOT_EXPOSED, Exposures
from scoreline_server.analysis.labels import NOWHERE, Bool, Ints, RowIndex
from scoreline_server.analysis.predictions import Flag, Predictions, UInt64, Version, prediction_keys
from scoreline_server.journal.reader import Selection, read_shadows
from scoreline_server.journal.shadowed import ShadowScores
from scoreline_server.scoring.wire import CALL_ID_BYTES

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Shadowed:
    """The rows of one shadow: N of them.

    Attributes:
        ref: the shadow as the route names it.
        keys: uint64 [N], identify prediction ids.
        scores: float32 [N], NaN where it failed.
        versions: uint16 [N], indices into ``version_list``.
        milliseconds: float32 [N], the run time of the row's batch over its rows; NaN where the journal does not say.
    """

    ref: str
    keys: UInt64
    scores: Floats
    versions: npt.NDArray[np.uint16]
    milliseconds: Floats
    version_list: tuple[Version, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """A shadow and one arm that answered, over P rows that both scored.

    Attributes:
        rows: intp [P], rows of the predictions.
        primary, shadow: float32 [P], their scores.
        units: int32 [P], the exposure that each row belongs to.
        shadow_versions: uint16 [P], indices into ``shadowed.version_list``.
        milliseconds: float32 [P], of the shadow.
        shadow_failed, primary_failed: rows that only the other one scored.
    """

    shadowed: Shadowed
    arm: str
    rows: Ints
    primary: Floats
    shadow: Floats
    units: npt.NDArray[np.int32]
    shadow_versions: npt.NDArray[np.uint16]
    milliseconds: Floats
    shadow_failed: int
    primary_failed: int

    def __len__(self) -> int:
        return len(self.rows)


def read_shadowed(folders: Iterable[Path], selection: Selection, known: Mapping[tuple[str, str, int], Version]
                  ) -> list[Shadowed]:  # fmt: skip
    """The rows of each shadow of a route; ``known`` are the versions with their bands."""
    parts: dict[str, list[ShadowScores]] = {}
    for scores in read_shadows(folders, selection):
        parts.setdefault(scores.ref, []).append(scores)
    return [_shadowed(ref, parts.pop(ref), known) for ref in sorted(parts)]


def pairs_of(
    shadowed: Shadowed, predictions: Predictions, exposures: Exposures, index: RowIndex
) -> tuple[list[Pairs], int]:
    """The pairs with each arm that answered, and the shadow's rows without a row that counts.

    Retried calls count once, as everywhere; rows of testers do not count.
    """
    rows = index.rows_of(shadowed.keys)
    counts = (rows != NOWHERE) & (predictions.flags[rows] & (Flag.RETRY | Flag.DUPLICATE) == 0)
    counts &= exposures.of_rows[rows] != NOT_EXPOSED
    _, first = np.unique(shadowed.keys, return_index=True)
    once = np.zeros(len(counts), np.bool_)
    once[first] = True
    counted = np.flatnonzero(counts & once)
    return list(_by_arm(shadowed, predictions, exposures, rows, counted)), int(np.count_nonzero(once & ~counts))


def _by_arm(
    shadowed: Shadowed, predictions: Predictions, exposures: Exposures, rows: Ints, counted: Ints
) -> Iterator[Pairs]:
    arms = np.array([version.arm for version in predictions.versions])[predictions.served[rows[counted]]]
    for arm in dict.fromkeys(version.arm for version in predictions.versions):
        chosen = counted[arms == arm]
        if not len(chosen):
            continue
        primary, shadow = predictions.scores[rows[chosen]], shadowed.scores[chosen]
        both: Bool = np.isfinite(primary) & np.isfinite(shadow)
        kept = chosen[both]
        yield Pairs(
            shadowed,
            arm,
            rows[kept],
            primary[both],
            shadow[both],
            exposures.of_rows[rows[kept]],
            shadowed.versions[kept],
            shadowed.milliseconds[kept],
            shadow_failed=int(np.count_nonzero(np.isfinite(primary) & ~np.isfinite(shadow))),
            primary_failed=int(np.count_nonzero(~np.isfinite(primary) & np.isfinite(shadow))),
        )


def _shadowed(ref: str, parts: list[ShadowScores], known: Mapping[tuple[str, str, int], Version]) -> Shadowed:
    names = {(part.ref, part.model, part.version): None for part in parts}
    versions = {name: index for index, name in enumerate(names)}
    return Shadowed(
        ref,
        np.concatenate([_keys(part) for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([np.full(len(part), versions[part.ref, part.model, part.version], np.uint16) for part in parts]),
        np.concatenate([_milliseconds(part) for part in parts]),
        tuple(known.get(name, Version(*name)) for name in names),
    )


def _keys(part: ShadowScores) -> UInt64:
    return prediction_keys(np.frombuffer(part.call_ids, f"V{CALL_ID_BYTES}"), part.places)


def _milliseconds(part: ShadowScores) -> Floats:
    known = part.microseconds
    return np.full(len(part), known / 1000 / len(part) if known else np.nan, np.float32)
