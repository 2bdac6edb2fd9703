"""``make bench-peers``: installs the peers, each in a virtual environment of its own under ``.bench``."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.benchmarks.rivals import INSTALLED, run_tool
from tests.benchmarks.serving import StartError

PACKAGES: Mapping[str, Sequence[str]] = {
    "mlserver": ("mlserver", "onnxruntime"),
    "kserve": ("kserve", "onnxruntime"),
    "triton": ("nvidia-pytriton", "tritonclient[grpc]", "onnxruntime"),
    "flaml": ("flaml[automl]", "pandas"),
    "shap": ("shap==0.51.*", "woodelf-explainer", "lightgbm", "pandas"),
    "feast": ("feast[redis]",),
    "dice": ("pandas", "scikit-learn", "jsonschema", "tqdm", "onnxruntime"),
}
ALONE: Mapping[str, Sequence[str]] = {"dice": ("dice-ml==0.12", "raiutils")}
"""Packages without what they depend on: DiCE asks for all of XGBoost, which it needs for models of its own alone."""


def install(python: str) -> list[str]:
    """Installs each peer by ``python``; returns what failed and why."""
    failures = []
    for peer, packages in PACKAGES.items():
        folder = INSTALLED / peer
        if (folder / ".ready").exists():
            continue
        print(f"installing {' '.join(packages)}", flush=True)
        try:
            run_tool([python, "-m", "venv", folder])
            pip: list[str | Path] = [folder / "bin" / "python", "-m", "pip", "install", "--quiet"]
            run_tool([*pip, *packages])
            if peer in ALONE:
                run_tool([*pip, "--no-deps", *ALONE[peer]])
            (folder / ".ready").touch()
        except StartError as error:
            failures.append(f"{peer}: {error}")
    return failures


if __name__ == "__main__":
    # Triton's Python backend is linked against the distribution's libpython.
    failed = install(os.environ.get("BENCH_PYTHON", "/usr/bin/python3.11"))
    sys.exit("\n".join(failed) or None)
