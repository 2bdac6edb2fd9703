"""What the bare package is made of."""

import subprocess
import sys

import pytest

import scoreline
from scoreline import public
from scoreline.channel.channels import full_target

ALLOWED = {"scoreline", "google", "grpc", "grpc_status", "numpy"}
# grpcio needs typing_extensions, and loads its sister packages by itself where they are installed.
WITH_GRPC = {"typing_extensions", "cython_runtime", "grpc_tools", "grpc_health", "grpc_reflection"}


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout


def test_using_every_public_name_loads_only_the_bare_dependencies() -> None:
    loaded = run_python(
        "import sys\nbefore = set(sys.modules)\nfrom scoreline import *\n"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))"
    )
    foreign = {name for name in loaded.split() if not name.startswith("_")} - ALLOWED - WITH_GRPC
    assert foreign == set()


def test_the_bare_import_loads_neither_grpc_nor_numpy() -> None:
    assert run_python("import sys, scoreline\nprint({'grpc', 'numpy'} & set(sys.modules))") == "set()\n"


def test_every_public_name_is_there() -> None:
    assert dir(scoreline) == sorted([*public.__all__, "__version__"])
    assert all(getattr(scoreline, name) is getattr(public, name) for name in public.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Clinet'"):
        _ = scoreline.Clinet  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("target", "full"),
    [
        ("scoring", "scoring:50051"),
        ("scoring.internal:443", "scoring.internal:443"),
        ("127.0.0.1", "127.0.0.1:50051"),
        ("[::1]", "[::1]:50051"),
        ("[::1]:9", "[::1]:9"),
        ("dns:///scoring", "dns:///scoring:50051"),
        ("dns://8.8.8.8/scoring:1", "dns://8.8.8.8/scoring:1"),
        ("unix:/run/scoreline", "unix:/run/scoreline"),
    ],
)
def test_a_target_without_a_port_means_50051(target: str, full: str) -> None:
    assert full_target(target) == full
