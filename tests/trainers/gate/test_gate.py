"""The gate on graphs that are wrong in one way each."""

from collections.abc import Callable, Mapping

import numpy as np
import onnx
import pytest

from scoreline_registry.documents.contract import Feature, InputContract, ScoreContract, SequenceContract
from scoreline_registry.documents.ragged import SEQUENCE
from scoreline_registry.errors import GateError
from scoreline_trainers.data.batch import Batch, Float64
from scoreline_trainers.gate.checks import BATCH_SIZES, Proof, prove
from scoreline_trainers.gate.golden import GOLDEN_ROWS, read_arrays
from scoreline_trainers.gate.probes import MINIMUM_ROWS, from_contract, make_probes, with_garbage
from scoreline_trainers.graph.builder import Extra, GraphBuilder
from scoreline_trainers.graph.scorer import OnnxScorer

TABLE = InputContract(
    features=(Feature(name="x", min=-5, max=5), Feature(name="c", kind="category", vocabulary=("a", "b")))
)
HISTORY = InputContract(sequence=SequenceContract(features=("v", "w"), max_length=6))
PROBABILITY = ScoreContract(meaning="test")

Authored = Callable[[GraphBuilder], str]


def native_table(batch: Batch) -> Mapping[str, Float64]:
    """sigmoid(x + code), with 0 for a missing x and -1 for a missing category."""
    x, code = batch.table.astype(np.float64).T
    margin = np.where(np.isnan(x), 0, x) + np.where(np.isnan(code), -1, code)
    return {"score": 1 / (1 + np.exp(-margin))}


def table_graph(g: GraphBuilder, *, missing_x: float = 0, missing_code: float = -1, other: float = 2) -> str:
    x, code = g.column("features", 0), g.column("features", 1)
    code = g.add("Where", g.add("Equal", code, g.constant(2, np.float32)), g.constant(other, np.float32), code)
    x = g.add("Where", g.add("IsNaN", x), g.constant(missing_x, np.float32), x)
    code = g.add("Where", g.add("IsNaN", code), g.constant(missing_code, np.float32), code)
    return g.add("Sigmoid", g.add("Add", x, code))


def native_history(batch: Batch) -> Mapping[str, Float64]:
    """sigmoid of the mean of v over the real steps, missing ones as 0."""
    sequence, lengths = batch.history
    real = np.arange(sequence.shape[1]) < lengths[:, None]
    total = np.where(real & ~np.isnan(sequence[:, :, 0]), sequence[:, :, 0].astype(np.float64), 0).sum(axis=1)
    return {"score": 1 / (1 + np.exp(-total / lengths))}


def history_graph(g: GraphBuilder, *, masked: bool = True) -> str:
    zero = g.constant(0, np.float32)
    value = g.add("Gather", "sequence", g.constant(0, np.int64), axis=2)
    value = g.add("Where", g.add("IsNaN", value), zero, value)
    if masked:
        steps = g.add("Shape", "sequence", start=1, end=2)
        every = g.add("Range", g.constant(0, np.int64), g.add("Squeeze", steps), g.constant(1, np.int64))
        real = g.add("Less", every, g.add("Unsqueeze", "lengths", g.constant([1], np.int64)))
        value = g.add("Where", real, value, zero)
    total = g.add("ReduceSum", value, g.constant([1], np.int64), keepdims=0)
    return g.add("Sigmoid", g.add("Div", total, g.cast("lengths", onnx.TensorProto.FLOAT)))


def check(
    author: Authored, inputs: InputContract = TABLE, *, score: ScoreContract = PROBABILITY, native: bool = True
) -> Proof:
    builder = GraphBuilder(inputs)
    model = builder.build(author(builder)).SerializeToString()
    reference = native_table if inputs is TABLE else native_history
    return prove(
        model,
        subject="version of toy",
        inputs=inputs,
        score=score,
        samples=from_contract(inputs, rows=300),
        reference=reference if native else None,
    )


def test_an_exact_graph_passes_and_its_proof_says_on_how_many_rows() -> None:
    for author, inputs in ((table_graph, TABLE), (history_graph, HISTORY)):
        proof = check(author, inputs)
        assert proof.parity is not None
        assert proof.rows == proof.parity.rows >= MINIMUM_ROWS
        assert proof.parity.max_difference == proof.differences["score"] < 1e-6


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (lambda g: table_graph(g, missing_x=0.5), "missing values"),
        (lambda g: table_graph(g, missing_code=0), "missing values"),
        (lambda g: table_graph(g, other=1.99), "unseen categories|edge of 'c'"),
    ],
)
def test_a_fault_on_rare_rows_alone_is_found_and_the_rows_are_named(fault: Authored, reason: str) -> None:
    message = rf"'score' of the graph and of the native model: \d+ of \d+ rows differ .* \(({reason})\) \S+ instead of"
    with pytest.raises(GateError, match=message) as caught:
        check(fault)
    assert caught.value.subject == "version of toy"


