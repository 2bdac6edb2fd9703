"""Reasons of scores as callers get them: which inputs, in which order, from which version, in which words."""

import gc
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from onnx import TensorProto, helper, numpy_helper

from scoreline.v1 import scoring_pb2 as pb
from scoreline_registry.attributions.reason_file import ReasonFacts, ReasonFile, WeightsTerm
from scoreline_registry.documents.contract import Feature
from scoreline_registry.documents.manifest import EXPLANATION_FILE, REASONS_FILE, REFERENCE_FILE
from scoreline_registry.registry import Registry
from scoreline_server.errors import ErrorReason, ScoringError
from scoreline_server.loading.loader import load
from scoreline_server.loading.watcher import Watcher
from scoreline_server.scoring.compiled_route import Arm
from scoreline_server.scoring.decoding import decode_request
from scoreline_server.scoring.reasons.naming import leading
from tests.server.journals import catalog_of, scored
from tests.server.routes import ROUTE, apply
from tests.server.toys import (
    CITY,
    FEATURES,
    fragile_model,
    golden_bytes,
    linear_graph,
    publish_linear,
    publish_neighbors,
    publish_sequence,
    sigmoid,
)
from tests.server.wire import entity, named, packed

Inputs = Mapping[str, npt.NDArray[Any]]

WEIGHTS = (1.0, -0.1, 0.5)
COHORT = np.array([[0, 40, 1], [1, 30, np.nan], [2, 50, 3], [1, 40, 0]], np.float32)
MEAN = np.nan_to_num(COHORT).mean(axis=0)
BASE = float(MEAN @ np.array(WEIGHTS))

SPLIT = """
route: credit
schema:
  features: {income: number, age: number, debt: number}
rules:
  - split: {first@champion: 50, second@champion: 50}
fallback: spare@champion
"""


def clean_graph(columns: int) -> bytes:
    """Makes ``clean`` of ``features``: NaN becomes 0."""
    nodes = [
        helper.make_node("IsNaN", ["features"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "features"], ["clean"]),
    ]
    put = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", columns])
    out = helper.make_tensor_value_info("clean", TensorProto.FLOAT, ["N", columns])
    zero = numpy_helper.from_array(np.array(0, np.float32), "zero")
    graph = helper.make_graph(nodes, "clean", [put], [out], [zero])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()


def reason_file(
    weights: Sequence[float] = WEIGHTS, cohort: npt.NDArray[np.float32] = COHORT, bias: float = 0.0
) -> Mapping[str, bytes]:
    """``reasons.npz`` of a linear model, by its definition."""
    base = float(np.nan_to_num(cohort).mean(axis=0) @ np.array(weights)) + bias
    term = WeightsTerm("clean", np.array(weights, np.float64), np.arange(len(weights), dtype=np.int32))
    facts = ReasonFacts("log odds", len(weights), base, len(cohort))
    return {REASONS_FILE: ReasonFile(facts, {"features": cohort}, (term,), clean_graph(len(weights))).write()}


def reference(cohort: Inputs, link: str = "log odds") -> Mapping[str, bytes]:
    """The files of a version from before ``reasons.npz``."""
    return {REFERENCE_FILE: golden_bytes(**dict(cohort)), EXPLANATION_FILE: f'{{"link": "{link}"}}'.encode()}


def ask(registry: Registry, *entities: pb.Entity, reasons: int = 4, language: str = "") -> list[pb.EntityScore]:
    """The scores of some entities with their reasons."""
    request = named(*entities)
    request.reasons, request.language = reasons, language
    ((response,), _) = scored(catalog_of(registry), request)
    return list(response.scores)


def codes(score: pb.EntityScore) -> list[tuple[str, Any]]:
    """Input and contribution of each reason."""
    return [(each.input, pytest.approx(each.contribution, abs=1e-6)) for each in score.explanation.reasons]


@pytest.fixture
def credit(registry: Registry) -> Registry:
    """A route to a linear model that has its reasons."""
    publish_linear(registry, "linear", WEIGHTS, aliases=("champion",), more=reason_file())
    apply(registry)
    return registry


