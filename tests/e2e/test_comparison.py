"""Comparisons through the real doors: a server scores, outcomes are reported or imported, the journal is read."""

import csv
import gzip
import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

import scoreline
from scoreline import Outcome
from scoreline_registry.registry import Registry
from scoreline_registry.routing.assignment import Assigner
from scoreline_registry.routing.route_file import read_route
from scoreline_registry.routing.route_spec import RouteSpec
from scoreline_registry.statistics.figures import Estimate
from scoreline_server.analysis.comparison.comparison import Request, compare
from scoreline_server.analysis.comparison.plans import Options, metric_of
from scoreline_server.analysis.comparison.route_history import experiment_of, moves_of
from scoreline_server.journal.reading.reader import read_records, read_shadows
from scoreline_server.outcomes.commands import outcomes
from scoreline_trainers.training.candidate import publish_candidate
from scoreline_trainers.training.recipe import find_recipe
from scoreline_trainers.training.run import train
from scoreline_trainers.training.sources import recipe_table
from tests.server.analysis.comparison.recomputing import check_arms, check_quality, check_shadow, exported
from tests.server.toys import publish_linear
from tests.serving import Serve
from tests.waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(1200)]

MAIL = """
route: mail
schema:
  features: {income: number, age: number, debt: number}
rules:
  - split: {none@1: 33.3334, mens@1: 33.3333, womens@1: 33.3333}
experiment:
  primary: visit
  covariate: feature.income
  metrics:
    visit: {outcome: visit, kind: rate, direction: increase}
    conversion: {outcome: conversion, kind: rate, direction: increase}
    spend: {outcome: spend, kind: mean, direction: increase}
"""
ARMS = {"No E-Mail": "none@1", "Mens E-Mail": "mens@1", "Womens E-Mail": "womens@1"}


@pytest.fixture
def data() -> Path:
    """The folder of real data sets."""
    if not os.environ.get("SCORELINE_DATA"):
        pytest.skip("SCORELINE_DATA does not name the folder of real data sets")
    return Path(os.environ["SCORELINE_DATA"])


def wait_for_rows(folder: Path, count: int) -> None:
    """Waits until the journal has so many rows."""
    wait_until(lambda: sum(map(len, read_records([folder]))) >= count, 120)


def test_every_figure_of_a_shadow_on_real_borrowers_is_recomputed(tmp_path: Path, data: Path, serve: Serve) -> None:
    del data
    registry = Registry.create(tmp_path / "registry")
    recipe, folder = find_recipe("uci-credit-lightgbm")
    frame, digest = recipe_table(recipe, folder=folder)
    logistic = recipe.model_copy(update={"name": "uci-credit-logistic", "family": "logistic", "config": {}})
    for each in (recipe, logistic):
        publish_candidate(train(each, frame, data_sha256=digest), each, registry, author="tester")
    primary, shadow = ("uci-credit-lightgbm@1", "uci-credit-logistic@1")
    spec = {
        "route": "credit", "schema": {"like": primary}, "rules": [{"split": {primary: 100}}],
        "shadows": [{"model": shadow, "sample": 100}],
    }  # fmt: skip
    registry.apply_route(RouteSpec.model_validate(spec), author="tester", message="shadow the logistic model")
    features = registry.manifest("uci-credit-lightgbm", 1).inputs.features
    ids = [str(unit) for unit in frame["ID"].to_list()]
    contexts = [{"sex": str(sex)} for sex in frame["SEX"].to_list()]
    journal = tmp_path / "registry-journal"
    with scoreline.Client(serve(tmp_path / "registry"), timeout_seconds=60) as client:
        rows = {each.name: [as_sent(each.kind, value) for value in frame[each.name].to_list()] for each in features}
        scores = client.score_many("credit", rows, entity_ids=ids, contexts=contexts)
        labels = dict(zip(scores.prediction_id, map(float, frame["class"].to_list()), strict=True))
        report = client.report_outcomes("credit", [Outcome("default", v, prediction_id=k) for k, v in labels.items()])
        assert (report.accepted, report.refused) == (len(frame), ())
        wait_for_rows(journal, len(frame))
        wait_until(lambda: sum(map(len, read_shadows([journal]))) >= len(frame), 300)
        document = client.get_comparison("credit", metrics=["default:rate:decrease"], segments=["context.sex"])
    assert document["shadows"][0]["pairs"] == len(frame)
    options = Options(metrics=(metric_of("default:rate:decrease"),), segments=("context.sex",))
    found = compare(Request((journal,), "credit", options=options))
    exported_rows, exported_shadows = exported(journal, tmp_path)
    check_arms(found, exported_rows, labels)
    bands = {
        ref: {band.name: band.from_score for band in registry.manifest(ref.partition("@")[0], 1).score.bands}
        for ref in (primary, shadow)
    }
    [one] = found.shadows
    check_shadow(one, exported_rows, exported_shadows, labels, bands, tuning_rows=found.plan.tuning_rows)
    assert {segment.level for segment in one.segments} == {"1", "2"}
    check_quality(found.arms[0].quality[0], np.array(list(labels.values())) > 0, exported_scores(exported_rows, labels))
    assert document["shadows"][0]["difference"]["value"] == pytest.approx(value_of(one.difference))


