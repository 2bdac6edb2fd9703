"""The bare install is a client and nothing more."""

import subprocess
import sys
from pathlib import Path

import pytest

from scoreline_registry.registry import Registry
from tests.server.routes import apply
from tests.server.toys import publish_linear, sigmoid
from tests.serving import Serve

ROOT = Path(__file__).parents[2]
SCORE = """
import importlib.util, sys
import scoreline
with scoreline.Client(sys.argv[1]) as client:
    print(client.score("credit", {"income": 1.0}, entity_id="ann").score)
for name in ("click", "rich", "onnxruntime", "pydantic", "structlog", "yaml"):
    assert importlib.util.find_spec(name) is None, f"{name} came along"
"""


@pytest.mark.acceptance
def test_a_bare_install_scores_and_brings_no_server_or_command_line(tmp_path: Path, serve: Serve) -> None:
    registry = Registry.create(tmp_path / "registry")
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    address = serve(tmp_path / "registry")
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv/bin/python"
    subprocess.run(
        [python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", ROOT], check=True, timeout=300
    )
    done = subprocess.run([python, "-c", SCORE, address], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert abs(float(done.stdout) - float(sigmoid(1.0))) < 1e-6
    hint = subprocess.run([tmp_path / "venv/bin/scoreline", "serve"], capture_output=True, text=True, check=False)
    assert hint.returncode != 0
    assert len(hint.stderr.strip().splitlines()) == 1
    assert "scoreline[cli]" in hint.stderr