def test_the_inputs_that_moved_the_score_most_come_first_with_their_signs(credit: Registry) -> None:
    (score,) = ask(credit, entity("ann", income=3.0, age=60, debt=1.0))
    found = score.explanation
    assert codes(score) == [("income", 2.0), ("age", -2.0), ("debt", 0.0)][:2]
    assert [each.value for each in found.reasons] == ["3", "60"]
    assert found.base == pytest.approx(BASE)
    assert found.standard_error == 0
    total = found.base + found.rest + sum(each.contribution for each in found.reasons)
    assert total == pytest.approx(found.margin, abs=1e-9)
    assert sigmoid(found.margin) == pytest.approx(score.score, abs=1e-6)


def test_what_is_missing_or_replaced_is_explained_as_it_was_scored(credit: Registry) -> None:
    (score,) = ask(credit, entity("ann", income=1.0, age=20.0))
    assert codes(score) == [("age", 2.0), ("debt", -0.5)]
    assert [each.value for each in score.explanation.reasons] == ["20", ""]
    assert score.explanation.reasons[1].text == "debt (missing) lowers the score"


def test_fewer_reasons_leave_a_rest(credit: Registry) -> None:
    (score,) = ask(credit, entity("ann", income=5.0, age=60, debt=1.5), reasons=1)
    assert codes(score) == [("income", 4.0)]
    assert score.explanation.rest == pytest.approx(-2.0 + 0.25, abs=1e-6)


def test_requests_without_reasons_get_none(credit: Registry) -> None:
    plain, wanting = named(entity("a", income=3.0)), named(entity("b", income=3.0))
    wanting.reasons = 2
    (first, second), (batch,) = scored(catalog_of(credit), plain, wanting)
    assert not first.scores[0].HasField("explanation")
    assert len(second.scores[0].explanation.reasons) == 2
    assert [request.waits for request in batch.requests] == [False, True]
    _, (batch,) = scored(catalog_of(credit), plain)
    assert batch.results.explanations is None


def test_packed_requests_get_the_same_reasons(credit: Registry) -> None:
    catalog = catalog_of(credit)
    digest = catalog.route("credit").layout.digest
    rows = [[3.0, 60.0, 1.0], [float("nan"), 1.0, 1.0], [1.0, 20.0, float("nan")]]
    for part in (rows, rows[:1]):
        request = packed(digest, part)
        request.reasons = 3
        ((response,), _) = scored(catalog, request)
        by_name = ask(credit, *(entity(income=i, age=a, debt=d) for i, a, d in part if i == i))
        found = [each for each in response.packed.explanations if each.reasons]
        assert found == [score.explanation for score in by_name]
        assert len(response.packed.explanations) == len(part)


def test_inputs_that_are_sensitive_behind_the_route_are_never_named(registry: Registry) -> None:
    secret = (FEATURES[0], FEATURES[1].model_copy(update={"sensitive": True}), FEATURES[2])
    publish_linear(registry, "first", WEIGHTS, features=FEATURES, aliases=("champion",), more=reason_file())
    publish_linear(registry, "second", WEIGHTS, features=secret, aliases=("champion",), more=reason_file())
    publish_linear(registry, "spare", WEIGHTS, aliases=("champion",), more=reason_file())
    apply(registry, SPLIT)
    scores = ask(registry, *(entity(f"u{i}", income=3.0, age=99, debt=9.0) for i in range(8)), reasons=2)
    assert {score.arm for score in scores} == {"first@champion", "second@champion"}
    for score in scores:
        assert codes(score) == [("debt", 4.0), ("income", 2.0)]
        assert score.explanation.rest == pytest.approx(-5.9, abs=1e-5)