def test_a_history_graph_that_reads_padding_is_found() -> None:
    with pytest.raises(GateError, match="with garbage as padding of the sequence"):
        check(lambda g: history_graph(g, masked=False), HISTORY, native=False)


def test_a_score_that_depends_on_the_other_rows_of_its_batch_is_found() -> None:
    def centred(g: GraphBuilder) -> str:
        score = table_graph(g)
        mean = g.add("ReduceMean", score, keepdims=1)
        return g.add("Clip", g.add("Sub", score, mean), g.constant(0, np.float32), g.constant(1, np.float32))

    with pytest.raises(GateError, match=r"'score' in batches of 1: .* rows differ"):
        check(centred, native=False)


def test_a_graph_that_works_for_one_number_of_rows_only_is_found() -> None:
    def fixed(g: GraphBuilder) -> str:
        return g.add("Reshape", table_graph(g), g.constant([256], np.int64))

    with pytest.raises(GateError, match=r"it fails on features \[\d+, 2\]"):
        check(fixed, native=False)


def test_a_graph_that_works_for_one_number_of_steps_only_is_found() -> None:
    def fixed(g: GraphBuilder) -> str:
        same = g.add("Reshape", "sequence", g.constant([0, 6, 2], np.int64))
        value = g.add("ReduceSum", same, g.constant([1, 2], np.int64), keepdims=0)
        nothing = g.add("Mul", g.add("Sub", value, value), g.constant(0, np.float32))
        return g.add("Where", g.add("IsNaN", nothing), history_graph(g), history_graph(g))

    with pytest.raises(GateError, match=r"it fails on sequence \[\d+, 9, 2\]"):
        check(fixed, HISTORY, native=False)


def test_scores_that_are_no_probabilities_are_found() -> None:
    with pytest.raises(GateError, match="outside 0 to 1"):
        check(lambda g: g.add("Mul", table_graph(g), g.constant(3, np.float32)), native=False)
    check(
        lambda g: g.add("Mul", table_graph(g), g.constant(3, np.float32)),
        score=ScoreContract(meaning="test", kind="value"),
        native=False,
    )


def test_scores_that_are_not_finite_are_found() -> None:
    with pytest.raises(GateError, match="scores are not finite numbers"):
        check(lambda g: g.add("Log", g.add("Sub", table_graph(g), g.constant(1, np.float32))), native=False)


def test_what_is_no_model_is_refused_in_one_line() -> None:
    for data in (b"", b"not a model", b"\x00" * 100):
        with pytest.raises(GateError, match="it is not a valid ONNX model") as caught:
            prove(data, subject="x", inputs=TABLE, score=PROBABILITY, samples=from_contract(TABLE, rows=3))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("inputs", "score", "message"),
    [
        (
            InputContract(features=TABLE.features[:1]),
            PROBABILITY,
            r"input 'features' has the shape \['N', 2\], not \['N', 1\]",
        ),
        (
            HISTORY,
            PROBABILITY,
            "it lacks the input 'sequence'; it lacks the input 'lengths'; it has an input 'features'",
        ),
        (TABLE, ScoreContract(meaning="t", extras=("why",)), "its outputs are 'score', not 'score', 'why'"),
    ],
)
def test_another_signature_is_refused(inputs: InputContract, score: ScoreContract, message: str) -> None:
    builder = GraphBuilder(TABLE)
    model = builder.build(table_graph(builder)).SerializeToString()
    with pytest.raises(GateError, match=message):
        prove(model, subject="x", inputs=inputs, score=score, samples=from_contract(inputs, rows=10))


