"""Which prediction ids of outcomes the journal has."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scoreline_server.journal.reading.lookup import CallFinder, FoundCalls
from scoreline_server.outcomes.block import CallIds, UInt16


@dataclass(frozen=True, slots=True)
class UnknownIds:
    """Prediction ids that the journal does not have; ``is_complete`` is False where it could not all be searched."""

    ids: Sequence[str] = ()
    is_complete: bool = True


class PredictionFinder:
    """Tells the prediction ids that the journal of some folders does not have. Safe for threads."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._finder = CallFinder(folders)

    def unknown(self, route: str, prediction_ids: Sequence[str]) -> UnknownIds:
        """Those of some prediction ids that are no row of the route, in their order. Raises OSError.

        Where not all of the journal could be searched no id that was not found is called unknown.
        """
        keys = [(bytes.fromhex(each[:24]), int(each[25:])) for each in prediction_ids]
        found = self._finder.find({call for call, _ in keys})
        missing = [
            each
            for each, (call, place) in zip(prediction_ids, keys, strict=True)
            if not _is_row(found, route, call, place) and (found.is_complete or call in found.calls)
        ]
        return UnknownIds(missing, found.is_complete)


def known_predictions(folders: Iterable[Path], route: str, call_ids: CallIds, places: UInt16) -> npt.NDArray[np.bool_]:
    """Which predictions [P] are rows of the route in the journal: bool [P]. Raises OSError."""
    calls = [call.tobytes() for call in call_ids]
    found = CallFinder(folders).find(calls)
    rows = [_is_row(found, route, call, place) for call, place in zip(calls, places.tolist(), strict=True)]
    return np.array(rows, bool)


def _is_row(found: FoundCalls, route: str, call: bytes, place: int) -> bool:
    known = found.calls.get(call)
    return known is not None and known.route == route and place < known.rows
