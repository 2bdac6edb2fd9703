"""Runs controllers again and again until they are to end; a look that fails is logged, and the next one is taken."""

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from scoreline_registry.errors import RegistryError
from scoreline_server.controllers.counting import Counting
from scoreline_server.failure_log import log_failure

_log = structlog.get_logger()


class Controller(Protocol):
    """Looks at a registry and commits what follows."""

    def look(self) -> Sequence[object]:
        """Looks once. Raises RegistryError and OSError when that cannot be; nothing has changed then."""


class Runner:
    """Some controllers. For one thread."""

    def __init__(self, controllers: Sequence[Controller], *, counting: Counting) -> None:
        self._controllers, self._counting = tuple(controllers), counting
        self._problem = ""

    def run(self, stop: threading.Event, seconds: float) -> None:
        """Looks every so many seconds until ``stop`` is set."""
        while not stop.is_set():
            self.look()
            stop.wait(seconds)

    def look(self) -> None:
        """Lets each controller look once. A problem is logged once until it changes or goes."""
        problems = [self._looked(controller.look) for controller in self._controllers]
        problem = "; ".join(dict.fromkeys(filter(None, problems)))
        if problem and problem != self._problem:
            _log.warning("controllers cannot look, no ramp, allocation or policy moves meanwhile", problem=problem)
        elif self._problem and not problem:
            _log.info("controllers look again")
        self._problem = problem

    def _looked(self, look: Callable[[], object]) -> str:
        """Why a look was not possible; empty where it was."""
        try:
            look()
        except (RegistryError, OSError) as error:
            self._counting.controller_failed()
            return str(error)
        except Exception as error:  # noqa: BLE001  the next look may succeed
            self._counting.controller_failed()
            log_failure("controller failed", error)
            return repr(error)
        return ""
