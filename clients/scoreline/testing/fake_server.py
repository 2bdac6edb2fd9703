"""The real server on a free port, over a registry of its own."""

import logging
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from scoreline.testing import fake_model
from scoreline.testing.fake_route import FakeRoute
from scoreline_registry.registry import Registry
from scoreline_registry.routing.route_spec import RouteSpec
from scoreline_server.app import Server
from scoreline_server.settings import Settings

_ADOPTION_SECONDS = 10.0


class _Given(Settings):
    """Settings that are checked, and read from nowhere else."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *others: PydanticBaseSettingsSource,
        **by_name: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What was given alone."""
        del settings_cls, others, by_name
        return (init_settings,)


class FakeServer:
    """Answers as production does, from models whose scores a test knows: ``with FakeServer(...) as server: ...``."""

    def __init__(
        self, routes: Mapping[str, FakeRoute] | None = None, *, registry: str | Path | None = None, **settings: Any
    ) -> None:
        """Makes the server; nothing listens before ``start`` or ``with``.

        Args:
            routes: what to serve, by the route's name. Published into a registry that goes with the server.
            registry: a registry to serve instead, such as a copy of the one in production.
            settings: of the server, by their names in docs/reference/settings.md; the environment is not read.

        Raises:
            ValueError: when both or neither of routes and registry are given, or for an invalid setting.
            TypeError: for a setting that the server does not have.
        """
        if (routes is None) == (registry is None):
            raise ValueError("give either routes or registry")
        if unknown := settings.keys() - Settings.model_fields.keys():
            raise TypeError(f"the server has no setting {', '.join(sorted(unknown))}")
        self._routes = dict(routes or {})
        self._folder = registry
        given: dict[str, Any] = {"listen": "127.0.0.1:0", "journal_dir": "off", "poll_seconds": 0.05}
        self._settings = _Given(**given | settings)
        self._open = ExitStack()
        self._server: Server | None = None

    @property
    def target(self) -> str:
        """Where it listens, for ``scoreline.Client(server.target)``. Raises RuntimeError before the start."""
        if self._server is None:
            raise RuntimeError("the fake server is not started: use it in a with block")
        return self._server.address

    def start(self) -> Self:
        """Publishes the routes and listens on a free port of the loopback address; again after ``stop``."""
        if not structlog.is_configured():
            # The server's log is noise in a test.
            structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
        if self._folder is None:
            self._folder = self._open.enter_context(tempfile.TemporaryDirectory(prefix="scoreline-fake-"))
            registry = Registry.create(self._folder)
            for name, route in self._routes.items():
                _publish(registry, name, route)
        self._server = Server(self._settings.model_copy(update={"registry": str(self._folder)}))
        self._server.start()
        # Another start takes the same port, so that clients find it again.
        self._settings = self._settings.model_copy(update={"listen": self._server.address})
        return self

    def stop(self) -> None:
        """Drains and closes; callers get UnavailableError until ``start``."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def put(self, name: str, route: FakeRoute) -> None:
        """Serves another route, or the same differently, from the next call on. Raises RuntimeError without a start."""
        if self._server is None:
            raise RuntimeError("the fake server is not started: use it in a with block")
        _publish(Registry.open(self._server.settings.registry), name, route)
        if not self._server.watcher.look_now(_ADOPTION_SECONDS):
            raise RuntimeError(f"{name} was not adopted within {_ADOPTION_SECONDS:.0f} s")

    def __enter__(self) -> Self:
        with ExitStack() as undone:
            undone.callback(self._open.close)
            self.start()
            undone.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._open.close()


def _publish(registry: Registry, name: str, route: FakeRoute) -> None:
    """One model of the route's name, all of the traffic."""
    registry.publish(
        name,
        files=fake_model.files(route),
        manifest=fake_model.manifest(route),
        author="test",
        message=f"fake {name}",
        aliases=("champion",),
    )
    registry.apply_route(_spec(name, route), author="test", message=f"fake {name}")


def _spec(name: str, route: FakeRoute) -> RouteSpec:
    kinds = {feature.name: feature.kind for feature in fake_model.features(route)}
    text = {"route": name, "schema": {"features": kinds}, "rules": [{"split": {f"{name}@champion": 100}}]}
    return RouteSpec.model_validate(text)
