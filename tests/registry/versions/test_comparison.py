import io

import numpy as np
import pytest

from scoreline_registry.documents.contract import Feature, InputContract, SequenceContract
from scoreline_registry.versions.comparison import contract_differences, file_differences, metric_differences
from scoreline_registry.versions.golden_comparison import compare_golden
from tests.registry.samples import manifest

AGE = Feature(name="age")
INCOME = Feature(name="income", required=True)
NAN = float("nan")


def npz(**arrays: object) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{name: np.asarray(value) for name, value in arrays.items()})
    return buffer.getvalue()


def test_contracts_and_metrics_are_compared_fact_by_fact() -> None:
    left, right = manifest(AGE, INCOME, metrics={"auc": 0.8}), manifest(AGE, metrics={"auc": 0.8, "ks": 0.4})
    assert [(d.what, d.left, d.right) for d in contract_differences(left, right)] == [
        ("feature income", "required True", None),
        ("feature order", "age, income", "age"),
    ]
    assert [(d.what, d.left, d.right) for d in metric_differences(left, right)] == [
        ("auc", 0.8, 0.8),
        ("ks", None, 0.4),
    ]
    assert not contract_differences(left, left)
    assert [d.what for d in file_differences({"a": "1", "b": "2"}, {"a": "1", "b": "3"})] == ["b"]


def test_golden_rows_match_by_the_names_of_their_inputs_in_any_order() -> None:
    left = npz(features=[[1.0, 2.0], [3.0, NAN], [5.0, 6.0]], score=[0.1, 0.2, 0.3])
    right = npz(features=[[NAN, 3.0], [2.0, 1.0]], score=[0.25, 0.1], member_scores=[0.0, 0.0])
    found = compare_golden(
        left,
        right,
        left_inputs=InputContract(features=(AGE, INCOME)),
        right_inputs=InputContract(features=(INCOME, AGE)),
    )
    assert (found.left, found.right, found.shared) == (3, 2, 2)
    assert found.largest == pytest.approx({"score": 0.05})
    assert found.mean == pytest.approx({"score": 0.025})


def test_categories_match_by_their_text() -> None:
    def inputs(*vocabulary: str) -> InputContract:
        return InputContract(features=(Feature(name="status", kind="category", vocabulary=vocabulary),))

    left = npz(features=[[0.0], [1.0]], score=[0.5, 0.6])
    right = npz(features=[[0.0], [1.0]], score=[0.7, 0.9])
    found = compare_golden(left, right, left_inputs=inputs("a", "b"), right_inputs=inputs("b", "c"))
    assert found.shared == 1
    assert found.largest == pytest.approx({"score": 0.1})


def test_sequences_match_whatever_their_padding() -> None:
    contract = InputContract(sequence=SequenceContract(features=("spend",), max_length=9))
    left = npz(sequence=[[[1.0], [2.0], [9.0]]], lengths=[2], score=[0.5])
    right = npz(sequence=[[[1.0], [2.0]], [[1.0], [0.0]]], lengths=[2, 1], score=[NAN, 0.5])
    found = compare_golden(left, right, left_inputs=contract, right_inputs=contract)
    assert found.shared == 1
    assert np.isnan(found.largest["score"])


def test_nothing_in_common_is_no_comparison() -> None:
    contract = InputContract(features=(AGE,))
    found = compare_golden(
        npz(features=[[1.0]], score=[0.5]),
        npz(features=[[2.0]], score=[0.5]),
        left_inputs=contract,
        right_inputs=contract,
    )
    assert (found.shared, found.largest) == (0, {})
