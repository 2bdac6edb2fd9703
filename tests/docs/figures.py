"""The figures of the documentation: ``make reference`` writes them, a test compares them."""

import tomllib
from collections.abc import Callable, Mapping

from tests.docs.drawing import Arrow, Box, badge, figure
from tests.docs.pages import ROOT


def architecture() -> str:
    """From training to an answer: trainers, registry, server, and who asks it."""
    boxes: list[Box | Arrow] = [
        Box(10, 20, 210, 100, "Trainers", [
            "21 families, one YAML recipe", "export to ONNX,", "equal to the native model"]),
        Box(10, 160, 210, 78, "ONNX from elsewhere", [
            "scikit-learn, LightGBM, torch,", "Triton repositories"], "outside"),
        Box(320, 60, 230, 132, "Registry", [
            "one folder, immutable revisions", "models/<name>/<version>/", "aliases such as champion",
            "routes: rules, splits, holdout", "history and rollback"], "files"),
        Box(650, 20, 300, 212, "Server", ["scoreline serve: a supervisor and workers"]),
        Box(670, 76, 260, 38, "gRPC endpoint, admission", (), "part"),
        Box(670, 126, 260, 38, "route, arm, model version", (), "part"),
        Box(670, 176, 260, 38, "ONNX Runtime", (), "part"),
        Box(650, 340, 140, 54, "Journal", ["every row answered"], "files"),
        Box(810, 340, 140, 54, "Metrics, probes", ["Prometheus, HTTP"], "outside"),
        Box(320, 340, 230, 70, "Callers", ["Python SDK, other gRPC clients,", "HTTP through BentoML"], "outside"),
    ]  # fmt: skip
    arrows: list[Box | Arrow] = [
        Arrow([(220, 80), (318, 110)], "publish", (268, 82)),
        Arrow([(220, 200), (318, 165)], "publish", (268, 206)),
        Arrow([(550, 130), (648, 130)], "revision", (598, 122)),
        Arrow([(460, 340), (460, 290), (700, 290), (700, 234)], "score one entity or many", (480, 282), "start"),
        Arrow([(750, 232), (750, 338)]),
        Arrow([(880, 232), (880, 338)]),
    ]
    return figure(
        960, 420, "Models are trained or published into a registry; a server adopts each revision", boxes + arrows
    )


def registry() -> str:
    """A commit: change, state, validation, files; readers beside it."""
    parts: list[Box | Arrow] = [
        Box(10, 30, 150, 84, "commands/", ["CLI, gRPC writes,", "trainers"], "outside"),
        Box(215, 30, 170, 84, "history/", ["change + newest state", "= next state"]),
        Box(440, 30, 170, 84, "routing/, versions/", ["every route that is", "touched is checked"]),
        Box(665, 30, 150, 84, "documents/", ["canonical JSON,", "named by sha256"]),
        Box(870, 30, 150, 84, "storage/", ["put_if_absent"], "files"),
        Box(440, 180, 170, 66, "history/", ["snapshot of a revision"]),
        Box(215, 180, 170, 66, "server, CLI", ["read it, never lock"], "outside"),
        Box(665, 180, 355, 66, "upkeep/, export/", ["verify and gc; Triton repositories"]),
        Arrow([(160, 72), (213, 72)]),
        Arrow([(385, 72), (438, 72)]),
        Arrow([(610, 72), (663, 72)]),
        Arrow([(815, 72), (868, 72)]),
        Arrow([(985, 114), (985, 138), (300, 138), (300, 116)], "number taken: apply again", (620, 132)),
        Arrow([(915, 114), (915, 178)]),
        Arrow([(915, 114), (915, 160), (525, 160), (525, 178)]),
        Arrow([(438, 213), (387, 213)]),
    ]
    return figure(1030, 260, "A change becomes a revision", parts)


def server() -> str:
    """The path of a Score or Decide, and what runs beside it."""
    parts: list[Box | Arrow] = [
        Box(10, 30, 150, 84, "transport/", ["completion queue,", "grpcio, HTTP (bento/)"]),
        Box(215, 30, 170, 84, "rpc/ pipeline", ["permission, admission,", "errors"]),
        Box(440, 30, 150, 84, "scoring/", ["decode rows,", "route, arm"]),
        Box(645, 30, 150, 84, "scoring/ model", ["bind columns,", "ONNX Runtime"]),
        Box(850, 30, 150, 84, "scoring/", ["encode responses"]),
        Box(695, 160, 120, 66, "decisions/", ["policy, message"]),
        Box(852, 160, 120, 66, "limit_stores/", ["caps, budgets"], "files"),
        Box(215, 270, 170, 66, "loading/", ["watch, test, swap"]),
        Box(10, 270, 150, 66, "registry", ["revisions"], "files"),
        Box(440, 270, 150, 66, "catalog", ["routes, policies,", "models"], "part"),
        Box(645, 270, 150, 66, "journal/", ["rows, decisions,", "shadows"], "files"),
        Box(850, 270, 150, 66, "metrics/", ["shared counters"]),
        Box(10, 380, 990, 50, "processes/: supervisor, workers, ops port", (), "outside"),
        Arrow([(160, 72), (213, 72)]),
        Arrow([(385, 72), (438, 72)]),
        Arrow([(590, 72), (643, 72)]),
        Arrow([(795, 72), (848, 72)]),
        Arrow([(925, 30), (925, 12), (85, 12), (85, 28)], "answer", (505, 26)),
        Arrow([(745, 114), (745, 158)]),
        Arrow([(815, 193), (850, 193)]),
        Arrow([(790, 160), (862, 116)]),
        Arrow([(160, 303), (213, 303)]),
        Arrow([(385, 303), (438, 303)]),
        Arrow([(515, 270), (515, 116)]),
        Arrow([(988, 114), (988, 268)]),
        Arrow([(672, 114), (672, 268)]),
        Arrow([(745, 226), (745, 268)]),
    ]
    return figure(1010, 440, "From a call to an answer", parts)


