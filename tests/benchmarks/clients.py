"""What callers get: 64 of them in one Python process, ours and tritonclient's, and one that scores in bulk."""

import json
import subprocess
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort

import scoreline
from tests.benchmarks import coalescing
from tests.benchmarks.load import LoadError
from tests.benchmarks.models import ROUTE
from tests.benchmarks.pace import AGAIN, Bench, Figures, median
from tests.benchmarks.rivals import peer_python, peers
from tests.benchmarks.serving import Scoreline, StartError
from tests.benchmarks.trained import MODEL, NUMBERS, Stock

CALLERS = 64
_CHUNK = 1024


def callers(stock: Stock, bench: Bench) -> Figures:
    """Rows per second of 64 callers in one process: by our client, and by tritonclient on the peers."""
    with Scoreline(stock.trees()).running(bench.folder) as server:
        bench.say(f"{CALLERS} callers of Scoreline")
        ours = coalescing.measure(
            server.target.address, clients=["asyncio"], callers=[CALLERS], seconds=bench.pace.seconds,
            rounds=bench.pace.rounds,
        )  # fmt: skip
    rates: Figures = {f"coalescing {row.coalescing}": row.rows_per_second for row in ours}
    skipped = {}
    for name in ("KServe", "MLServer", "Triton, Python backend"):
        bench.say(f"{CALLERS} callers of {name}")
        try:
            rates[name] = _tritonclient(name, stock.model_file(), bench)
        except (StartError, LoadError) as error:
            skipped[name] = str(error)
    return {"rows_per_second": rates, "skipped": skipped}


def bulk(stock: Stock, bench: Bench) -> Figures:
    """Rows per second of ``score_many`` through a server, and of ONNX Runtime alone on blocks as large."""
    rows = np.random.default_rng(0).normal(size=(bench.pace.rows, len(NUMBERS))).astype(np.float32)
    columns = scoreline.Columns(
        features=dict(zip(NUMBERS, rows.T, strict=True)), entity_ids=[f"unit-{at}" for at in range(len(rows))]
    )
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(stock.model_file(), options, providers=["CPUExecutionProvider"])

    def through_a_server() -> None:
        with scoreline.Client(server.target.address, timeout_seconds=60) as client:
            client.score_many(ROUTE, columns)

    def alone() -> None:
        for start in range(0, len(rows), _CHUNK):
            session.run(["score"], {"features": rows[start : start + _CHUNK]})

    kinds = {"score_many": through_a_server, "session.run": alone, "score_many" + AGAIN: through_a_server}
    rates: dict[str, list[float]] = {name: [] for name in kinds}
    with Scoreline(stock.trees()).running(bench.folder) as server:
        for number in range(bench.pace.rounds):
            bench.say(f"round {number + 1} of {bench.pace.rounds}: bulk")
            for name, kind in kinds.items():
                begun = time.perf_counter()
                kind()
                rates[name].append(len(rows) / (time.perf_counter() - begun))
    return {name: median(values) for name, values in rates.items()}


def _tritonclient(name: str, model: Path, bench: Bench) -> float:
    script = Path(__file__).parent / "peers" / "triton_caller.py"
    with peers()[name].running(bench.folder, model) as server:
        command = [peer_python("triton"), script, server.target.address, MODEL, CALLERS, bench.pace.seconds]
        rates = []
        for _ in range(bench.pace.rounds):
            done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
            if done.returncode:
                raise StartError(f"tritonclient on {name}: {done.stderr[-1000:]}")
            rates.append(json.loads(done.stdout)["rows_per_second"])
    return median(rates)
