"""What every family must do: one suite over all of them."""

import re
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import onnx
import pytest

from scoreline_registry.errors import GateError
from scoreline_trainers import families
from scoreline_trainers.data.batch import Batch
from scoreline_trainers.errors import FamilyError, FitError
from scoreline_trainers.families import FAMILIES, Families, Source
from scoreline_trainers.families.ensembles.ensemble import Ensemble, WeightedMean
from scoreline_trainers.families.ensembles.members import Member
from scoreline_trainers.graph.scorer import OnnxScorer
from scoreline_trainers.testing import FAMILY_CHECKS, FamilyCase
from tests.trainers.tables import CASES, HISTORY, SMALL, TABLE, dataset, fit, lacking

UNSUPERVISED = {"isolation_forest"}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> FamilyCase:
    name, columns = CASES[request.param]
    if lacking(name):
        pytest.skip(lacking(name))
    return FamilyCase(FAMILIES[name], dataset(columns), SMALL[name])


@pytest.mark.parametrize("check", FAMILY_CHECKS, ids=lambda check: check.__name__)
def test_every_family_keeps_its_contract(check: Callable[[FamilyCase], None], case: FamilyCase) -> None:
    check(case)


def test_the_graph_is_the_native_model_on_every_kind_of_row(case: FamilyCase) -> None:
    found = case.prove(case.fitted.to_onnx().SerializeToString())
    assert found.parity is not None
    assert found.parity.rows >= 2000
    assert found.parity.max_difference < 5e-6


def test_a_model_learns_something(case: FamilyCase) -> None:
    score = case.fitted.predict(case.data.batch)
    if case.family.name in UNSUPERVISED:
        assert score.std() > 0.01
        return
    high = case.data.target > case.data.target.mean()
    assert score[high].mean() > score[~high].mean() + 0.02


def test_a_family_that_lacks_its_input_says_so(case: FamilyCase) -> None:
    ragged = case.data.batch.kinds and case.family.name != "profile_deviation"
    with pytest.raises(FitError, match="learns from"):
        fit(case.family.name, dataset(TABLE if ragged else HISTORY))


def test_every_family_may_be_a_member(case: FamilyCase) -> None:
    members = tuple(Member(name, frozenset(), case.fitted) for name in ("first", "second"))
    both = Ensemble(case.data.inputs, members, WeightedMean(np.array([0.75, 0.25])))
    scorer = OnnxScorer(both.to_onnx().SerializeToString())
    np.testing.assert_allclose(scorer.score(case.data.batch), case.fitted.predict(case.data.batch), atol=1e-5)


def test_a_model_that_is_a_little_off_does_not_pass(case: FamilyCase) -> None:
    model = case.fitted.to_onnx()
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(0.999, np.float32), "nearly_one"))
    last = next(node for node in model.graph.node if node.output[0] == "score")
    last.op_type = "Mul"
    last.input.append("nearly_one")
    with pytest.raises(GateError, match=r"of the native model: .* rows differ by more than \S+; worst: row"):
        case.prove(model.SerializeToString())


def test_importing_the_package_imports_no_library_of_a_family() -> None:
    assert FAMILIES.problem("logistic") == ""
    assert "lstm" in FAMILIES
    assert len(FAMILIES) == len(list(FAMILIES))


def test_a_family_whose_library_is_missing_is_disabled_with_one_plain_line() -> None:
    some = Families({"odd": Source("nowhere:Odd", "odd", needs=("no_such_library",), extra="deep")})
    with pytest.raises(FamilyError, match=r"^family 'odd' needs no_such_library: pip install 'scoreline\[deep\]'$"):
        some["odd"]


def test_every_family_stands_in_the_docs() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "families.md").read_text()
    assert [name for name in families.BUILT_IN if f"`{name}`" not in page] == []


def test_every_family_is_tested() -> None:
    assert {family for family, _ in CASES.values()} == families.BUILT_IN.keys()


def test_an_unknown_family_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        FamilyError, match=r"'xgbost' is unknown; did you mean 'xgboost'\? there are .*, logistic, .*, xgboost$"
    ):
        FAMILIES["xgbost"]


def test_a_family_of_another_distribution_may_not_take_a_built_in_name() -> None:
    theirs = EntryPoint("lstm", "scoreline_trainers.families.logistic:Logistic", families.GROUP)
    found = Families(families.BUILT_IN, {"lstm": theirs})
    assert list(found) == list(families.BUILT_IN)
    assert found.listing("lstm").summary == families.BUILT_IN["lstm"].summary


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("no_such_module:Odd", "cannot be imported from no_such_module:Odd: No module named 'no_such_module'"),
        ("scoreline_trainers.families:Odd", "cannot be imported from .*: module .* has no attribute 'Odd'"),
        ("scoreline_trainers.families.logistic:Logistic", "is called 'logistic' by its class: give the entry point"),
    ],
)
def test_a_broken_family_of_another_distribution_disables_itself_alone(target: str, problem: str) -> None:
    found = Families(families.BUILT_IN, {"odd": EntryPoint("odd", target, families.GROUP)})
    assert re.match(problem, found.problem("odd"))
    assert found.problem("logistic") == ""
    with pytest.raises(FamilyError, match=problem):
        found["odd"]


def test_a_batch_without_the_needed_part_is_a_plain_error() -> None:
    fitted = fit("logistic", dataset())
    with pytest.raises(ValueError, match="the batch has none"):
        fitted.predict(Batch(sequence=np.zeros((1, 1, 1), np.float32), lengths=np.ones(1, np.int64)))
