"""How many processor cores this process may use."""

import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable_cores() -> int:
    """Cores by affinity, fewer under a container's quota; at least 1."""
    cores = len(os.sched_getaffinity(0))
    try:
        return max(1, min(cores, quota_cores(_QUOTA.read_text())))
    except (OSError, ValueError):
        return cores


def quota_cores(text: str) -> int:
    """The whole cores of a cgroup's ``cpu.max``: "QUOTA PERIOD" in microseconds. Raises ValueError for "max"."""
    quota, period = text.split()
    return int(quota) // int(period)