def test_reasons_are_of_the_arm_that_answered(registry: Registry) -> None:
    broken = fragile_model()
    for name, weights in (("first", (1.0, 0.0, 0.0)), ("second", (1.0, 0.0, 0.0)), ("spare", (0.0, 0.0, 2.0))):
        data = broken if name != "spare" else None
        publish_linear(registry, name, weights, aliases=("champion",), more=reason_file(weights), model_bytes=data)
    apply(registry, SPLIT)
    sound, failing = ask(registry, entity("u", income=3.0, debt=5.0), entity("v", income=12.0, debt=5.0))
    assert codes(sound) == [("income", 2.0)]
    assert (failing.arm, failing.reason) == ("spare@champion", pb.REASON_FALLBACK)
    assert codes(failing) == [("debt", 8.0)]


def test_only_the_adverse_way_is_named_where_the_contract_says_so(registry: Registry) -> None:
    publish_linear(registry, "linear", WEIGHTS, aliases=("champion",), more=reason_file(), adverse="lowers")
    apply(registry)
    (score,) = ask(registry, entity("ann", income=9.0, age=60, debt=0.0))
    assert codes(score) == [("age", -2.0), ("debt", -0.5)]


def test_ties_are_in_the_order_of_the_contract() -> None:
    everything = np.ones(5, np.bool_)
    values = np.array([0.3, -0.5, 0.5 + 1e-12, 0.0, -0.3])
    assert leading(values, 4, everything).tolist() == [1, 2, 0, 4]
    assert leading(values, 2, np.array([True, False, True, True, True])).tolist() == [2, 0]
    assert leading(np.zeros(5), 4, everything).tolist() == []
    assert leading(values, 20, everything).tolist() == [1, 2, 0, 4]


def test_texts_are_those_of_the_contract_in_the_language_of_the_caller(registry: Registry) -> None:
    texts = {
        "en": {"raises": "Income of {value} is high"},
        "de": {"raises": "{name}: {value} ist hoch", "lowers": "zu wenig"},
    }
    income = Feature.model_validate({"name": "income", "required": True, "texts": texts})
    features = (income, *FEATURES[1:])
    publish_linear(registry, "linear", WEIGHTS, features=features, aliases=("champion",), more=reason_file())
    apply(registry)

    def said(language: str, income: float, age: float | None = None) -> list[tuple[str, str]]:
        (score,) = ask(registry, entity("ann", income=income, age=age), reasons=2, language=language)
        return [(each.text, each.language) for each in score.explanation.reasons]

    assert said("", 3.5, 44)[0] == ("Income of 3.5 is high", "en")
    assert said("de-AT", 3.5, 44) == [("income: 3.5 ist hoch", "de"), ("debt (fehlt) senkt den Score", "de")]
    assert said("fr", 3.5, 44)[0] == ("Income of 3.5 is high", "en")
    assert said("fr", 0.5)[0] == ("income (0.5) lowers the score", "en")
    assert ("zu wenig", "de") in said("de", 0.5)


def test_values_are_put_into_texts_as_they_are(registry: Registry) -> None:
    brace = Feature(name="city", kind="category", vocabulary=("{name}", "{0.__class__}"))
    publish_linear(
        registry, "linear", (1.0, 3.0), features=(FEATURES[0], brace), aliases=("champion",),
        more=reason_file((1.0, 3.0), COHORT[:, :2] * 0),
    )  # fmt: skip
    apply(registry, "route: credit\nschema:\n  features: {income: number, city: category}\n"
          "rules:\n  - split: {linear@champion: 100}\n")  # fmt: skip
    cities = ("{0.__class__}", "{name}{value}")
    known, other = ask(registry, *(entity("u", income=0.0, city=city) for city in cities))
    assert known.explanation.reasons[0].text == "city ({0.__class__}) raises the score"
    assert other.explanation.reasons[0].value == "(other)"


@pytest.mark.parametrize("count", [21, -1, 2**31 - 1])
def test_numbers_of_reasons_out_of_range_are_refused(credit: Registry, count: int) -> None:
    request = named(entity("a", income=1.0))
    request.reasons = count
    with pytest.raises(ScoringError, match="from 0 to 20") as caught:
        decode_request(request, catalog_of(credit).route("credit"))
    assert caught.value.reason is ErrorReason.INVALID


