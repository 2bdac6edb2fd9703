"""A shadow against the arm that answered: two scores of the same rows, joined by prediction id."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scoreline_server.analysis.rows.exposures import NOT_EXPOSED, Exposures, Int32
from scoreline_server.analysis.rows.growing import GrowingArray
from scoreline_server.analysis.rows.labels import NOWHERE, Bool, Ints, RowIndex
from scoreline_server.analysis.rows.predictions import CHUNK, Flag, Predictions, Version, prediction_keys
from scoreline_server.journal.format.shadowed import ShadowScores
from scoreline_server.journal.reading.reader import Selection, read_shadows
from scoreline_server.scoring.wire import CALL_ID_BYTES

Floats = npt.NDArray[np.float32]

MAX_PAIRS = 2_000_000
"""The most pairs of one shadow and one arm that are held in memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Shadowed:
    """The rows of one shadow: N of them.

    Attributes:
        ref: the shadow as the route names it.
        rows: int32 [N], rows of the predictions; NOWHERE for ids that they do not have.
        scores: float32 [N], NaN where it failed.
        versions: uint16 [N], indices into ``version_list``.
        milliseconds: float32 [N], the run time of the row's batch over its rows; NaN where the journal does not say.
    """

    ref: str
    rows: Int32
    scores: Floats
    versions: npt.NDArray[np.uint16]
    milliseconds: Floats
    version_list: tuple[Version, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """A shadow and one arm that answered, over P rows that both scored.

    Attributes:
        count: all rows that both scored; of more than MAX_PAIRS as many were drawn at random with a fixed seed.
        rows: intp [P], rows of the predictions.
        primary, shadow: float32 [P], their scores.
        units: int32 [P], the exposure that each row belongs to.
        shadow_versions: uint16 [P], indices into ``shadowed.version_list``.
        milliseconds: float32 [P], of the shadow.
        shadow_failed, primary_failed: rows that only the other one scored.
    """

    shadowed: Shadowed
    arm: str
    count: int
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


def read_shadowed(
    folders: Iterable[Path], selection: Selection, known: Mapping[tuple[str, str, int], Version], index: RowIndex
) -> list[Shadowed]:
    """The rows of each shadow of a route; ``known`` are the versions with their bands."""
    found: dict[str, _Collected] = {}
    for scores in read_shadows(folders, selection):
        if scores.ref not in found:
            found[scores.ref] = _Collected(scores.ref, index)
        found[scores.ref].add(scores)
    return [found.pop(ref).shadowed(known) for ref in sorted(found)]


class _Collected:
    """The rows of one shadow while they are read."""

    def __init__(self, ref: str, index: RowIndex) -> None:
        self._ref, self._index = ref, index
        self._versions: dict[tuple[str, str, int], int] = {}
        self._keys, self._rows = GrowingArray(np.uint64), GrowingArray(np.int32)
        self._scores, self._version, self._milliseconds = map(GrowingArray, (np.float32, np.uint16, np.float32))

    def add(self, part: ShadowScores) -> None:
        """Appends the rows of a block."""
        name = (part.ref, part.model, part.version)
        version = self._versions.setdefault(name, len(self._versions))
        each = part.microseconds / 1000 / len(part) if part.microseconds and len(part) else np.nan
        self._keys.append(prediction_keys(np.frombuffer(part.call_ids, f"V{CALL_ID_BYTES}"), part.places))
        self._scores.append(part.scores)
        self._version.append(np.full(len(part), version))
        self._milliseconds.append(np.full(len(part), each))
        if len(self._keys) >= CHUNK // 4:
            self._find()

    def shadowed(self, known: Mapping[tuple[str, str, int], Version]) -> Shadowed:
        """The rows; lets go of what was read."""
        self._find()
        rows, scores, versions = (column.taken() for column in (self._rows, self._scores, self._version))
        version_list = tuple(known.get(name, Version(*name)) for name in self._versions)
        return Shadowed(self._ref, rows, scores, versions, self._milliseconds.taken(), version_list)

    def _find(self) -> None:
        """Finds the rows of the keys so far, many at once."""
        self._rows.append(self._index.rows_of(self._keys.taken()))


def pairs_of(shadowed: Shadowed, predictions: Predictions, exposures: Exposures) -> tuple[Iterator[Pairs], int]:
    """The pairs with each arm that answered, and the shadow's rows without a row that counts.

    Retried calls count once, as everywhere; rows of testers do not count.
    """
    rows = shadowed.rows
    known = np.flatnonzero(rows != NOWHERE).astype(np.int32)
    # A row that was scored twice counts once: written backwards, the first score stays.
    first = np.full(len(predictions), NOWHERE, np.int32)
    first[rows[known[::-1]]] = known[::-1]
    scored = first != NOWHERE
    counts = scored & (predictions.flags & (Flag.RETRY | Flag.DUPLICATE) == 0) & (exposures.of_rows != NOT_EXPOSED)
    counted = first[counts]
    unmatched = len(rows) - len(known) + int(np.count_nonzero(scored)) - len(counted)
    return _by_arm(shadowed, predictions, exposures, rows, counted), unmatched


def _by_arm(
    shadowed: Shadowed, predictions: Predictions, exposures: Exposures, rows: Ints, counted: Ints
) -> Iterator[Pairs]:
    names = list(dict.fromkeys(version.arm for version in predictions.versions))
    arm_of = np.array([names.index(version.arm) for version in predictions.versions], np.uint16)
    arms = arm_of[predictions.served[rows[counted]]]
    for place, arm in enumerate(names):
        chosen = counted[arms == place]
        if not len(chosen):
            continue
        primary: Bool = np.isfinite(predictions.scores[rows[chosen]])
        shadow: Bool = np.isfinite(shadowed.scores[chosen])
        scored = chosen[primary & shadow]
        kept = _drawn(scored)
        yield Pairs(
            shadowed,
            arm,
            len(scored),
            rows[kept],
            predictions.scores[rows[kept]],
            shadowed.scores[kept],
            exposures.of_rows[rows[kept]],
            shadowed.versions[kept],
            shadowed.milliseconds[kept],
            shadow_failed=int(np.count_nonzero(primary & ~shadow)),
            primary_failed=int(np.count_nonzero(~primary & shadow)),
        )


def _drawn(chosen: Ints) -> Ints:
    """MAX_PAIRS of more, in their order."""
    if len(chosen) <= MAX_PAIRS:
        return chosen
    places = np.random.default_rng(0).choice(len(chosen), MAX_PAIRS, replace=False, shuffle=False)
    drawn: Ints = chosen[np.sort(places)]
    return drawn