@pytest.mark.parametrize(
    ("shape", "kind", "message"),
    [
        ([5, 2], onnx.TensorProto.FLOAT, r"the shape \[5, 2\]"),
        (["N", 2], onnx.TensorProto.DOUBLE, "is DOUBLE, not FLOAT"),
    ],
)
def test_a_fixed_batch_and_another_type_are_refused(shape: list[str | int | None], kind: int, message: str) -> None:
    features = onnx.helper.make_tensor_value_info("features", kind, shape)
    score = onnx.helper.make_tensor_value_info("score", onnx.TensorProto.FLOAT, ["N"])
    nodes = [
        onnx.helper.make_node("ReduceMax", ["features", "axes"], ["wide"], keepdims=0),
        onnx.helper.make_node("Cast", ["wide"], ["score"], to=onnx.TensorProto.FLOAT),
    ]
    axes = onnx.numpy_helper.from_array(np.array([1]), "axes")
    graph = onnx.helper.make_graph(nodes, "g", [features], [score], [axes])
    opsets = [onnx.helper.make_opsetid("", 21)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    with pytest.raises(GateError, match=message):
        prove(model, subject="x", inputs=TABLE, score=PROBABILITY, samples=from_contract(TABLE, rows=10))


def test_extra_outputs_are_held_against_the_native_model_too() -> None:
    builder = GraphBuilder(TABLE)
    score = table_graph(builder)
    double = builder.add("Add", score, score)
    model = builder.build(score, extras={"double": Extra(double)}).SerializeToString()

    def compared(factor: float) -> Proof:
        return prove(
            model,
            subject="x",
            inputs=TABLE,
            score=ScoreContract(meaning="t", extras=("double",)),
            samples=from_contract(TABLE, rows=50),
            reference=lambda batch: {**native_table(batch), "double": factor * native_table(batch)["score"]},
        )

    assert compared(2).differences.keys() == {"score", "double"}
    assert read_arrays(compared(2).golden).keys() == {"features", "score", "double"}
    with pytest.raises(GateError, match="'double' of the graph and of the native model"):
        compared(2.01)


def test_an_output_may_have_a_tolerance_of_its_own_and_servers_are_told() -> None:
    builder = GraphBuilder(TABLE)
    score = table_graph(builder)
    distance = builder.add("Mul", score, builder.constant(100, np.float32))
    model = builder.build(score, extras={"distance": Extra(distance)}).SerializeToString()

    def compared(tolerances: Mapping[str, float]) -> Proof:
        return prove(
            model,
            subject="x",
            inputs=TABLE,
            score=ScoreContract(meaning="t", extras=("distance",)),
            samples=from_contract(TABLE, rows=50),
            reference=lambda batch: {**native_table(batch), "distance": 100 * native_table(batch)["score"] + 6e-5},
            tolerances=tolerances,
        )

    with pytest.raises(GateError, match=r"'distance' of the graph .* differ by more than 1e-05"):
        compared({})
    proof = compared({"distance": 1e-4})
    assert proof.tolerances == {"score": 1e-5, "distance": 1e-4}
    assert proof.golden_facts.tolerances == {"distance": 1e-4}
    with pytest.raises(GateError, match="'distance' of the graph"):
        compared({"score": 1e-4})


def test_an_output_per_step_is_held_against_itself_where_both_have_steps() -> None:
    """It must be the same for real steps; a longer T only adds columns."""

    def per_step(*, masked: bool) -> Proof:
        builder = GraphBuilder(HISTORY)
        value = builder.add("Gather", "sequence", builder.constant(0, np.int64), axis=2)
        value = builder.add("Where", builder.add("IsNaN", value), builder.constant(0, np.float32), value)
        if masked:
            value = builder.add("Mul", value, builder.constant(0, np.float32))
            value = builder.add("Where", builder.add("IsNaN", value), builder.constant(0, np.float32), value)
        model = builder.build(history_graph(builder), extras={"steps": Extra(value, ("T",))})
        return prove(
            model.SerializeToString(),
            subject="x",
            inputs=HISTORY,
            score=ScoreContract(meaning="t", extras=("steps",)),
            samples=from_contract(HISTORY, rows=50),
        )

    assert read_arrays(per_step(masked=True).golden)["steps"].shape == (GOLDEN_ROWS, 6)
    with pytest.raises(GateError, match="'steps' with garbage as padding of the sequence"):
        per_step(masked=False)


def test_golden_rows_hold_something_of_every_kind_and_are_what_the_graph_answers() -> None:
    builder = GraphBuilder(HISTORY)
    model = builder.build(history_graph(builder)).SerializeToString()
    samples = from_contract(HISTORY, rows=100)
    proof = prove(model, subject="x", inputs=HISTORY, score=PROBABILITY, samples=samples)
    golden = read_arrays(proof.golden)
    assert len(golden["score"]) == proof.golden_facts.rows == GOLDEN_ROWS
    assert {1, 6} <= set(golden["lengths"].tolist())
    assert np.isnan(golden["sequence"]).any()
    score = OnnxScorer(model).score(Batch(sequence=golden["sequence"], lengths=golden["lengths"]))
    np.testing.assert_array_equal(score, golden["score"])
    again = prove(model, subject="x", inputs=HISTORY, score=PROBABILITY, samples=samples)
    assert again.golden == proof.golden


def test_golden_rows_of_a_table_hold_missing_and_unseen_values() -> None:
    features = read_arrays(check(table_graph).golden)["features"]
    assert np.isnan(features).any()
    assert (features[:, 1] == 2).any()


def test_few_samples_still_make_enough_probes_and_every_batch_size_fits() -> None:
    probes = make_probes(from_contract(TABLE, rows=1), TABLE)
    assert len(probes) == len(probes.batch) >= MINIMUM_ROWS > max(BATCH_SIZES)


def test_garbage_stands_behind_every_history_and_never_inside() -> None:
    batch = from_contract(HISTORY, rows=50)
    dirty, lengths = with_garbage(batch, SEQUENCE, extra=2).history
    real = np.arange(8) < lengths[:, None]
    np.testing.assert_array_equal(dirty[real], batch.history[0][real[:, :6]])
    assert np.isnan(dirty[~real]).any()
    assert np.isinf(dirty[~real]).any()
