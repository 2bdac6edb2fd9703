"""``scoreline stubs``: a service that does not have this client asks by what it hands out."""

import os
import re
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from scoreline.v1 import decisions_pb2, profiles_pb2, registry_pb2, scoring_pb2
from tests.clients.cli.test_cli import run, without
from tests.clients.sums import Running

PROTOS = Path(__file__).parents[3] / "protos"
PAGE = Path(__file__).parents[3] / "docs" / "guides" / "clients.md"
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


def example(language: str) -> str:
    """The example in a language of the page on clients."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return str(found)


def test_java_has_a_class_for_each_name_that_the_example_imports() -> None:
    files = [scoring_pb2.DESCRIPTOR, registry_pb2.DESCRIPTOR, profiles_pb2.DESCRIPTOR, decisions_pb2.DESCRIPTOR]
    options = [file.GetOptions() for file in files]
    assert {(option.java_package, option.java_multiple_files) for option in options} == {("com.scoreline.v1", True)}
    assert len({option.java_outer_classname for option in options}) == len(files)
    made = {name for file in files for name in file.message_types_by_name}
    made |= {f"{name}Grpc" for file in files for name in file.services_by_name}
    imported = re.findall(r"^import com\.scoreline\.v1\.(\w+);", example("java"), re.MULTILINE)
    assert len(imported) == 5
    assert set(imported) <= made


def test_go_has_one_package_of_the_path_and_name_that_the_example_imports() -> None:
    files = [scoring_pb2, registry_pb2, profiles_pb2, decisions_pb2]
    packages = {file.DESCRIPTOR.GetOptions().go_package for file in files}
    assert packages == {"scoreline/v1;scorelinev1"}
    assert 'scorelinev1 "example/scoreline/v1"' in example("go")


@pytest.mark.parametrize(("flags", "code", "says"), [((), 1, "pip install grpcio-tools"), (("--nowhere",), 2, "")])
def test_without_grpcio_tools_one_line_says_what_to_do(
    flags: tuple[str, ...], code: int, says: str, tmp_path: Path
) -> None:
    done = run("stubs", "--out", str(tmp_path / "new"), *flags, before=without("grpc_tools"))
    assert done.returncode == code
    assert says in done.stderr
    assert not (tmp_path / "new").exists()
