"""The controllers of one registry, assembled."""

from collections.abc import Sequence
from pathlib import Path

from scoreline_registry.registry import Registry
from scoreline_server.controllers.counting import Counting
from scoreline_server.controllers.ramp_controller import RampController
from scoreline_server.controllers.runner import Runner


def runner_of(registry: Registry, folders: Sequence[Path], *, counting: Counting) -> Runner:
    """What runs the ramps of a registry by the journals of some folders."""
    return Runner([RampController(registry, folders, counting=counting)], counting=counting)
