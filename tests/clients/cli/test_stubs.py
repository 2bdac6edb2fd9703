"""``scoreline stubs``: a service that does not have this client asks by what it hands out."""

import os
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from tests.clients.cli.test_cli import run, without
from tests.clients.sums import Running

PROTOS = Path(__file__).parents[3] / "protos"
ASK = """
import sys, grpc
from scoreline.v1 import scoring_pb2 as pb, scoring_pb2_grpc as rpc
assert pb.__file__.startswith(sys.argv[2]), pb.__file__
with grpc.insecure_channel(sys.argv[1]) as channel:
    print(rpc.ScoringServiceStub(channel).GetSchema(pb.GetSchemaRequest(route="credit")).schema_digest)
"""


def test_fresh_stubs_ask_a_server_without_this_client(running: Running, tmp_path: Path) -> None:
    done = run("stubs", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert all(Path(line).is_file() for line in done.stdout.splitlines())
    # -S: no .pth of an installed client adds it to the path; of the client there is nothing but its name.
    path = os.pathsep.join([str(tmp_path / "python"), str(Path(grpc.__file__).parents[1])])
    asked = subprocess.run(
        [sys.executable, "-S", "-c", ASK, running.target, str(tmp_path)],
        capture_output=True, text=True, check=False, env={"PYTHONPATH": path},
    )  # fmt: skip
    assert (asked.stdout, asked.returncode) == ("layout-1\n", 0), asked.stderr


def test_the_protos_are_those_of_the_contract(tmp_path: Path) -> None:
    done = run("stubs", "--out", str(tmp_path), "--protos-only", before=without("grpc_tools"))
    assert done.returncode == 0, done.stderr
    given = {path.relative_to(tmp_path / "protos"): path.read_bytes() for path in tmp_path.rglob("*.proto")}
    assert given == {path.relative_to(PROTOS): path.read_bytes() for path in PROTOS.rglob("*.proto")}
    assert not (tmp_path / "python").exists()


@pytest.mark.parametrize(("flags", "code", "says"), [((), 1, "pip install grpcio-tools"), (("--nowhere",), 2, "")])
def test_without_grpcio_tools_one_line_says_what_to_do(
    flags: tuple[str, ...], code: int, says: str, tmp_path: Path
) -> None:
    done = run("stubs", "--out", str(tmp_path / "new"), *flags, before=without("grpc_tools"))
    assert done.returncode == code
    assert says in done.stderr
    assert not (tmp_path / "new").exists()
