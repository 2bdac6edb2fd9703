"""What every family must do: one suite over all of them."""

from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import onnx
import pytest

from scoreline_registry.documents.contract import ScoreContract
from scoreline_registry.errors import GateError
from scoreline_trainers import families
from scoreline_trainers.data.batch import Batch
from scoreline_trainers.data.columns import Columns
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import FamilyError, FitError
from scoreline_trainers.families import FAMILIES, Families, Source
from scoreline_trainers.families.ensembles.ensemble import Ensemble, WeightedMean
from scoreline_trainers.families.ensembles.members import Member
from scoreline_trainers.family import Fitted
from scoreline_trainers.gate.checks import Proof, prove
from scoreline_trainers.graph.scorer import OnnxScorer
from tests.trainers.tables import CASES, HISTORY, PURCHASES, TABLE, dataset, fit, lacking

UNSUPERVISED = {"isolation_forest"}


@dataclass(frozen=True)
class Case:
    family: str
    columns: Columns
    data: Dataset
    fitted: Fitted


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    family, columns = CASES[request.param]
    if lacking(family):
        pytest.skip(lacking(family))
    data = dataset(columns)
    return Case(family, columns, data, fit(family, data))


def proof(case: Case, model: bytes) -> Proof:
    return prove(
        model,
        subject=case.family,
        inputs=case.data.inputs,
        score=ScoreContract(meaning="test", extras=tuple(case.fitted.extras(case.data.batch))),
        samples=case.data.batch,
        reference=lambda batch: {"score": case.fitted.predict(batch), **case.fitted.extras(batch)},
        edges=case.fitted.edges(),
    )


def test_the_graph_is_the_native_model_on_every_kind_of_row(case: Case) -> None:
    found = proof(case, case.fitted.to_onnx().SerializeToString())
    assert found.parity is not None
    assert found.parity.rows >= 2000
    assert found.parity.max_difference < 5e-6


def test_a_model_learns_something(case: Case) -> None:
    score = case.fitted.predict(case.data.batch)
    if case.family in UNSUPERVISED:
        assert score.std() > 0.01
        return
    assert score[case.data.label == 1].mean() > score[case.data.label == 0].mean() + 0.02


def test_equal_seeds_give_equal_graphs(case: Case) -> None:
    again = fit(case.family, dataset(case.columns))
    assert again.to_onnx().SerializeToString() == case.fitted.to_onnx().SerializeToString()


def test_one_row_alone_scores_as_among_others(case: Case) -> None:
    scorer = OnnxScorer(case.fitted.to_onnx().SerializeToString())
    everyone = scorer.score(case.data.batch)
    alone = [scorer.score(case.data.batch.take(slice(row, row + 1)))[0] for row in range(20)]
    np.testing.assert_allclose(alone, everyone[:20], atol=1e-6)


def test_a_family_that_lacks_its_input_says_so(case: Case) -> None:
    other = HISTORY if case.columns in (TABLE, PURCHASES) else TABLE
    with pytest.raises(FitError, match="learns from"):
        fit(case.family, dataset(other))


def test_every_family_may_be_a_member(case: Case) -> None:
    members = tuple(Member(name, frozenset(), case.fitted) for name in ("first", "second"))
    both = Ensemble(case.data.inputs, members, WeightedMean(np.array([0.75, 0.25])))
    scorer = OnnxScorer(both.to_onnx().SerializeToString())
    np.testing.assert_allclose(scorer.score(case.data.batch), case.fitted.predict(case.data.batch), atol=1e-5)


def test_facts_are_for_people(case: Case) -> None:
    assert case.fitted.describe()


def test_a_model_that_is_a_little_off_does_not_pass(case: Case) -> None:
    model = case.fitted.to_onnx()
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(0.999, np.float32), "nearly_one"))
    last = next(node for node in model.graph.node if node.output[0] == "score")
    last.op_type = "Mul"
    last.input.append("nearly_one")
    with pytest.raises(GateError, match=r"of the native model: .* rows differ by more than 1e-05; worst: row"):
        proof(case, model.SerializeToString())


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


def test_other_distributions_add_families_but_replace_none(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = [
        EntryPoint(name, "scoreline_trainers.families.logistic:Logistic", families.GROUP) for name in ("own", "lstm")
    ]
    monkeypatch.setattr(families, "entry_points", lambda group: theirs if group == families.GROUP else [])
    found = Families(families.discovered())
    assert found["own"].name == "logistic"
    assert found.sources["lstm"] is families.BUILT_IN["lstm"]


def test_a_batch_without_the_needed_part_is_a_plain_error() -> None:
    fitted = fit("logistic", dataset())
    with pytest.raises(ValueError, match="the batch has none"):
        fitted.predict(Batch(sequence=np.zeros((1, 1, 1), np.float32), lengths=np.ones(1, np.int64)))
