"""What the package may pull in."""

import subprocess
import sys

import pytest

PROBE = """
import importlib, pathlib, sys
import scoreline_registry
folder = pathlib.Path(scoreline_registry.__path__[0])
for path in folder.rglob("*.py"):
    if {condition}:
        importlib.import_module(".".join(path.relative_to(folder.parent).with_suffix("").parts))
print(*sorted({{name.partition(".")[0] for name in sys.modules}}))
"""

# What needs arrays or templates. `models compare` and `experiment plan` import the first two modules when they run.
FOLDERS = ("statistics", "attributions", "pictures", "recourse", "deciding", "messages", "previewing")
MODULES = (
    "golden_comparison",
    "experiment_sizes",
    "adaptive_cuts",
    "effect_beliefs",
    "effect_learning",
    "message_validation",
    "thompson",
)
REST = f"path.stem not in {MODULES} and not set({FOLDERS}) & set(path.parts)"


@pytest.mark.parametrize(
    ("condition", "forbidden"),
    [
        (
            f"path.parent.name != 'commands' and {REST}",
            {"click", "rich", "numpy", "jinja2", "babel", "grpc", "onnx", "onnxruntime", "scoreline"},
        ),
        # The commands print by the client's module, which loads nothing that a command would not.
        (REST, {"rich", "numpy", "jinja2", "babel", "grpc", "onnx", "onnxruntime"}),
    ],
)
def test_importing_the_registry_loads_nothing_it_may_not_need(condition: str, forbidden: set[str]) -> None:
    probe = [sys.executable, "-c", PROBE.format(condition=condition)]
    loaded = set(subprocess.run(probe, check=True, capture_output=True, text=True).stdout.split())
    assert "pydantic" in loaded
    assert not loaded & forbidden
