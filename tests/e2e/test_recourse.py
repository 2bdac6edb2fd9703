"""Recourse on real credit data: all that is answered is valid where it is scored again, within what may change."""

import os
from pathlib import Path

import polars as pl
import pytest

from scoreline import Client, Entity, RecourseState
from scoreline.cli.app import run
from scoreline.cli.local import LocalTransport
from scoreline_registry.registry import Registry
from scoreline_registry.routing.route_spec import RouteSpec
from tests.benchmarks.recourse import RECIPES

ROWS = 80
DOWN = {"duration_in_month", "credit_amount", "PAY_0", "PAY_2", "BILL_AMT1"}
UP = {"PAY_AMT1", "PAY_AMT2"}
EITHER = {
    "savings_account_and_bonds",
    "other_debtors_or_guarantors",
    "installment_rate_in_percentage_of_disposable_income",
}


@pytest.mark.acceptance
@pytest.mark.timeout(900)
@pytest.mark.parametrize("data", RECIPES)
def test_every_way_of_real_applicants_is_valid(data: str, tmp_path: Path) -> None:
    if not os.environ.get("SCORELINE_DATA"):
        pytest.skip("SCORELINE_DATA does not name the folder of real data sets")
    recipe, file = RECIPES[data]
    (tmp_path / "recipe.yaml").write_text(recipe)
    registry = Registry.create(str(tmp_path / "registry"))
    assert run(["train", str(tmp_path / "recipe.yaml"), "--registry", str(tmp_path / "registry")]) == 0
    (name,) = registry.latest().models
    ref = f"{name}@champion"
    spec = {"route": name, "schema": {"like": ref}, "rules": [{"split": {ref: 100}}]}
    registry.apply_route(RouteSpec.model_validate(spec), author="tester", message="all to the champion")
    table = pl.read_csv(Path(os.environ["SCORELINE_DATA"]) / file, infer_schema_length=None)
    table = table.with_columns(pl.col(name).cast(pl.String) for name in table.columns if name == "SEX")
    with Client(transport=LocalTransport(str(tmp_path / "registry")), timeout_seconds=60) as client:
        names = [feature.name for feature in client.schema(name).features]
        rows = table.select(names).to_dicts()
        high = [
            row
            for row, score in zip(
                rows, client.score_many(name, [Entity(features=row) for row in rows]).scores, strict=True
            )
            if score >= 0.5
        ]
        entities = [Entity(features=row) for row in high[:ROWS]]
        found = client.recourse_many(entities, route=name, band="low", most_changes=6)
        states = [each.state for each in found]
        ways = [(row, way) for row, each in zip(high, found, strict=False) for way in each.ways]
        after = [{**row, **{change.feature: change.after for change in way.changes}} for row, way in ways]
        changed = [Entity(features=row) for row in after]
        again = client.score_many(name, changed).scores
    assert states.count(RecourseState.FOUND) >= 0.9 * len(entities)
    assert (again < 0.5).all()
    assert all(way.score < 0.5 and way.band == "low" for _, way in ways)
    for row, way in ways:
        for change in way.changes:
            assert change.feature in DOWN | UP | EITHER
            assert change.feature not in DOWN or change.after < row[change.feature]
            assert change.feature not in UP or change.after > row[change.feature]
    proven = [each for each in found if each.exact and each.ways]
    assert len(proven) >= len(entities) / 2
    assert all(each.ways[0].cost == min(way.cost for way in each.ways) for each in found if each.ways)
