"""Keeps outcomes in a folder and tells which prediction ids its journal does not have, for servers and imports."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import structlog

from scoreline.errors import InvalidRequestError
from scoreline.outcomes import Outcome, OutcomesReport, RefusedOutcome
from scoreline_server.gil_switching import background_work
from scoreline_server.journal.format.facts import FileFacts
from scoreline_server.outcomes.known import PredictionFinder, UnknownIds
from scoreline_server.outcomes.log import OutcomeLog
from scoreline_server.outcomes.rules import check_observed

_log = structlog.get_logger()

# A row is in the journal's file some 20 ms after its answer; the second that begins an id was then just over at most.
_SETTLING_SECONDS = 0.1
_NEW_SECONDS = 2


class OutcomeKeeper:
    """Keeps the outcomes of one process. Safe for threads."""

    def __init__(self, log: OutcomeLog, folder: Path) -> None:
        """``folder`` has the journal of the host."""
        self.log = log
        self._finder = PredictionFinder([folder])

    def keep(self, route: str, outcomes: Sequence[Outcome]) -> UnknownIds:
        """Keeps outcomes of one route and returns the prediction ids that the journal does not have, each once.

        Raises OSError where they could not be written; then none of them is kept.
        """
        self.log.append(route, outcomes)
        ids = list(dict.fromkeys(outcome.prediction_id for outcome in outcomes if outcome.prediction_id))
        try:
            return self._unknown(route, ids)
        except OSError as error:  # the outcomes are kept already, so this fails no report
            _log.warning("prediction ids of outcomes could not be looked up", error=str(error))
            return UnknownIds(is_complete=False)

    def _unknown(self, route: str, ids: Sequence[str]) -> UnknownIds:
        """The unknown of some ids. Those of scores that were answered just now are looked up a second time."""
        if not ids:
            return UnknownIds()
        with background_work():
            found = self._finder.unknown(route, ids)
        if any(abs(int(each[:8], 16) - time.time()) < _NEW_SECONDS for each in found.ids):
            time.sleep(_SETTLING_SECONDS)
            found = self._finder.unknown(route, ids)
        return found


class FolderImport:
    """Keeps the outcomes of one route in the journal of a folder, without a server."""

    def __init__(self, route: str, folder: Path, facts: FileFacts) -> None:
        self._route = route
        self._keeper = OutcomeKeeper(OutcomeLog(folder, facts), folder)

    def __call__(self, outcomes: Sequence[Outcome]) -> OutcomesReport:
        """Keeps outcomes as a server does. Raises OSError where they could not be written."""
        kept: list[Outcome] = []
        refused: list[RefusedOutcome] = []
        now = time.time_ns()
        for index, outcome in enumerate(outcomes):
            try:
                check_observed(outcome.observed_at, now)
            except InvalidRequestError as error:
                refused.append(RefusedOutcome(index, error.reason, error.message))
            else:
                kept.append(outcome)
        found = self._keeper.keep(self._route, kept) if kept else UnknownIds()
        return OutcomesReport(len(kept), tuple(found.ids), tuple(refused), unchecked=not found.is_complete)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._keeper.log.close()
