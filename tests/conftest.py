"""What holds for every test."""

import os
from collections.abc import Iterator

# Before a library that reads it is imported. Processes of tests share the cores; threads of OpenMP that wait for each
# other at every step of a small model then cost a hundred times what one thread costs.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import structlog
from hypothesis import HealthCheck, settings

# How long an example takes says nothing on a busy machine, and these limits would fail tests that are right.
# Equal examples at every run, so that a change is judged by the change; --hypothesis-profile=explore draws new ones.
settings.register_profile("patient", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", settings.get_profile("patient"), derandomize=False, max_examples=1000)
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """Undoes what a command or a fake server sets up for its own process, which here is that of other tests too."""
    before, was_configured = structlog.get_config(), structlog.is_configured()
    yield
    if was_configured:
        structlog.configure(**before)
    else:
        structlog.reset_defaults()
