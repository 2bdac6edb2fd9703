"""``make bench-peers``: installs the peers, each in a virtual environment of its own under ``.bench``."""

import os
import sys
from collections.abc import Mapping, Sequence

from tests.benchmarks.rivals import INSTALLED, run_tool
from tests.benchmarks.serving import StartError

PACKAGES: Mapping[str, Sequence[str]] = {
    "mlserver": ("mlserver", "onnxruntime"),
    "kserve": ("kserve", "onnxruntime"),
    "triton": ("nvidia-pytriton", "tritonclient[grpc]", "onnxruntime"),
    "flaml": ("flaml[automl]", "pandas"),
    "shap": ("shap==0.51.*", "woodelf-explainer", "lightgbm", "pandas"),
    "feast": ("feast[redis]",),
}


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
            run_tool([folder / "bin" / "python", "-m", "pip", "install", "--quiet", *packages])
            (folder / ".ready").touch()
        except StartError as error:
            failures.append(f"{peer}: {error}")
    return failures


if __name__ == "__main__":
    # Triton's Python backend is linked against the distribution's libpython.
    failed = install(os.environ.get("BENCH_PYTHON", "/usr/bin/python3.11"))
    sys.exit("\n".join(failed) or None)
