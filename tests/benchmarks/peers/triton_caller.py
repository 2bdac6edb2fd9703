"""Callers of one process that ask an OIP server by tritonclient. Arguments: address, model, callers, seconds.

Prints one JSON object: answers per second, and the microseconds that a call took.
"""

import asyncio
import json
import sys
import time

import numpy as np
from tritonclient.grpc import aio

COLUMNS = 30


async def crowd(address: str, model: str, callers: int, seconds: float) -> dict[str, float]:
    """Every caller asks for one row at a time, for so many seconds."""
    rows = np.linspace(0, 1, COLUMNS, dtype=np.float32).reshape(1, COLUMNS)
    times: list[float] = []

    async def call(client: aio.InferenceServerClient, ends: float) -> None:
        while (started := time.perf_counter()) < ends:
            tensor = aio.InferInput("features", [1, COLUMNS], "FP32")
            tensor.set_data_from_numpy(rows)
            await client.infer(model, [tensor])
            times.append(1e6 * (time.perf_counter() - started))

    async with aio.InferenceServerClient(address) as client:
        await call(client, time.perf_counter() + 0.2)
        times.clear()
        started = time.perf_counter()
        await asyncio.gather(*(call(client, started + seconds) for _ in range(callers)))
        taken = time.perf_counter() - started
    times.sort()
    return {
        "rows_per_second": len(times) / taken,
        "p50": times[len(times) // 2],
        "p99": times[int(len(times) * 0.99)],
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(crowd(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))))
