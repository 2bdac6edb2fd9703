"""The checks of ``scoreline doctor`` on the machine and the installed packages."""

import locale
import os
import platform
import resource
import shutil
import socket
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from scoreline.version import __version__
from scoreline_server.cpu_count import usable_cores
from scoreline_server.doctor.findings import Finding, bytes_text, fail, graded, ok, warn
from scoreline_server.processes.exposition import installed
from scoreline_server.processes.runtime import LEAST_SHARED_BYTES, SHARED_MEMORY
from scoreline_server.transport.completion_queue import missing_names

PIDS_LIMIT = Path("/sys/fs/cgroup/pids.max")


def machine_findings() -> Iterator[Finding]:
    """Every check that needs neither registry nor server."""
    yield versions()
    yield grpcio_core()
    yield text_encoding(locale.getencoding())
    yield open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    yield threads(PIDS_LIMIT.read_text() if PIDS_LIMIT.exists() else "max")
    yield shared_ports()
    yield shared_memory(SHARED_MEMORY)
    yield ok("cores", f"{usable_cores()} may be used; `--workers auto` starts as many")


def versions() -> Finding:
    """Checks the versions of the packages that the server needs."""
    found = ", ".join(f"{name} {installed(name) or 'absent'}" for name in ("grpcio", "onnxruntime", "protobuf"))
    detail = f"scoreline {__version__}, Python {platform.python_version()}, {found}"
    try:
        import onnxruntime  # noqa: F401, PLC0415  a broken installation fails here and not before

        from scoreline.v1 import scoring_pb2  # noqa: F401, PLC0415  refuses a protobuf that is too old
    except Exception as error:  # noqa: BLE001  a library that does not load may raise anything
        return fail("versions", f"{detail}: {error}; pip install 'scoreline[server]' again")
    return ok("versions", detail)


def grpcio_core() -> Finding:
    """Checks that this grpcio has the parts of its core that the hot lane uses."""
    with ThreadPoolExecutor(1) as pool:
        missing = missing_names(grpc.server(pool))
    if missing:
        advice = "calls take the slower ordinary way; pip install 'scoreline[server]' brings a grpcio that has them"
        return warn("grpcio core", f"lacks {', '.join(missing)}: {advice}")
    return ok("grpcio core", "has every name that the server uses")


def text_encoding(encoding: str) -> Finding:
    """Whether text files are read as UTF-8."""
    if encoding.lower().replace("-", "") != "utf8":
        return fail("locale", f"text is {encoding}, not UTF-8: set LC_ALL=C.UTF-8 or PYTHONUTF8=1")
    return ok("locale", f"text is {encoding}")


def open_files(limit: int) -> Finding:
    """Whether enough connections and files can be open."""
    if limit == resource.RLIM_INFINITY:
        return ok("open files", "no limit")
    advice = "each connection takes one; raise it with `ulimit -n 65536` or LimitNOFILE="
    return graded("open files", limit, least=256, enough=1024, found=f"{limit} per process", advice=advice)


def threads(limit: str) -> Finding:
    """Whether enough threads can be started; ``limit`` is a cgroup's ``pids.max``."""
    if not limit.strip().isdecimal():
        return ok("threads", "no limit")
    count = int(limit)
    advice = "a worker takes about 40; raise the container's pids limit"
    return graded("threads", count, least=64, enough=256, found=f"{count} in this container", advice=advice)


def shared_ports() -> Finding:
    """Whether several workers can listen on one port."""
    with socket.socket() as first, socket.socket() as second:
        try:
            for taken in (first, second):
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            first.bind(("127.0.0.1", 0))
            second.bind(first.getsockname())
        except OSError as error:
            return warn("shared ports", f"SO_REUSEPORT does not work here ({error}): serve with one worker")
    return ok("shared ports", "several workers can listen on one port")


def shared_memory(folder: Path) -> Finding:
    """Whether workers can count in memory."""
    if not os.access(folder, os.W_OK):
        return warn("shared memory", f"{folder} cannot be written: workers count into files of {tempfile.gettempdir()}")
    free = shutil.disk_usage(folder).free
    advice = "workers would count into files on a disk; give the container more (--shm-size)"
    return graded(
        "shared memory", free, least=0, enough=LEAST_SHARED_BYTES, found=f"{bytes_text(free)} free", advice=advice
    )
