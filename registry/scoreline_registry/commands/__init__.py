"""The registry's commands for the one ``scoreline`` group."""

from scoreline_registry.commands.aliases import alias
from scoreline_registry.commands.log import history
from scoreline_registry.commands.routes import route
from scoreline_registry.commands.setup import init
from scoreline_registry.commands.versions import models

__all__ = ["alias", "history", "init", "models", "route"]
