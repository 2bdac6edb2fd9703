"""Feast's online store, in an environment of its own: ``python feast_store.py WORK.json OUT.json``.

Pushes one row of features for each entity of ``writes``, ``call`` rows at once, then reads the entities of ``reads``
one by one.
"""

import json
import os
import sys
import time
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

os.environ["FEAST_USAGE"] = "False"
warnings.simplefilter("ignore")

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, PushSource, RepoConfig, ValueType  # noqa: E402
from feast.data_source import PushMode  # noqa: E402
from feast.types import Float64  # noqa: E402

Work: TypeAlias = dict[str, Any]
"""Where the store is, its settings, the entities to write and to read, and the names of the features."""


def main(path: str, out: str) -> None:
    work = json.loads(Path(path).read_text())
    store = opened(work)
    frames = made(work)
    clock, cpu = time.perf_counter(), time.process_time()
    for frame in frames:
        store.push("purchases", frame, to=PushMode.ONLINE)
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    rows = len(work["writes"])
    figures = {"push: rows/s": rows / clock, "push: CPU µs per row": 1e6 * cpu / rows}
    Path(out).write_text(json.dumps({**figures, **read(store, work)}))


def opened(work: Work) -> FeatureStore:
    folder = Path(work["folder"])
    features = [Field(name=name, dtype=Float64) for name in work["features"]]
    past = folder / "past.parquet"
    made({**work, "writes": work["writes"][:1]})[0].to_parquet(past)
    batch = FileSource(path=str(past), timestamp_field="event_timestamp")
    customer = Entity(name="customer", join_keys=["customer"], value_type=ValueType.STRING)
    source = PushSource(name="purchases", batch_source=batch)
    view = FeatureView(name="spending", entities=[customer], ttl=timedelta(0), schema=features, source=source)
    store = FeatureStore(
        config=RepoConfig(
            project="bench",
            provider="local",
            registry=str(folder / f"feast-{work['online_store']['type']}.db"),
            online_store=work["online_store"],
            offline_store={"type": "file"},
            entity_key_serialization_version=3,
        )
    )
    store.apply([customer, source, view])
    return store


def made(work: Work) -> list[pd.DataFrame]:
    """The rows in frames of one push each."""
    chance, now = np.random.default_rng(0), datetime.now(UTC)
    return [frame(work, work["writes"][first : first + work["call"]], chance, now)
            for first in range(0, len(work["writes"]), work["call"])]  # fmt: skip


def frame(work: Work, names: list[str], chance: np.random.Generator, now: datetime) -> pd.DataFrame:
    values = {name: chance.normal(size=len(names)) for name in work["features"]}
    return pd.DataFrame({"customer": names, "event_timestamp": now, **values})


def read(store: FeatureStore, work: Work) -> dict[str, float]:
    wanted = [f"spending:{name}" for name in work["features"]]
    taken, cpu = [], time.process_time()
    for name in work["reads"]:
        begun = time.perf_counter()
        store.get_online_features(features=wanted, entity_rows=[{"customer": name}]).to_dict()
        taken.append(time.perf_counter() - begun)
    cpu = time.process_time() - cpu
    quantiles = {f"get_online_features: p{each} µs": 1e6 * float(np.percentile(taken, each)) for each in (50, 99)}
    return {**quantiles, "get_online_features: CPU µs": 1e6 * cpu / len(taken)}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
