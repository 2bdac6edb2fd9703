"""Checks that every model family must pass, for the tests of this package and of third parties' families.

Each check takes a ``FamilyCase`` and raises AssertionError where the family breaks its contract::

    @pytest.mark.parametrize("check", FAMILY_CHECKS, ids=lambda check: check.__name__)
    def test_my_family(check):
        check(FamilyCase(MyFamily(), Dataset.from_table(frame, columns), {"option": 1}))
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from scoreline_registry.documents.contract import ScoreContract
from scoreline_registry.documents.signature import SCORE
from scoreline_trainers.calibration import CALIBRATORS
from scoreline_trainers.calibration.calibrated import Calibrated
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import FitError
from scoreline_trainers.family import Family, FamilyConfig, Fitted
from scoreline_trainers.gate.checks import Proof, prove, task_tolerances
from scoreline_trainers.graph.scorer import OnnxScorer
from scoreline_trainers.progress import Silent

_ALONE = 20


@dataclass(frozen=True)
class FamilyCase:
    """A family with options and rows to train on; some hundred rows of both labels are enough.

    Attributes:
        family: what is checked.
        data: the training rows.
        config: the options as a recipe has them under ``config``.
        seed: of the training.
    """

    family: Family[Any]
    data: Dataset
    config: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    @cached_property
    def fitted(self) -> Fitted:
        """The model, trained once."""
        return self.fit()

    def fit(self) -> Fitted:
        """Trains a model."""
        options: FamilyConfig = self.family.config_type.model_validate_json(json.dumps(dict(self.config)))
        return self.family.fit(self.data, options, seed=self.seed, progress=Silent())

    def prove(self, model: bytes) -> Proof:
        """Runs the gate over a graph, as training does. Raises GateError."""
        extras = tuple(self.fitted.extras(self.data.batch))
        kind: Literal["probability", "value"] = "probability" if self.data.amount is None else "value"
        score = ScoreContract(meaning="test", kind=kind, extras=extras)
        return prove(
            model,
            subject=self.family.name,
            inputs=self.data.inputs,
            score=score,
            samples=self.data.batch,
            reference=lambda batch: {SCORE: self.fitted.predict(batch), **self.fitted.extras(batch)},
            edges=self.fitted.edges(),
            tolerances=task_tolerances(self.fitted.tolerances(), self.data.amount, score),
        )


def graph_equals_the_model(case: FamilyCase) -> None:
    """The graph passes the gate: it scores probed rows of every kind like the native model."""
    proof = case.prove(case.fitted.to_onnx().SerializeToString())
    assert proof.parity is not None
    assert proof.parity.rows >= len(case.data)


def equal_seeds_give_equal_graphs(case: FamilyCase) -> None:
    """Training again with the same arguments gives the same bytes."""
    assert case.fit().to_onnx().SerializeToString() == case.fitted.to_onnx().SerializeToString()


def one_row_scores_as_in_a_batch(case: FamilyCase) -> None:
    """A row's score does not depend on the rows that it is scored with."""
    scorer = OnnxScorer(case.fitted.to_onnx().SerializeToString())
    rows = range(min(_ALONE, len(case.data)))
    alone = [scorer.score(case.data.batch.take(slice(row, row + 1)))[0] for row in rows]
    np.testing.assert_allclose(alone, scorer.score(case.data.batch)[: len(rows)], atol=1e-6)


def scores_are_finite_and_differ(case: FamilyCase) -> None:
    """Every training row gets a number, and not all of them the same."""
    score = case.fitted.predict(case.data.batch)
    assert score.shape == (len(case.data),)
    assert np.isfinite(score).all()
    assert np.ptp(score) > 0


def graph_can_be_embedded(case: FamilyCase) -> None:
    """A calibrator behind the model becomes part of the graph, as members of ensembles do."""
    score = case.fitted.predict(case.data.batch)
    label = (score > np.median(score)).astype(np.int8)
    both = Calibrated(case.data.inputs, case.fitted, CALIBRATORS["isotonic"](label, score, None))
    found = OnnxScorer(both.to_onnx().SerializeToString()).score(case.data.batch)
    np.testing.assert_allclose(found, both.predict(case.data.batch), atol=1e-5)


def family_describes_itself(case: FamilyCase) -> None:
    """The family and its models have the facts that lists and model cards show, and no option is required twice."""
    assert case.family.name
    assert case.family.summary
    assert case.fitted.describe()
    assert issubclass(case.family.config_type, FamilyConfig)


def labels_are_needed_as_declared(case: FamilyCase) -> None:
    """A family that needs no label trains on rows without labels, or says that these options need one."""
    if case.family.needs_label:
        return
    data = case.data
    blank = Dataset(data.inputs, data.batch, np.zeros_like(data.label), data.time, data.unit, labelled=False)
    try:
        fitted = FamilyCase(case.family, blank, case.config, case.seed).fit()
    except FitError as error:
        assert "label" in str(error)
        return
    assert fitted.predict(data.batch).shape == (len(data),)


FAMILY_CHECKS: Sequence[Callable[[FamilyCase], None]] = (
    graph_equals_the_model,
    equal_seeds_give_equal_graphs,
    one_row_scores_as_in_a_batch,
    scores_are_finite_and_differ,
    graph_can_be_embedded,
    family_describes_itself,
    labels_are_needed_as_declared,
)
"""All of them."""
