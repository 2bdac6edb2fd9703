"""The controllers of one registry, assembled."""

from collections.abc import Sequence
from pathlib import Path

from scoreline_registry.registry import Registry
from scoreline_server.controllers.allocation_controller import AllocationController
from scoreline_server.controllers.counting import Counting
from scoreline_server.controllers.policy_controller import PolicyController
from scoreline_server.controllers.ramp_controller import RampController
from scoreline_server.controllers.runner import Runner


def runner_of(registry: Registry, folders: Sequence[Path], *, counting: Counting) -> Runner:
    """What runs ramps, allocations and learning policies of a registry by the journals and outcomes of some folders."""
    controllers = (
        RampController(registry, folders, counting=counting),
        AllocationController(registry, folders, counting=counting),
        PolicyController(registry, folders, counting=counting),
    )
    return Runner(controllers, counting=counting)
