"""Searches for options: what is tried, kept, resumed and published."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import TypeAdapter

from scoreline_registry.documents.manifest import MODEL_FILE
from scoreline_trainers.data.partition import partition
from scoreline_trainers.errors import FitError, RecipeError
from scoreline_trainers.families import FAMILIES
from scoreline_trainers.families.logistic import Logistic
from scoreline_trainers.progress import Lines, Silent
from scoreline_trainers.reporting.document import SearchFacts
from scoreline_trainers.spaces import Choices, Range
from scoreline_trainers.training.recipe import Recipe
from scoreline_trainers.training.run import train
from scoreline_trainers.training.search.space import search_spaces
from scoreline_trainers.training.search.study import Outcome, Study
from scoreline_trainers.training.search.tuning import tuned
from scoreline_trainers.training.validation.inner import inner_rows
from tests.trainers.tables import people

pytest.importorskip("optuna", reason="needs the extra search")

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BASE: dict[str, Any] = {
    "name": "income",
    "data": "unused.csv",
    "label": "label",
    "features": ["income", "age", "city", "plan"],
    "family": "logistic",
}


def recipe(search: dict[str, Any], **keys: Any) -> Recipe:
    return Recipe.parse({**BASE, "search": {"trials": 6, "folds": 2, **search}, **keys})


def searched(written: Recipe, frame: pl.DataFrame | None = None, **given: Any) -> tuple[Recipe, SearchFacts]:
    table = people(240) if frame is None else frame
    rows = partition(table, written, validation=written.validation, seed=written.seed)
    best, facts = tuned(written, rows, data_sha256="d" * 64, **{"progress": Silent(), **given})
    assert facts is not None
    return best, facts


def values(facts: SearchFacts) -> list[tuple[dict[str, Any], float | None]]:
    return [(trial.config, trial.value) for trial in facts.trials]


def test_the_best_options_are_those_of_the_recipe_as_run() -> None:
    version = train(recipe({}), people(240), clock=lambda: NOW)
    assert version.manifest.training is not None
    as_run = version.manifest.training.recipe
    assert as_run is not None
    assert as_run["search"] is None
    again = train(Recipe.parse(as_run), people(240), clock=lambda: NOW)
    assert again.files[MODEL_FILE] == version.files[MODEL_FILE]


def test_equal_recipes_give_equal_models_with_all_that_chooses() -> None:
    written = recipe(
        {"families": ["logistic", "lightgbm"], "trials": 3},
        validation={"kind": "folds", "folds": 2, "test": 0.2},
        select={"folds": 2},
    )
    first, second = (train(written, people(240), clock=lambda: NOW) for _ in range(2))
    assert first.files[MODEL_FILE] == second.files[MODEL_FILE]
    assert first.manifest.metrics == second.manifest.metrics
    assert first.manifest.inputs == second.manifest.inputs


def test_own_options_are_tried_first_and_the_best_is_never_worse() -> None:
    best, facts = searched(recipe({}))
    assert facts.trials[0].config == {"family": "logistic"}
    assert len(facts.trials) == 7
    assert facts.best is not None
    found = [trial.value for trial in facts.trials if trial.value is not None]
    assert facts.trials[facts.best].value == max(found)
    assert facts.trials[facts.best].config.get("C", 1.0) == best.family_config().C
    assert facts.space == {"C": "0.001 to 100 on a log scale"}


def test_a_metric_of_errors_is_minimised() -> None:
    _, facts = searched(recipe({"metric": "brier"}))
    assert facts.best is not None
    assert facts.trials[facts.best].value == min(trial.value for trial in facts.trials if trial.value is not None)


def test_equal_seeds_and_trials_search_alike() -> None:
    assert values(searched(recipe({}))[1]) == values(searched(recipe({}))[1])
    assert values(searched(recipe({}))[1]) != values(searched(recipe({}, seed=1))[1])


def test_rows_that_judge_or_test_change_nothing_of_a_search() -> None:
    written = recipe({}, validation={"kind": "last_fraction", "fraction": 0.2, "test": {"fraction": 0.2}})
    frame = people(240)
    plan = partition(frame, written, validation=written.validation, seed=written.seed).plan
    learned = pl.Series(np.isin(np.arange(240), plan.training))
    other = frame.with_columns(pl.when(learned).then(pl.col("age")).otherwise(99.0).alias("age"))
    assert values(searched(written, frame)[1]) == values(searched(written, other)[1])


def test_a_search_that_was_stopped_goes_on_and_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    kept = tmp_path / "trials" / "income.journal"

    class Stopping(Silent):
        steps = 0

        def advance(self, note: str = "") -> None:
            self.steps += 1
            if self.steps == 4:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        searched(recipe({"resume": str(kept)}), progress=Stopping())
    fits: list[int] = []

    class Counting(Silent):
        def advance(self, note: str = "") -> None:
            fits.append(kept.stat().st_size)

    _, resumed = searched(recipe({"resume": str(kept)}), progress=Counting())
    assert values(resumed) == values(searched(recipe({}))[1])
    assert fits[0] == fits[3] < fits[4]


def test_more_trials_go_on_from_a_finished_search(tmp_path: Path) -> None:
    kept = str(tmp_path / "income.journal")
    _, first = searched(recipe({"resume": kept, "trials": 3}))
    _, more = searched(recipe({"resume": kept, "trials": 6}))
    assert values(more)[:4] == values(first)
    assert values(more) == values(searched(recipe({}))[1])


def test_a_file_of_another_search_is_refused(tmp_path: Path) -> None:
    kept = str(tmp_path / "income.journal")
    searched(recipe({"resume": kept, "trials": 1}))
    with pytest.raises(RecipeError, match=r"search\.resume: .* another recipe, table or space: name another file"):
        searched(recipe({"resume": kept, "trials": 1, "space": {"C": [1, 2]}}))


def test_a_file_that_holds_no_trials_is_refused(tmp_path: Path) -> None:
    kept = tmp_path / "income.csv"
    kept.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"search\.resume: .*income\.csv cannot be read as trials of a search"):
        searched(recipe({"resume": str(kept)}))


def test_a_trial_left_running_by_a_stopped_process_is_not_counted(tmp_path: Path) -> None:
    def interrupted(family: str, options: Any) -> Iterator[float]:
        yield 0.5
        raise KeyboardInterrupt

    def opened() -> Study:
        spaces = {"logistic": {"C": Range(low=0.1, high=1.0)}}
        path = tmp_path / "t.journal"
        return Study("n", spaces, folds=2, maximise=True, seed=3, path=path, recipe="r")

    with pytest.raises(KeyboardInterrupt):
        opened().run(interrupted, clock=lambda: 0.0)
    again = opened()
    assert again.finished() == ()
    found = again.run(lambda family, options: iter([options["C"]] * 2), clock=lambda: 0.0)
    assert found is not None
    assert opened().finished() == (found,)


def test_no_trial_begins_or_goes_on_after_the_time_is_over() -> None:
    ticks: Iterator[float] = iter(np.arange(0, 1e6, 20.0).tolist())
    _, facts = searched(recipe({"trials": 500, "minutes": 10}), clock=lambda: next(ticks))
    assert 3 < len(facts.trials) < 20
    assert {trial.state for trial in facts.trials} <= {"complete", "pruned"}


def test_a_trial_below_the_median_is_stopped_after_its_first_fold() -> None:
    study = Study(
        "n", {"logistic": {"C": Range(low=0, high=1000)}}, folds=3, maximise=True, seed=0, path=None, recipe="r"
    )

    def measure(worth: float) -> Outcome:
        found = study.run(lambda family, options: iter([worth] * 3), clock=lambda: 0.0)
        assert found is not None
        return found

    assert [measure(0.9).state for _ in range(6)] == ["complete"] * 6
    poor = measure(0.1)
    assert (poor.state, poor.folds, poor.value) == ("pruned", (0.1,), None)


def test_a_trial_that_cannot_be_fitted_has_failed_and_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = Logistic.fit

    def picky(self: Logistic, data: Any, config: Any, **given: Any) -> Any:
        if config.C < 0.5:
            raise FitError("logistic", "does not like this")
        return fit(self, data, config, **given)

    monkeypatch.setattr(Logistic, "fit", picky)
    best, facts = searched(recipe({"trials": 8}))
    states = {trial.state for trial in facts.trials}
    assert {"complete", "failed"} <= states
    assert best.family_config().C >= 0.5


def test_the_family_may_be_searched_for_too() -> None:
    search = {
        "families": ["logistic", "random_forest"],
        "space": {"random_forest.n_estimators": {"low": 3, "high": 6}, "max_leaf_nodes": None, "C": [0.1, 1.0]},
        "trials": 8,
    }
    best, facts = searched(recipe(search))
    assert [trial.config["family"] for trial in facts.trials[:2]] == ["logistic", "random_forest"]
    assert {trial.config["family"] for trial in facts.trials[2:]} == {"logistic", "random_forest"}
    assert facts.space["random_forest.n_estimators"] == "3 to 6"
    assert facts.space["logistic.C"] == "0.1, 1.0"
    assert "random_forest.max_leaf_nodes" not in facts.space
    assert facts.best is not None
    assert best.family == facts.trials[facts.best].config["family"]


def test_options_of_members_are_searched_by_their_path() -> None:
    members = [{"family": "logistic"}, {"family": "random_forest", "config": {"n_estimators": 3}}]
    written = recipe({"trials": 2}, family="voting", config={"members": members})
    best, facts = searched(written)
    assert "members.0.config.C" in facts.space
    assert "members.1.config.min_samples_leaf" in facts.space
    spaces = search_spaces(written, written.search or pytest.fail("a search"))
    made = spaces["voting"].with_options({"members.0.config.C": 0.25, "members.1.config.min_samples_leaf": 7})
    logistic, forest = made.family_config().members
    assert (logistic.options().C, forest.options().min_samples_leaf, forest.options().n_estimators) == (0.25, 7, 3)
    assert best.search is None


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"families": ["logistik"]}, r"search\.families: 'logistik' is unknown; .*'logistic'"),
        ({"space": {"c": [1]}}, r"search\.space: 'c' is no option"),
        ({"metric": "accuracy"}, r"search\.metric: 'accuracy' is no metric"),
        ({"space": {"C": None}}, r"declares no space: give `search\.space` its options"),
    ],
)
def test_a_search_that_cannot_be_run_is_one_error(search: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        searched(recipe(search))


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"space": {"C": {"low": 2, "high": 1}}}, "'low' is below 'high'"),
        ({"space": {"C": {"low": 0, "high": 1, "log": True}}}, "above 0"),
        ({"trials": 0}, "greater than or equal to 1"),
        ({"families": ["mlp", "mlp"]}, "duplicate family"),
        ({"budget": 3}, "unknown key"),
    ],
)
def test_a_search_that_is_no_search_is_refused_with_the_recipe(search: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        recipe(search)


def test_without_optuna_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(RecipeError, match=r"search: needs optuna: pip install 'scoreline\[search\]'"):
        searched(recipe({}))


def test_nothing_of_optuna_is_printed_and_trials_are_notes(capfd: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    ticks: Iterator[float] = iter(np.arange(0.0, 1e4, 2.0).tolist())
    searched(recipe({"trials": 2}), progress=Lines(lines.append, clock=lambda: next(ticks)))
    assert capfd.readouterr() == ("", "")
    assert lines[0] == "search options"
    assert len(lines) == 4
    assert lines[1].endswith(", 1 of 3, 4 s left")
    assert lines[1].strip().startswith("auc 0.")
    assert "best 0." in lines[3]


def test_folds_of_a_search_follow_the_validation() -> None:
    frame = people(240).with_columns(pl.Series("day", np.arange(240)))
    for validation, ordered in (
        ({"kind": "time"}, True),
        ({"kind": "last_fraction"}, True),
        ({"kind": "folds"}, False),
    ):
        written = recipe({}, time="day", validation=validation)
        rows = partition(frame, written, validation=written.validation)
        inner = inner_rows(rows, written.validation, folds=3, seed=0)
        held = [(fold.training.max(), fold.validation.min()) for fold in inner.plan.folds]
        assert len(held) == 3
        assert all(last < first for last, first in held) is ordered


@pytest.mark.parametrize("family", [name for name in FAMILIES if not FAMILIES.problem(name)])
def test_each_space_is_of_options_that_the_family_has(family: str) -> None:
    config_type = FAMILIES[family].config_type
    for option, dimension in config_type.space.items():
        assert option in config_type.model_fields
        ends = (dimension.low, dimension.high) if isinstance(dimension, Range) else dimension.choices
        assert isinstance(dimension, Range | Choices)
        for end in ends:
            TypeAdapter(config_type.model_fields[option].rebuild_annotation()).validate_python(end)
