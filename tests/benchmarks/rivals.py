"""Others that serve the same model: what one would write by hand, the wire alone, and the peers that are installed."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort

from scoreline.v1 import scoring_pb2 as pb
from scoreline_server.rpc.methods import SCORE
from scoreline_server.scoring import wire
from tests.benchmarks.load import Target
from tests.benchmarks.models import COLUMNS, ROUTE
from tests.benchmarks.processes import free_port, program
from tests.benchmarks.serving import ENTITY, Running, StartError, answering
from tests.benchmarks.trained import MODEL, numbers

INSTALLED = Path(__file__).parents[2] / ".bench"
MODEL_INFER = "/inference.GRPCInferenceService/ModelInfer"

_ECHO = "/scoreline.bench.Echo/Score"
_HERE = Path(__file__).parent / "peers"


@dataclass(frozen=True)
class Peer:
    """Another server of the same model.

    ``make`` gives the command that serves the model file on a port, ``path`` and ``body`` are what it is asked.
    """

    make: Callable[[Path, Path, int], Sequence[str | Path]]
    path: str
    body: bytes
    env: tuple[tuple[str, str], ...] = ()
    pausable: bool = True

    @contextmanager
    def running(self, folder: Path, model: Path) -> Iterator[Running]:
        """Serves until the block ends. Raises StartError where it cannot."""
        port = free_port()
        command = self.make(folder, model, port)
        with program(command, log=folder / "peer.log", env=dict(self.env)) as process:
            expected = None if self.path == _ECHO else _expected(model)
            target = Target(f"127.0.0.1:{port}", self.path, self.body)
            yield Running(answering(target, process, expected=expected), process, pausable=self.pausable)


def peers() -> dict[str, Peer]:
    """The others by name, whether or not they can run here."""
    row = np.array(numbers(), "<f4").tobytes()
    score = pb.ScoreRequest(route=ROUTE, packed=pb.PackedEntities(entity_ids=[ENTITY], numbers=row)).SerializeToString()
    quiet = (("OMP_NUM_THREADS", "1"),)
    return {
        "C++ echo": Peer(_echo, _ECHO, wire.length_delimited(1, score)),
        "grpcio, threads": Peer(_grpcio, SCORE, score),
        # Its processes take each other for dead when they have been held still for a minute.
        "Triton, Python backend": Peer(_triton, MODEL_INFER, infer_body(row), quiet, pausable=False),
        "KServe": Peer(_kserve, MODEL_INFER, infer_body(row), quiet),
        "MLServer": Peer(_mlserver, MODEL_INFER, infer_body(row), quiet),
    }


def infer_body(row: bytes) -> bytes:
    """A ModelInferRequest of the Open Inference Protocol: model_name 1, inputs 5, raw_input_contents 7."""
    shape = wire.varint(1) + wire.varint(COLUMNS)
    tensor = wire.length_delimited(1, b"features") + wire.length_delimited(2, b"FP32") + wire.length_delimited(3, shape)
    return wire.length_delimited(1, MODEL.encode()) + wire.length_delimited(5, tensor) + wire.length_delimited(7, row)


def _expected(model: Path) -> float:
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    return float(session.run(["score"], {"features": np.array([numbers()], np.float32)})[0][0])


def _grpcio(folder: Path, model: Path, port: int) -> Sequence[str | Path]:
    return [sys.executable, _HERE / "grpcio_server.py", model, str(port)]


def _kserve(folder: Path, model: Path, port: int) -> Sequence[str | Path]:
    return [peer_python("kserve"), _HERE / "kserve_server.py", model, str(port)]


def _triton(folder: Path, model: Path, port: int) -> Sequence[str | Path]:
    return [peer_python("triton"), _HERE / "triton_server.py", model, str(port), str(free_port())]


def _mlserver(folder: Path, model: Path, port: int) -> Sequence[str | Path]:
    home = folder / "mlserver"
    home.mkdir(exist_ok=True)
    shutil.copy(_HERE / "mlserver_model.py", home)
    about = {"name": MODEL, "implementation": "mlserver_model.OnnxModel", "parameters": {"uri": str(model)}}
    (home / "model-settings.json").write_text(json.dumps(about))
    # Inference in the server's own process is its fastest way for a model as small as this.
    settings = {
        "host": "127.0.0.1", "grpc_port": port, "http_port": free_port(), "metrics_port": free_port(),
        "parallel_workers": 0, "debug": False, "metrics_dir": str(home / "metrics"),
    }  # fmt: skip
    (home / "settings.json").write_text(json.dumps(settings))
    return [peer_python("mlserver").parent / "mlserver", "start", home]


def _echo(folder: Path, model: Path, port: int) -> Sequence[str | Path]:
    return [_compiled(_HERE / "echo.cc", _HERE / "echo.proto"), str(port)]


def peer_python(peer: str) -> Path:
    """The interpreter of a peer's environment. Raises StartError where it is not installed."""
    python = INSTALLED / peer / "bin" / "python"
    if not (INSTALLED / peer / ".ready").exists():
        raise StartError(f"{peer} is not installed: make bench-peers")
    return python


def _compiled(source: Path, proto: Path) -> Path:
    """The echo, compiled once for its source."""
    tools = ("g++", "protoc", "grpc_cpp_plugin")
    if missing := [tool for tool in tools if shutil.which(tool) is None]:
        packages = "g++ libgrpc++-dev protobuf-compiler protobuf-compiler-grpc"
        raise StartError(f"no {', '.join(missing)}: apt-get install {packages}")
    made_by = hashlib.sha256(source.read_bytes() + proto.read_bytes()).hexdigest()[:12]
    folder = INSTALLED / f"echo-{made_by}"
    if not (folder / "echo").exists():
        folder.mkdir(parents=True, exist_ok=True)
        plugin = f"--plugin=protoc-gen-grpc={shutil.which('grpc_cpp_plugin')}"
        run_tool(["protoc", f"-I{proto.parent}", f"--cpp_out={folder}", f"--grpc_out={folder}", plugin, proto])
        generated = [folder / "echo.pb.cc", folder / "echo.grpc.pb.cc"]
        # grpc++ pulls in libraries that it does not name.
        libraries = ["-Wl,--copy-dt-needed-entries", "-lgrpc++", "-lprotobuf"]
        run_tool(
            ["g++", "-O2", "-std=c++17", f"-I{folder}", source, *generated, "-o", folder / "half-made", *libraries]
        )
        (folder / "half-made").rename(folder / "echo")
    return folder / "echo"


def run_tool(command: Sequence[str | Path]) -> None:
    """Runs a command. Raises StartError with the end of what it said when it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise StartError(f"{command[0]} failed: {done.stderr[-1000:]}")
