"""Changed copies of a served row, what-if and recourse over them."""

from datetime import UTC, datetime

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.decisions.amounts import Amount
from scoreline_registry.decisions.interventions import InputChange, Intervention
from scoreline_registry.documents.actionability import Actionability
from scoreline_registry.documents.contract import Feature, InputContract, ScoreContract
from scoreline_registry.documents.manifest import Manifest
from scoreline_registry.errors import NotFoundError
from scoreline_registry.recourse.derived import DerivedInput
from scoreline_registry.recourse.problem import RecourseRules
from scoreline_registry.recourse.target import Target, band_target
from scoreline_server.decisions.changed_rows import ServedRow
from scoreline_server.decisions.recourse import recourse
from scoreline_server.decisions.recourse_rules import RuleCache
from scoreline_server.decisions.what_if import Change, Wanted, what_if
from scoreline_server.errors import CallError, ErrorReason
from scoreline_server.scoring.compiled_route import Arm, CompiledRoute
from scoreline_server.scoring.layout import Layout
from scoreline_server.scoring.model import LoadedModel
from scoreline_server.scoring.row_form import read_named
from scoreline_server.scoring.rows import concatenate
from tests.server.decisions.rows import BANDS, compiled, score, served


@pytest.fixture(scope="module")
def route(tmp_path_factory: pytest.TempPathFactory) -> CompiledRoute:
    return compiled(tmp_path_factory.mktemp("changed"))


def rules(route: CompiledRoute, **overrides: Actionability) -> RecourseRules:
    return RecourseRules.of(route.arms[0].model.manifest.inputs, {}, overrides)


def intervention(by: str, feature: str, value: float | str, *, cost: float = 0.0) -> Intervention:
    change = InputChange.model_validate({"feature": feature, "by": by, "value": value})
    return Intervention(changes=(change,), cost=Amount(plus=cost))


def test_copies_are_bound_as_if_they_had_been_sent(route: CompiledRoute) -> None:
    row = served(route, income=1.0, debt=0.5, city="rome")
    features, errors = row.bound(
        [{}, {"debt": 0.1, "city": "oslo"}, {"age": 200.0}, {"city": "paris"}, {"income": None}]
    )
    assert features[:3].tolist() == [[1, 40, 0.5, 1], [1, 40, np.float32(0.1), 0], [1, 99, 0.5, 1]]
    assert {place: error.reason for place, error in errors.items()} == {
        3: ErrorReason.UNKNOWN_CATEGORY,
        4: ErrorReason.MISSING_FEATURE,
    }
    assert row.scores(features[:1])[0] == pytest.approx(score(1, 40, 0.5, 1))


def test_what_a_row_has_itself_is_known(route: CompiledRoute) -> None:
    row = served(route, income=1.0, city="rome")
    assert row.known.tolist() == [True, False, False, True]
    assert (row.value("city"), row.value("debt")) == ("rome", None)


def test_interventions_are_scored_alone_and_together(route: CompiledRoute) -> None:
    row = served(route, income=1.0, debt=2.0, city="rome")
    wanted = Wanted(
        {
            "half": intervention("multiply", "debt", 0.5, cost=5),
            "move": intervention("set", "city", "oslo", cost=30),
            "raise": intervention("add", "income", 0.5, cost=50),
        },
        scenarios=[("raise", "half")],
        budget=40,
        path=True,
    )
    found = what_if(row, wanted, {}, worth=-100)
    after = {each.valued.names: each.valued for each in found.scenarios}
    assert found.before == pytest.approx(score(1, 40, 2, 1))
    assert after["half",].score == pytest.approx(score(1, 40, 1, 1))
    assert after["half", "raise"].score == pytest.approx(score(1.5, 40, 1, 1))
    assert after["half",].net_value == pytest.approx(100 * (found.before - after["half",].score) - 5)
    assert found.best_single is not None
    assert found.best_single.valued.names == ("half",)
    assert found.best_single.changes == [Change("debt", 2.0, 1.0, derived=False)]
    assert found.best_set is not None
    assert found.best_set.valued.names == ("half",)
    assert found.is_exact
    assert found.path is not None
    assert [step.names for step in found.path.steps] == [("half",)]
    assert (found.path.confidence, found.path.judges, found.path.judge_count) == (1.0, "versions", 1)


def test_an_intervention_that_the_model_refuses_says_why(route: CompiledRoute) -> None:
    row = served(route, income=1.0, debt=2.0, city="rome")
    found = what_if(row, Wanted({"far": intervention("set", "city", "paris")}), {}, worth=-100)
    assert "does not know the category 'paris'" in found.scenarios[0].problem
    assert found.best_set is None


def test_without_a_value_of_the_score_nothing_is_best(route: CompiledRoute) -> None:
    row = served(route, income=1.0, debt=2.0, city="rome")
    found = what_if(row, Wanted({"half": intervention("multiply", "debt", 0.5)}), {}, worth=None)
    assert found.scenarios[0].valued.score < found.before
    assert found.best_single is None