def client() -> str:
    """The path of a call in the SDK."""
    parts: list[Box | Arrow] = [
        Box(10, 30, 160, 84, "Client, AsyncClient", ["score, decide, what_if,", "recourse, status"]),
        Box(225, 30, 150, 84, "encoding/", ["entities and columns", "to requests"]),
        Box(430, 30, 170, 84, "calls/", ["flows: chunks, retries,", "deadlines; no IO"]),
        Box(655, 30, 150, 84, "batching/", ["concurrent callers", "share calls"]),
        Box(860, 30, 130, 84, "channel/", ["gRPC, TLS"]),
        Box(860, 170, 130, 66, "server", (), "outside"),
        Box(655, 170, 150, 66, "cli/ local", ["in this process"]),
        Box(225, 170, 150, 66, "decoding/", ["responses to results"]),
        Arrow([(170, 72), (223, 72)]),
        Arrow([(375, 72), (428, 72)]),
        Arrow([(600, 72), (653, 72)], "Send", (627, 64)),
        Arrow([(805, 72), (858, 72)]),
        Arrow([(925, 114), (925, 168)]),
        Arrow([(560, 114), (660, 168)]),
        Arrow([(430, 100), (340, 168)]),
        Arrow([(225, 203), (90, 203), (90, 116)], "result", (150, 195)),
    ]
    return figure(1000, 250, "From a call to a result", parts)


def trainers() -> str:
    """From a recipe to a version."""
    parts: list[Box | Arrow] = [
        Box(10, 30, 140, 84, "training/ recipe", ["YAML", "and a table"], "outside"),
        Box(200, 30, 140, 84, "data/", ["columns, splits,", "encoding"]),
        Box(390, 30, 170, 84, "engineering/", ["columns computed", "in the graph"]),
        Box(610, 30, 170, 84, "families/, heads/", ["fit, predict,", "to_onnx"]),
        Box(830, 30, 150, 84, "calibration/", ["isotonic, sigmoid"]),
        Box(390, 180, 170, 66, "evaluation/, reporting/", ["metrics, report, card"]),
        Box(610, 180, 170, 66, "graph/", ["one joined ONNX graph"]),
        Box(830, 180, 150, 66, "gate/", ["equals native, golden"]),
        Box(830, 300, 150, 56, "registry", ["version"], "files"),
        Box(390, 300, 390, 56, "publishing/", ["ONNX from elsewhere, in a child process"]),
        Box(10, 300, 330, 56, "adaptation/", ["a new segment for a version that serves"]),
        Arrow([(150, 72), (198, 72)]),
        Arrow([(340, 72), (388, 72)]),
        Arrow([(560, 72), (608, 72)]),
        Arrow([(780, 72), (828, 72)]),
        Arrow([(860, 114), (740, 178)]),
        Arrow([(660, 114), (520, 178)]),
        Arrow([(780, 213), (828, 213)]),
        Arrow([(905, 246), (905, 298)]),
        Arrow([(780, 328), (828, 328)]),
        Arrow([(175, 298), (175, 268), (880, 268), (880, 248)]),
    ]
    return figure(990, 370, "From a table to a version", parts)


def _python() -> str:
    return badge("python", _project()["requires-python"].removeprefix(">=") + "+")


def _license() -> str:
    return badge("license", _project()["license"])


def _project() -> dict[str, str]:
    table: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


FIGURES: Mapping[str, Callable[[], str]] = {
    "docs/figures/architecture.svg": architecture,
    "docs/figures/client.svg": client,
    "docs/figures/license.svg": _license,
    "docs/figures/python.svg": _python,
    "docs/figures/registry.svg": registry,
    "docs/figures/server.svg": server,
    "docs/figures/trainers.svg": trainers,
}


if __name__ == "__main__":
    for path, drawn in FIGURES.items():
        (ROOT / path).write_text(drawn(), encoding="utf-8")