def test_a_version_without_the_files_says_what_to_do(registry: Registry) -> None:
    publish_linear(registry, "linear", WEIGHTS, aliases=("champion",))
    apply(registry)
    with pytest.raises(ScoringError, match=r"linear@1 has neither .* publish the model again") as caught:
        ask(registry, entity("a", income=1.0))
    assert caught.value.reason is ErrorReason.REASONS_MISSING
    assert ask(registry, entity("a", income=1.0), reasons=0)[0].score > 0


def test_a_damaged_file_costs_reasons_but_no_scores(registry: Registry) -> None:
    publish_linear(registry, "linear", WEIGHTS, aliases=("champion",), more={REASONS_FILE: b"nonsense"})
    apply(registry)
    catalog = catalog_of(registry)
    asking, plain = named(entity("a", income=1.0)), named(entity("a", income=1.0))
    asking.reasons = 1
    for _ in range(2):
        with pytest.raises(ScoringError, match="cannot be used"):
            scored(catalog, asking)
    assert scored(catalog, plain)[0]


def test_reference_rows_that_do_not_fit_cost_reasons_but_no_scores(registry: Registry) -> None:
    narrow = reference({"features": COHORT[:, :2]})
    publish_linear(registry, "linear", WEIGHTS, aliases=("champion",), more=narrow)
    apply(registry)
    with pytest.raises(ScoringError, match=r"reference\.npz that cannot be used") as caught:
        ask(registry, entity("a", income=1.0))
    assert caught.value.reason is ErrorReason.REASONS_MISSING


def test_a_graph_that_fails_on_mixtures_costs_reasons_but_no_scores(registry: Registry) -> None:
    far = reference({"features": np.array([[12, 40, 0], [13, 40, 0]], np.float32)})
    publish_linear(registry, "linear", aliases=("champion",), more=reason_file((1.0, 0.0, 0.0)),
                   model_bytes=fragile_model())  # fmt: skip
    publish_linear(registry, "far", aliases=("champion",), more=far, model_bytes=fragile_model())
    apply(registry)
    apply(registry, ROUTE.replace("credit", "other").replace("linear@", "far@"))
    (score,) = ask(registry, entity("a", income=3.0))
    assert score.explanation.reasons[0].input == "income"
    request = named(entity("a", income=3.0), route="other")
    request.reasons = 1
    with pytest.raises(ScoringError, match="cannot be used"):
        scored(catalog_of(registry), request)


def test_new_versions_are_compiled_before_they_serve_where_reasons_are_asked_for(credit: Registry) -> None:
    watcher = Watcher(credit, poll_seconds=1)
    watcher.refresh()

    def publish() -> Arm:
        publish_linear(credit, "linear", WEIGHTS, aliases=("champion",), more=reason_file())
        watcher.refresh()
        return watcher.catalog.route("credit").arms[0]

    assert not publish().model.reasons.is_compiled
    request = named(entity("a", income=3.0))
    request.reasons = 1
    scored(watcher.catalog, request)
    new = publish()
    assert new.model.version == 3
    assert new.model.reasons.is_compiled


def test_older_versions_are_sampled_over_their_reference_rows(registry: Registry) -> None:
    publish_linear(registry, "linear", WEIGHTS, aliases=("champion",), more=reference({"features": COHORT}))
    apply(registry)
    (score,) = ask(registry, entity("ann", income=3.0, age=60, debt=1.5))
    found = score.explanation
    total = found.base + found.rest + sum(each.contribution for each in found.reasons)
    assert total == pytest.approx(found.margin, abs=1e-9)
    for code, expected in zip(found.reasons, (2.0, -2.0, -0.25 + 0.5), strict=True):
        assert abs(code.contribution - expected) <= 4 * code.standard_error + 1e-4
    assert found.standard_error == max(code.standard_error for code in found.reasons)