def test_derived_inputs_follow_an_intervention(route: CompiledRoute) -> None:
    contract = route.arms[0].model.manifest.inputs
    rule = Actionability(product_of=("income", "debt"))
    derived = DerivedInput.of("age", "product_of", rule, contract)
    row = served(route, income=4.0, debt=10.0, age=40.0, city="rome")
    found = what_if(row, Wanted({"half": intervention("multiply", "debt", 0.5)}), {}, worth=-1, derived=[derived])
    assert found.scenarios[0].valued.score == pytest.approx(score(4, 20, 5, 1))
    assert Change("age", 40.0, 20.0, derived=True) in found.scenarios[0].changes


def test_recourse_is_proven_by_the_model_that_serves(route: CompiledRoute) -> None:
    row = served(route, income=1.0, debt=2.0, city="rome")
    target = band_target(BANDS, "medium", score(1, 40, 2, 1), is_probability=True)
    found = recourse(row, rules(route), target, most=3, most_changes=3, next_arm=route.arms[0])
    assert found.state == "found"
    for way in found.ways:
        values: dict[str, float | str] = {"income": 1.0, "age": 40.0, "debt": 2.0, "city": "rome"}
        values |= {change.feature: change.after for change in way.changes if change.after is not None}
        again = served(route, **values)
        assert float(again.scores(again.features[None])[0]) == way.score < 0.7
        assert way.holds_next
        assert values["age"] == 40
        assert isinstance(values["income"], float)
        assert values["income"] >= 1
    assert found.ways[0].cost == min(way.cost for way in found.ways)


def test_a_row_in_the_band_needs_nothing(route: CompiledRoute) -> None:
    row = served(route, income=5.0, debt=0.0, city="oslo")
    assert band_target(BANDS, "low", 0.1, is_probability=True) is None
    assert recourse(row, rules(route), None, most=1, most_changes=1).state == "reached"


def test_no_way_is_said_to_exist_only_where_it_is_proven(route: CompiledRoute) -> None:
    row = served(route, income=1.0, debt=2.0, city="rome")
    fixed = {name: Actionability(immutable=True) for name in ("income", "debt")}
    target = Target(below=0.01, is_probability=True)
    assert recourse(row, rules(route, **fixed), target, most=1, most_changes=1).state == "impossible"
    assert recourse(row, rules(route), Target(below=1e-30), most=1, most_changes=4).state == "not_found"


def test_rules_are_read_once_and_checked(route: CompiledRoute) -> None:
    read: list[str] = []

    def read_file(model: str, version: int, name: str) -> bytes:
        read.append(f"{model}@{version}/{name}")
        if name == "reasons.npz":
            raise NotFoundError("file", name)
        return b'{"numbers": {"debt": {"edges": [0, 1, 4]}}}'

    cache, model = RuleCache(read_file), route.arms[0].model
    found = cache.of(model, {"debt": Actionability(cost=2), "of another arm": Actionability()})
    assert found.facts["debt"].spread == 4
    assert found.rules[2].cost == 2
    assert cache.of(model, {}).rules[2].cost == 1
    assert read == ["linear@1/baseline.json", "linear@1/reasons.npz"]
    with pytest.raises(CallError, match="linear@1: recourse of 'city': 'min' goes with a number"):
        cache.of(model, {"city": Actionability(min=1)})


def test_a_version_without_a_baseline_counts_units(route: CompiledRoute) -> None:
    def missing(model: str, version: int, name: str) -> bytes:
        raise NotFoundError("file", f"{model}@{version}/{name}")

    for read_file in (missing, lambda *_: b"damaged"):
        found = RuleCache(read_file).of(route.arms[0].model, {}).facts["debt"]
        assert (found.spread, found.thresholds) == (1, None)


def test_members_of_an_ensemble_judge_a_path() -> None:
    """Two members that disagree about income: the mean of their scores falls, that of one of them rises."""
    weights = np.array([[-3.0, 1.0], [1.0, 1.0]], np.float32)
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["member_scores"]),
        helper.make_node("ReduceMean", ["member_scores", "one"], ["score"], keepdims=0),
    ]
    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "two",
        [helper.make_tensor_value_info("features", floats, ["N", 2])],
        [
            helper.make_tensor_value_info("score", floats, ["N"]),
            helper.make_tensor_value_info("member_scores", floats, ["N", 2]),
        ],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.array([1]), "one")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    manifest = Manifest(
        family="voting",
        inputs=InputContract(features=(Feature(name="income"), Feature(name="debt"))),
        score=ScoreContract(meaning="risk", extras=("member_scores",)),
        created_at=datetime.now(UTC),
    )
    layout = Layout({"income": "number", "debt": "number"})
    arm = Arm.of("two@1", LoadedModel("two", 1, "0" * 64, manifest, session), layout)
    entity = pb.Entity(features={"income": pb.Value(number=0), "debt": pb.Value(number=0)})
    rows = concatenate([read_named([entity], layout)], layout)
    wanted = Wanted({"raise": intervention("add", "income", 1.0), "pay": intervention("add", "debt", -1.0)}, path=True)
    found = what_if(ServedRow(arm, rows, 0, layout), wanted, {}, worth=-1)
    assert found.path is not None
    assert (found.path.judges, found.path.judge_count) == ("members", 2)
    assert [step.names for step in found.path.steps] == [("pay",), ("raise", "pay")]
    assert [each.confidence for each in found.path.agreements] == [1, 0.5]
    assert found.path.confidence == 0.5
    assert found.path.agreements[1].lowest < 0.1 < found.path.agreements[1].highest
