"""The registry's commands for the one ``scoreline`` group."""

from scoreline_registry.commands.aliases import alias
from scoreline_registry.commands.compare import compare
from scoreline_registry.commands.copies import export, promote
from scoreline_registry.commands.experiments import experiment
from scoreline_registry.commands.history import history
from scoreline_registry.commands.labels import label, own
from scoreline_registry.commands.policies import policy
from scoreline_registry.commands.policy_preview import preview
from scoreline_registry.commands.profiles import profile
from scoreline_registry.commands.ramps import ramp
from scoreline_registry.commands.routes import route
from scoreline_registry.commands.setup import init
from scoreline_registry.commands.upkeep import gc, retire, rollback, unretire, verify
from scoreline_registry.commands.versions import models

for _command in (compare, label, own):
    models.add_command(_command)
policy.add_command(preview)

__all__ = [
    "alias",
    "experiment",
    "export",
    "gc",
    "history",
    "init",
    "models",
    "policy",
    "profile",
    "promote",
    "ramp",
    "retire",
    "rollback",
    "route",
    "unretire",
    "verify",
]
