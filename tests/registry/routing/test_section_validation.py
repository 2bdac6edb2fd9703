"""What a route's sections ask of its rules, its schema and each other."""

from typing import Any

import pytest

from scoreline_registry.errors import RefusedError
from scoreline_registry.registry import Registry
from tests.registry.samples import apply, publish, spec

EXPERIMENT = {"primary": "sale", "metrics": {"sale": {"outcome": "sale", "kind": "rate", "direction": "increase"}}}
RAMP = {"arm": "credit@2", "steps": [5, 100], "hold": "1h"}
ALLOCATE = {"metric": "sale", "every": "1h", "floor": 5}
SPLIT = {"credit@1": 100, "credit@2": 0}


@pytest.fixture
def published(registry: Registry) -> Registry:
    """A registry with two versions of one model."""
    publish(registry, aliases=["champion"])
    publish(registry, aliases=["challenger"])
    return registry


def test_sections_that_fit_are_applied(published: Registry) -> None:
    guarded = {**RAMP, "guards": {"outcome": {"sale": 0.01}}}
    apply(published, spec(SPLIT, experiment=EXPERIMENT, ramp=guarded))
    apply(published, spec(SPLIT, experiment=EXPERIMENT, ramp=guarded, holdout=5))
    apply(published, spec({"credit@2": 0, "credit@1": 100}, ramp=RAMP))
    whole = {"maturity_days": 180, "covariate": "feature.income", "segments": ["context.channel", "feature.income"]}
    allocate = {**ALLOCATE, "floor": 50}
    apply(published, spec(SPLIT, experiment={**EXPERIMENT, **whole}, allocate=allocate, outcomes={}))
    assert published.latest().routes["credit"].outcome_days == 180


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"ramp": {**RAMP, "arm": "credit@9"}}, "ramp: no rule lists credit@9: add it to a `split` with the weight 0"),
        ({"ramp": RAMP, "split": {"credit@2": 100}}, "ramp: credit@2 cannot grow: it is the only arm of every rule"),
        ({"ramp": RAMP, "split": {"credit@1": 95, "credit@2": 5}}, "its first step, 5 %, is not above the 5 % of"),
        ({"ramp": RAMP, "allocate": ALLOCATE, "experiment": EXPERIMENT}, "both `ramp` and `allocate` would set"),
        ({"ramp": RAMP, "split": {"credit@2": 0, "credit@1": 100}, "holdout": 1}, "credit@2 is the arm of the holdout"),
        ({"ramp": {**RAMP, "guards": {"outcome": {"sale": 0}}}}, "'sale' is a metric of the section `experiment`, whi"),
        (
            {"ramp": {**RAMP, "guards": {"outcome": {"sales": 0}}}, "experiment": EXPERIMENT},
            "ramp.guards.outcome: unknown metric 'sales'; the metrics of the experiment are sale",
        ),
        (
            {"ramp": {**RAMP, "guards": {"score_shift": {"limit": 0.1, "by": "feature.incom"}}}},
            "ramp.guards: feature.incom: the route's schema has no feature 'incom'; did you mean 'income'?",
        ),
        (
            {
                "ramp": {**RAMP, "guards": {"outcome": {"sale": {"limit": 0, "against": "others"}}}},
                "experiment": EXPERIMENT,
            },
            "ramp.guards.outcome: sale compares the arms over all rows anyway: leave out `by` and `against`",
        ),
        ({"allocate": {**ALLOCATE, "metric": "sales"}, "experiment": EXPERIMENT}, "allocate.metric: unknown metric 's"),
        ({"allocate": ALLOCATE}, "allocate.metric: 'sale' is a metric of the section `experiment`, which the route"),
        ({"allocate": ALLOCATE, "experiment": EXPERIMENT, "split": {"credit@1": 100}}, "the last rule has only one"),
        (
            {"allocate": {**ALLOCATE, "floor": 50}, "experiment": EXPERIMENT, "split": {**SPLIT, "credit@champion": 0}},
            "allocate: a floor of 50 % for each of 3 arms is more than 100 %",
        ),
        (
            {"experiment": {**EXPERIMENT, "covariate": "feature.incom"}},
            "experiment: feature.incom: the route's schema has no feature 'incom'; did you mean 'income'?",
        ),
        (
            {"experiment": {**EXPERIMENT, "maturity_days": 181}},
            "experiment: maturity_days 181 is above the 180 days for which rows are kept: raise `outcomes: {keep_d",
        ),
        (
            {"experiment": {**EXPERIMENT, "segments": ["feature.city"]}},
            "experiment: feature.city: the route's schema has no feature 'city'",
        ),
        (
            {
                "experiment": {**EXPERIMENT, "covariate": "feature.city"},
                "schema": {"features": {"income": "number", "city": "category"}},
            },
            "experiment: covariate: feature.city is a category; a covariate is a number",
        ),
    ],
)
def test_sections_that_do_not_fit_are_refused(published: Registry, changes: dict[str, Any], problem: str) -> None:
    split = changes.pop("split", SPLIT)
    with pytest.raises(RefusedError) as caught:
        apply(published, spec(split, **changes))
    assert problem in str(caught.value)


def test_a_ramp_of_an_alias_and_one_without_guards_are_warned_of(published: Registry) -> None:
    split = {"credit@champion": 100, "credit@challenger": 0}
    guarded = {**RAMP, "guards": {"error_rate": 0.01}}
    plan = published.plan_route(spec(split, ramp={**guarded, "arm": "credit@challenger"}))
    alias = "ramp: credit@challenger is an alias, which may move while the ramp runs: name a version"
    assert plan.warnings == (alias,)
    assert published.plan_route(spec(SPLIT, ramp=guarded)).warnings == ()
    assert published.plan_route(spec(SPLIT, ramp=RAMP)).warnings == (
        "ramp: it has no guards, so nothing but time decides",
    )