def test_equal_rows_get_equal_reasons_wherever_they_stand(registry: Registry) -> None:
    publish_linear(registry, "linear", WEIGHTS, aliases=("champion",), more=reference({"features": COHORT}))
    apply(registry)
    ann = entity("ann", income=3.0, age=60.0, debt=1.5)
    alone = ask(registry, ann)[0].explanation
    among = ask(registry, entity("bob", income=1.0), ann)[1].explanation
    assert [each.input for each in alone.reasons] == [each.input for each in among.reasons]
    for one, other in zip(alone.reasons, among.reasons, strict=True):
        assert one.contribution == pytest.approx(other.contribution, abs=1e-5)


def test_rows_whose_log_odds_the_graph_cuts_are_sampled(registry: Registry) -> None:
    cut = linear_graph(WEIGHTS)
    cut.graph.node[-1].input[0] = "cut"
    limits = [numpy_helper.from_array(np.array(sign * 3.0, np.float32), name) for name, sign in (("l", -1), ("h", 1))]
    cut.graph.initializer.extend(limits)
    cut.graph.node.insert(5, helper.make_node("Clip", ["logit", "l", "h"], ["cut"]))
    near = COHORT - np.array([0, 40, 0], np.float32)
    publish_linear(
        registry, "linear", WEIGHTS, aliases=("champion",), model_bytes=cut.SerializeToString(), more=reason_file(
            cohort=near
        ), features=(FEATURES[0], Feature(name="age"), FEATURES[2]),
    )  # fmt: skip
    apply(registry)
    inside, beyond = ask(
        registry, entity("a", income=1.0, age=0.0, debt=2.0), entity("b", income=50.0, age=0.0, debt=2.0)
    )
    assert inside.explanation.standard_error == 0
    assert beyond.explanation.margin == pytest.approx(3.0, abs=1e-4)
    assert beyond.explanation.reasons[0].input == "income"
    total = beyond.explanation.rest + sum(each.contribution for each in beyond.explanation.reasons)
    assert total == pytest.approx(3.0 - beyond.explanation.base, abs=1e-6)


STEPS = """
route: credit
schema:
  sequence: {features: [paid, late], max_length: 30}
rules:
  - split: {steps@champion: 100}
"""


def steps_of(rows: Sequence[Sequence[tuple[float, float]]]) -> Inputs:
    """The graph inputs of histories."""
    block = np.zeros((len(rows), max(map(len, rows)), 2), np.float32)
    for row, steps in enumerate(rows):
        block[row, : len(steps)] = steps
    return {"sequence": block, "lengths": np.array([len(steps) for steps in rows], np.int64)}


def test_histories_are_explained_by_their_step_features(registry: Registry) -> None:
    cohort = steps_of([[(0, 0)] * 3, [(0, 1), (1, 1), (0, 0)], [(1, 0), (0, 0), (1, 1)]])
    publish_sequence(registry, "steps", (1.0, 2.0), aliases=("champion",), more=reference(cohort))
    apply(registry, STEPS)
    late = [{"paid": 0.0, "late": 20.0}] * 3
    (score,) = ask(registry, entity("a", steps=late))
    found = score.explanation
    assert [(each.input, each.text) for each in found.reasons] == [
        ("late", "late raises the score"),
        ("paid", "paid lowers the score"),
    ]
    total = found.base + found.rest + sum(each.contribution for each in found.reasons)
    assert total == pytest.approx(found.margin, abs=1e-9)


def test_rows_whose_mixtures_have_no_score_have_no_reasons(registry: Registry) -> None:
    """The toy takes no missing values, which a mixture with a longer history has."""
    cohort = steps_of([[(0, 0)] * 3, [(0, 1), (1, 1), (0, 0)]])
    publish_sequence(registry, "steps", (1.0, 2.0), aliases=("champion",), more=reference(cohort))
    apply(registry, STEPS)
    short, long = ask(registry, entity("a", steps=[{"late": 1.0, "paid": 0.0}]),
                      entity("b", steps=[{"late": 1.0, "paid": 0.0}] * 3))  # fmt: skip
    assert short.score > 0
    assert not short.HasField("explanation")
    assert long.explanation.reasons


