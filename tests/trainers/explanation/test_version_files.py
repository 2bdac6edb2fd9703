"""The files that explain a version, and the gate that compares them with its graph."""

import json
from typing import Any

import numpy as np
import pytest

from scoreline_registry.documents.manifest import EXPLANATION_FILE, MODEL_FILE, REFERENCE_FILE
from scoreline_registry.errors import GateError
from scoreline_trainers.explanation.cohort import Cohort
from scoreline_trainers.explanation.document import Explanation
from scoreline_trainers.explanation.version_files import (
    ExplainedRows,
    ExplainSpec,
    check_explanation,
    explanation_files,
)
from tests.trainers.explanation.test_explainers import FEW, PEOPLE, fitted

Files = dict[str, bytes]


def files_of(family: str, config: dict[str, Any]) -> Files:
    model = fitted(family, config)
    graph = model.to_onnx().SerializeToString()
    judged = PEOPLE.batch.take(np.arange(200, 300))
    made = explanation_files(
        graph,
        PEOPLE.inputs,
        training=PEOPLE.batch.take(np.arange(200)),
        held_out=ExplainedRows(judged, model.predict(judged), cut=0.5),
        spec=ExplainSpec(reference=50),
        seed=0,
    )
    return {MODEL_FILE: graph, **made}


@pytest.fixture(scope="module")
def files() -> Files:
    return files_of("lightgbm", FEW)


def test_the_explanation_says_what_was_compared_and_how(files: Files) -> None:
    found = Explanation.model_validate_json(files[EXPLANATION_FILE])
    cohort = Cohort.read(files[REFERENCE_FILE])
    assert (found.method, found.exact, found.link, found.rows) == ("exact (trees)", True, "log odds", 100)
    assert (found.reference.population, found.reference.near_cut, found.reference.cut) == (50, 64, 0.5)
    assert len(cohort.population) == 50
    assert cohort.near_cut is not None
    assert {each.name for each in found.ranking} == {each.name for each in PEOPLE.inputs.features}
    sizes = [each.importance for each in found.ranking]
    assert sizes == sorted(sizes, reverse=True)
    assert all(each.low is not None and each.low <= each.importance for each in found.ranking)
    assert sum(each.share for each in found.ranking) == pytest.approx(1, abs=1e-4)


def test_dependence_summary_and_waterfalls_fit_together(files: Files) -> None:
    found = Explanation.model_validate_json(files[EXPLANATION_FILE])
    assert [each.title for each in found.waterfalls] == [
        "lowest score",
        "median score",
        "nearest the cut",
        "highest score",
    ]
    for each in found.waterfalls:
        total = each.base + sum(one.contribution for one in each.contributions) + each.others
        assert total == pytest.approx(each.margin, abs=1e-9)
        assert each.score == pytest.approx(1 / (1 + np.exp(-each.margin)), abs=1e-9)
    assert {len(each.contributions) for each in found.dependence} == {100}
    assert {len(each.contributions) for each in found.summary} == {100}
    assert [each.name for each in found.dependence] == [each.name for each in found.summary]
    assert found.interactions


def test_equal_models_have_equal_files(files: Files) -> None:
    assert files_of("lightgbm", FEW) == files


def test_a_sampled_explanation_states_its_error() -> None:
    found = Explanation.model_validate_json(
        files_of(
            "voting",
            {
                "members": [{"family": "lightgbm", "config": FEW}, {"family": "logistic"}],
                "measuring_fraction": 0,
            },
        )[EXPLANATION_FILE]
    )
    assert (found.exact, found.method) == (False, "sampled permutations")
    assert found.standard_error > 0
    assert all(one.error is not None for each in found.waterfalls for one in each.contributions)


def test_the_gate_takes_a_version_with_its_own_files_or_none(files: Files) -> None:
    check_explanation("credit", files)
    check_explanation("credit", {MODEL_FILE: files[MODEL_FILE]})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"base_value": 3.5}, "states the base value 3.5, the graph gives"),
        ({"near_cut_value": 3.5}, "states the value near the cut 3.5, the graph gives"),
        ({"reference": {"population": 49, "near_cut": 64}}, "states other numbers of rows"),
        ({"ranking": "all"}, "cannot be read"),
    ],
)
def test_the_gate_refuses_what_is_not_true_of_the_graph(files: Files, change: dict[str, Any], message: str) -> None:
    wrong = {**json.loads(files[EXPLANATION_FILE]), **change}
    with pytest.raises(GateError, match=message):
        check_explanation("credit", {**files, EXPLANATION_FILE: json.dumps(wrong).encode()})


def test_the_gate_refuses_a_cohort_of_another_version(files: Files) -> None:
    other = Cohort(PEOPLE.batch.take(np.arange(50)), PEOPLE.batch.take(np.arange(64))).write()
    with pytest.raises(GateError, match="the graph gives"):
        check_explanation("credit", {**files, REFERENCE_FILE: other})


@pytest.mark.parametrize("name", [EXPLANATION_FILE, REFERENCE_FILE])
def test_the_gate_refuses_one_file_without_the_other(files: Files, name: str) -> None:
    with pytest.raises(GateError, match=f"{name}.* is missing"):
        check_explanation("credit", {key: data for key, data in files.items() if key != name})


def test_the_gate_refuses_a_cohort_that_cannot_be_read(files: Files) -> None:
    with pytest.raises(GateError, match="cannot be read"):
        check_explanation("credit", {**files, REFERENCE_FILE: b"no archive"})
