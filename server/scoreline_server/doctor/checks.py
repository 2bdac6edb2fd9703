"""``scoreline doctor``: checks the machine, the registry and, with ``--server``, a running server."""

import json
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import scoreline
from scoreline_registry.errors import RegistryError
from scoreline_registry.registry import Registry
from scoreline_registry.storage import local_folder
from scoreline_server.doctor.findings import Finding, bytes_text, fail, graded, ok, warn
from scoreline_server.doctor.machine import machine_findings

# Revisions carry the clock of the machine that committed them: a few seconds between machines are no problem.
_CLOCK_SECONDS = 60.0
_EARLIEST = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
_TIMEOUT_SECONDS = 5.0


def all_findings(*, registry: str, server: str | None, ops: str | None) -> Iterator[Finding]:
    """Yields each finding as soon as it is known.

    Args:
        registry: folder or URI of the registry.
        server: address of a running server; None to leave it out.
        ops: address of that server's ops port; None where it has none.
    """
    yield from machine_findings()
    folder = local_folder(registry)
    if folder is not None and folder.is_dir():
        yield rights(folder)
        yield free_disk(folder)
    yield from registry_findings(registry)
    if server is not None:
        yield from server_findings(server)
        if ops is not None:
            yield ops_finding(ops)


def rights(folder: Path) -> Finding:
    """What this user may do in the registry's folder, and whether everyone may."""
    if not os.access(folder, os.R_OK | os.X_OK):
        return fail("folder", f"{folder} cannot be read by this user: give it to the user that serves")
    if folder.stat().st_mode & 0o002:
        return warn("folder", f"{folder} can be written by everyone on this machine: chmod o-w {folder}")
    if not os.access(folder, os.W_OK):
        return ok("folder", f"{folder} can be read; publishing needs a user that can write it")
    return ok("folder", f"{folder} can be read and written")


def free_disk(folder: Path) -> Finding:
    """Whether there is room for another version."""
    free = shutil.disk_usage(folder).free
    advice = "publishing fails when it is full; remove retired versions with `scoreline gc`, or make room"
    found = f"{bytes_text(free)} free at {folder}"
    return graded("free disk", free, least=100e6, enough=1e9, found=found, advice=advice)


def registry_findings(uri: str) -> Iterator[Finding]:
    """Whether every revision can be read, follows from the one before, and lies in the past."""
    try:
        history = list(Registry.open(uri).history())
    except RegistryError as error:
        yield fail("registry", " ".join(str(error).split()))
        return
    yield ok("registry", f"{len(history)} revisions at {uri}, each follows from the one before")
    yield clock(time.time(), history[0].created_at.timestamp() if history else None)


def clock(now: float, newest: float | None) -> Finding:
    """Whether this machine's clock can be right; ``newest`` is when the newest revision was made, by its maker's."""
    advice = "one of the two clocks is wrong; is NTP running?"
    if now < _EARLIEST:
        return fail("clock", f"it says {_day(now)}: set it, or start NTP")
    if newest is not None and newest - now > _CLOCK_SECONDS:
        return fail("clock", f"the newest revision is {newest - now:.0f} s in the future: {advice}")
    return ok("clock", f"{_day(now)}, not before the newest revision")


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"


def server_findings(address: str) -> Iterator[Finding]:
    """Checks that a server answers, serves and has adopted every route and version."""
    try:
        with scoreline.Client(address, timeout_seconds=_TIMEOUT_SECONDS) as client:
            health, status = client.health(), client.status()
    except scoreline.ScorelineError as error:
        detail = f"{address} does not answer: {' '.join(str(error).split())}; is it running, and is this its address?"
        yield fail("server", detail)
        return
    found = f"scoreline {status.server_version} at {address} is {health.name}, revision {status.revision}"
    yield ok("server", found) if health.name == "SERVING" else fail("server", f"{found}: it starts or drains")
    for route in status.routes:
        if route.problem:
            yield warn("route", f"{route.route} is not the newest: {route.problem}")
    for model in status.models:
        if model.problem:
            yield warn("model", f"{model.model}@{model.version} is refused: {model.problem}")


def ops_finding(address: str) -> Finding:
    """Checks the readiness that the ops port reports."""
    try:
        with urllib.request.urlopen(f"http://{address}/readyz", timeout=_TIMEOUT_SECONDS) as answer:
            readiness = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return fail("ops port", f"{address} answers {error.code} to /readyz: {error.read(300).decode()}")
    except (OSError, ValueError):
        return warn("ops port", f"no ops port answers at {address}: see ops_listen, or give --ops")
    serving = sum(worker["state"] == "serving" for worker in readiness["workers"])
    return ok("ops port", f"{address} is ready, {serving} of {len(readiness['workers'])} workers serve")
