"""Journals for the tests of replay: a route with everything, calls that fail in part, and their journal."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.documents.contract import Band
from scoreline_registry.registry import Registry
from scoreline_server.analysis.replay.differences import Environment
from scoreline_server.journal.format.facts import FileFacts
from tests.server.journals import FACTS, catalog_of, journal_in, scored
from tests.server.routes import apply
from tests.server.toys import CITY, FEATURES, publish_linear
from tests.server.wire import entity, named

HERE = Environment.here()
THIS = replace(FACTS, onnxruntime=HERE.onnxruntime, host=HERE.host)
"""The facts of a journal that this process's build of ONNX Runtime wrote."""

SPLIT = """
route: credit
schema:
  features: {income: number, age: number, debt: number, city: category}
rules:
  - when: {channel: {eq: branch}}
    split: {other@1: 100}
  - split: {linear@champion: 50, other@1: 50}
holdout: 10
testers: {vip: other@1}
"""
BANDS = (Band(name="low", from_score=0.0), Band(name="high", from_score=0.6))


def publish_split(registry: Registry) -> None:
    """A route with a rule, a split, a holdout and a tester; champion is version 1 of linear, which has two."""
    features = (*FEATURES, CITY)
    publish_linear(registry, "linear", (1.0, 0.01, 0, 0.3), features=features, aliases=("champion",), bands=BANDS)
    publish_linear(registry, "linear", (0.5, 0.02, 0.1, 0), features=features, bands=BANDS)
    publish_linear(registry, "other", (-1.0, 0, 0.2, 0.1), features=features, bands=BANDS[:1])
    apply(registry, SPLIT)


def requests_of(count: int, *, seed: int) -> list[pb.ScoreRequest]:
    """Calls of 1 to 5 entities with missing values, unknown categories, contexts, a tester, and rows that fail."""
    random = np.random.default_rng(seed)
    calls = []
    for call in range(count):
        rows = []
        for row in range(int(random.integers(1, 6))):
            age = None if random.random() < 0.2 else float(random.integers(10, 120))
            income = None if random.random() < 0.05 else float(random.normal())
            city = [None, "oslo", "rome", "atlantis"][int(random.integers(4))]
            context = {"channel": "branch"} if random.random() < 0.3 else {}
            name = "vip" if random.random() < 0.05 else f"c{seed}-{call}-{row}"
            rows.append(entity(name, income=income, age=age, debt=float(random.normal()), city=city, context=context))
        if call % 9 == 0:
            rows.append(entity("wrong", income="a text"))
        calls.append(named(*rows))
    return calls


def journal_calls(folder: Path, registry: Registry, calls: list[pb.ScoreRequest], *, facts: FileFacts = THIS) -> None:
    """Scores calls in batches of 1 to 4 as a server of the newest revision would, and journals them."""
    journal, catalog = journal_in(folder, facts=facts), catalog_of(registry)
    at, size = 0, 1
    while at < len(calls):
        _, seen = scored(catalog, *calls[at : at + size])
        for batch in seen:
            journal(batch)
        at, size = at + size, size % 4 + 1
    journal.close()
