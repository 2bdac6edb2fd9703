"""A real randomised campaign through the real doors: scored by a server, its outcomes imported, its arms compared."""

import csv
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import scoreline
from scoreline_registry.documents.contract import Feature
from scoreline_registry.registry import Registry
from scoreline_registry.routing.assignment import Assigner
from tests.server.routes import apply
from tests.server.toys import publish_linear
from tests.serving import running

ARMS = {"No E-Mail": "none@1", "Mens E-Mail": "mens@1", "Womens E-Mail": "womens@1"}
METRICS = ("visit", "conversion", "spend")
ROUTE = """
route: mail
schema: {features: {history: number}}
rules:
  - split: {none@1: 33.3334, mens@1: 33.3333, womens@1: 33.3333}
"""

pytestmark = pytest.mark.skipif(
    not os.environ.get("SCORELINE_DATA"), reason="SCORELINE_DATA does not name the folder of real data sets"
)


def customers() -> list[dict[str, str]]:
    with gzip.open(Path(os.environ["SCORELINE_DATA"]) / "hillstrom" / "hillstrom.csv.gz", "rt") as file:
        return list(csv.DictReader(file))


def ids_for(registry: Registry, arms: Sequence[str]) -> list[str]:
    """An id for each customer that the route's split gives the arm that the campaign gave them."""
    assigner = Assigner(registry.latest().routes["mail"])
    found = [""] * len(arms)
    left = list(range(len(arms)))
    attempt = 0
    while left:
        ids = [f"customer-{place}-{attempt}" for place in left]
        given = assigner.assign_many(ids)[0]
        for place, id_, arm in zip(left, ids, given, strict=True):
            if assigner.arms[arm] == arms[place]:
                found[place] = id_
        left = [place for place in left if not found[place]]
        attempt += 1
    return found


def write_labels(path: Path, prediction_ids: Sequence[str], table: Sequence[Mapping[str, str]]) -> None:
    """The outcomes of all customers as one Parquet file, as a warehouse would export it."""
    columns = {
        "prediction": pa.array(list(prediction_ids) * len(METRICS)),
        "name": pa.array([name for name in METRICS for _ in table]).dictionary_encode(),
        "value": pa.array([float(row[name]) for name in METRICS for row in table]),
    }
    pq.write_table(pa.table(columns), path)


def command(*arguments: object) -> str:
    """What ``scoreline`` prints."""
    words = [sys.executable, "-m", "scoreline", *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(600)
def test_a_campaign_has_its_published_figures(tmp_path: Path) -> None:
    table = customers()
    registry = Registry.create(tmp_path / "registry")
    for name in ("none", "mens", "womens"):
        publish_linear(registry, name, (0.001,), features=(Feature(name="history", kind="number"),))
    apply(registry, ROUTE)
    ids = ids_for(registry, [ARMS[row["segment"]] for row in table])
    with running(tmp_path / "registry", tmp_path / "log") as server:
        with scoreline.Client(server.address, timeout_seconds=60) as client:
            scores = client.score_many("mail", {"history": [float(row["history"]) for row in table]}, entity_ids=ids)
        assert not scores.errors
        write_labels(tmp_path / "labels.parquet", list(scores.prediction_id), table)
        imported = ("outcomes", "import", tmp_path / "labels.parquet", "--route", "mail", "--column",
                    "prediction_id=prediction", "--server", server.address, "--timeout", "60", "--json")  # fmt: skip
        assert json.loads(command(*imported)) == {
            "accepted": 3 * len(table), "without_value": 0, "unchecked": False, "unknown": [], "refused": [],
        }  # fmt: skip
    status = json.loads(command("outcomes", "status", "--registry", tmp_path / "registry", "--json"))
    [route] = status["routes"]
    assert (route["reported"], route["replaced"], status["faults"]) == (3 * len(table), 0, [])
    assert {one["name"]: (one["outcomes"], one["matched"]) for one in route["names"]} == dict.fromkeys(
        METRICS, (len(table), len(table))
    )
    _check(json.loads(command(
        "compare", "mail", "--registry", tmp_path / "registry", "--metric", "visit:rate", "--metric", "conversion:rate",
        "--metric", "spend:mean", "--covariate", "feature.history", "--json",
    )))  # fmt: skip


def _check(report: dict[str, Any]) -> None:
    assert [(arm["arm"], arm["exposures"]) for arm in report["arms"]] == [
        ("none@1", 21306), ("mens@1", 21307), ("womens@1", 21387),
    ]  # fmt: skip
    assert report["sample_ratio"]["fixed"]["p"] == pytest.approx(0.90369, abs=1e-4)
    effects = {(one["metric"], one["arm"]): one for one in report["effects"]}
    visit, conversion, spend = (effects[name, "mens@1"] for name in METRICS)
    assert _interval(visit["absolute"]) == pytest.approx((0.076590, 0.069953, 0.083226), abs=5e-7)
    assert _interval(visit["sequential"])[1:] == pytest.approx((0.065685, 0.087494), abs=5e-7)
    assert _interval(conversion["sequential"]) == pytest.approx((0.006805, 0.003839, 0.009771), abs=5e-7)
    assert _interval(spend["sequential"]) == pytest.approx((0.769827, 0.302066, 1.237589), abs=5e-7)
    assert spend["cuped"]["theta"] == pytest.approx(0.0012229, abs=5e-8)
    assert spend["cuped"]["variance_reduction"] == pytest.approx(0.00043, abs=5e-6)
    assert any("no gain" in note["text"] for note in report["notes"])
    assert not [note for note in report["notes"] if note["severity"] == "problem"]


def _interval(figure: dict[str, Any]) -> tuple[float, float, float]:
    return figure["value"], figure["low"], figure["high"]