def test_all_neighbors_together_are_one_reason(registry: Registry) -> None:
    neighbors = np.zeros((3, 2, 2), np.float32)
    cohort = {"features": np.zeros((3, 1), np.float32), "neighbors": neighbors, "neighbor_mask": np.ones((3, 2), bool)}
    publish_neighbors(registry, "around", (1.0, 2.0), more=reference(cohort))
    apply(registry, "route: credit\nschema:\n  features: {income: number}\n"
          "  neighbors: {features: [late, age], max_neighbors: 8}\nrules:\n  - split: {around@champion: 100}\n"
          )  # fmt: skip
    many = [{"late": 5.0, "age": 5.0}] * 3
    (score,) = ask(registry, entity("a", income=1.0, neighbors=many))
    found: list[tuple[str, Any]] = [(each.input, each.contribution) for each in score.explanation.reasons]
    assert found == [("neighbors", pytest.approx(4.5, abs=1e-4)), ("income", pytest.approx(1.0, abs=1e-4))]
    assert score.explanation.standard_error < 1e-4


def test_categories_are_named_by_the_models_vocabulary(registry: Registry) -> None:
    publish_linear(
        registry, "linear", (1.0, 10.0), features=(FEATURES[0], CITY), aliases=("champion",),
        more=reason_file((1.0, 10.0), np.zeros((2, 2), np.float32)),
    )  # fmt: skip
    apply(registry, "route: credit\nschema:\n  features: {income: number, city: category}\n"
          "rules:\n  - split: {linear@champion: 100}\n")  # fmt: skip
    (score,) = ask(registry, entity("a", income=-9.0, city="rome"))
    assert [(each.input, each.value) for each in score.explanation.reasons] == [("city", "rome"), ("income", "-9")]


def test_rows_with_errors_have_no_reasons(credit: Registry) -> None:
    sound, wrong = ask(credit, entity("a", income=3.0), entity("b", age=30.0))
    assert sound.HasField("explanation")
    assert wrong.error.reason == "MISSING_FEATURE"
    assert not wrong.HasField("explanation")


def test_a_brute_force_over_orders_gives_the_sampled_values(registry: Registry) -> None:
    """Interactions of order three: means over all orders and reference rows are the definition."""
    cohort = COHORT - np.array([0, 40, 0], np.float32)
    publish_linear(
        registry, "linear", WEIGHTS, aliases=("champion",), more=reference({"features": cohort}, "identity"),
        features=(FEATURES[0], Feature(name="age"), FEATURES[2]),
    )  # fmt: skip
    apply(registry)
    row = np.array([2.0, 5.0, 3.0], np.float32)
    (score,) = ask(registry, entity("a", income=2.0, age=5.0, debt=3.0))

    def worth(mixture: npt.NDArray[np.float32]) -> float:
        return float(sigmoid(np.nan_to_num(mixture) @ np.array(WEIGHTS)))

    values = np.zeros(3)
    orders = list(permutations(range(3)))
    for order in orders:
        for other in cohort:
            mixture = other.copy()
            for player in order:
                before = worth(mixture)
                mixture[player] = row[player]
                values[player] += (worth(mixture) - before) / len(orders) / len(cohort)
    expected = dict(zip(("income", "age", "debt"), values.tolist(), strict=True))
    for each in score.explanation.reasons:
        assert abs(each.contribution - expected[each.input]) <= 4 * each.standard_error + 1e-4


def test_callers_that_come_together_wait_for_one_compilation(credit: Registry) -> None:
    model = catalog_of(credit).route("credit").arms[0].model
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: model.contributions(), range(32)))
    assert all(each is found[0] for each in found)
    assert model.reasons.is_compiled
    model.reasons.drop()
    assert not model.reasons.is_compiled
    row = {"features": COHORT[:1]}
    again = model.contributions().of_rows(row, model.run(row)[0])
    np.testing.assert_array_equal(again.values, found[0].of_rows(row, model.run(row)[0]).values)


def test_a_version_is_freed_with_its_tables_once_nothing_serves_it(credit: Registry) -> None:
    model = load(credit, "linear", 1)
    model.contributions()
    kept = weakref.ref(model.reasons)
    gc.disable()
    try:
        del model
        assert kept() is None
    finally:
        gc.enable()