def exported_scores(rows: Any, labels: dict[str, float]) -> Any:
    """The scores in the order of the labels."""
    return rows.set_index("prediction_id").score.loc[list(labels)].to_numpy()


def as_sent(kind: str, value: Any) -> Any:
    """A category is text."""
    return str(value) if kind == "category" and value is not None else value


def value_of(figure: Any) -> float:
    assert isinstance(figure, Estimate)
    return figure.value


def units_for(assigner: Assigner, arms: list[str]) -> Iterator[str]:
    """One unit per customer that the route's own hash assigns to the customer's arm of the campaign."""
    for customer, arm in enumerate(arms):
        yield next(unit for attempt in count() if assigner.assign(unit := f"{customer}-{attempt}").arm == arm)


def test_a_real_campaign_scored_by_a_server_gives_the_published_figures(
    tmp_path: Path, data: Path, serve: Serve
) -> None:
    registry = Registry.create(tmp_path / "registry")
    for name in ("none", "mens", "womens"):
        publish_linear(registry, name)
    registry.apply_route(read_route(MAIL, source="test"), author="tester", message="three arms")
    with gzip.open(data / "hillstrom" / "hillstrom.csv.gz", "rt") as file:
        table = list(csv.DictReader(file))
    document = registry.latest().routes["mail"]
    units = list(units_for(Assigner(document), [ARMS[row["segment"]] for row in table]))
    history = [float(row["history"]) for row in table]
    zeros = [0.0] * len(table)
    journal = tmp_path / "registry-journal"
    with scoreline.Client(serve(tmp_path / "registry"), timeout_seconds=60) as client:
        rows = {"income": history, "age": zeros, "debt": zeros}
        scores = client.score_many("mail", rows, entity_ids=units)
        wait_for_rows(journal, len(table))
    for name in ("visit", "conversion", "spend"):
        values = [float(row[name]) for row in table]
        ids = {"prediction_id": list(scores.prediction_id), "name": [name] * len(table), "value": values}
        pl.DataFrame(ids).write_parquet(tmp_path / f"{name}.parquet")
        arguments = ["import", str(tmp_path / f"{name}.parquet"), "--route", "mail"]
        done = CliRunner().invoke(outcomes, [*arguments, "--registry", str(tmp_path / "registry")])
        assert done.exit_code == 0, done.output
    found = compare(Request((journal,), "mail"), experiment_of(registry, "mail"), moves_of(registry, "mail"))
    assert [(arm.arm, arm.exposures) for arm in found.arms] == [
        ("none@1", 21306), ("mens@1", 21307), ("womens@1", 21387),
    ]  # fmt: skip
    effects = {(effect.metric, effect.arm): effect for effect in found.effects}
    spend = effects["spend", "mens@1"]
    assert isinstance(spend.sequential, Estimate)
    assert (spend.sequential.value, spend.sequential.low, spend.sequential.high) == pytest.approx(
        (0.769827, 0.302066, 1.237589), abs=5e-7
    )
    visit = effects["visit", "mens@1"].sequential
    assert isinstance(visit, Estimate)
    assert (visit.value, visit.low, visit.high) == pytest.approx((0.076590, 0.065685, 0.087494), abs=5e-7)
    assert spend.cuped is not None
    assert spend.cuped.variance_reduction == pytest.approx(0.00043, abs=5e-6)
    assert not spend.cuped.gains
    assert found.sample_ratio is not None
    assert not found.sample_ratio.mismatch
