"""Every family, over every kind of input, gets an explanation and reasons that the gate takes."""

import numpy as np
import pytest

from scoreline_registry.attributions.reason_file import ReasonFile
from scoreline_registry.documents.manifest import EXPLANATION_FILE, GOLDEN_FILE, MODEL_FILE, REASONS_FILE
from scoreline_trainers.explanation.document import Explanation
from scoreline_trainers.explanation.reasons import ReasonSpec, check_reasons, reasons_file
from scoreline_trainers.explanation.version_files import (
    ExplainedRows,
    ExplainSpec,
    check_explanation,
    explanation_files,
)
from scoreline_trainers.gate.golden import write_arrays
from tests.trainers.tables import CASES, dataset, fit, lacking

# The stack of the tests has no isotonic calibration.
EXACT = {"linear", "logistic", "lightgbm", "xgboost", "catboost", "random_forest", "stacking"}
QUICK = {"catboost", "isolation_forest", "gat", "lstm with features", "segmented", "stacking"}


@pytest.mark.parametrize(
    "case", [each if each in QUICK else pytest.param(each, marks=pytest.mark.acceptance) for each in CASES]
)
def test_every_family_is_explained(case: str) -> None:
    family, columns = CASES[case]
    if lacking(family):
        pytest.skip(lacking(family))
    data = dataset(columns)
    model = fit(family, data, **({"epochs": 1} if _trains_by_epochs(family) else {}))
    graph = model.to_onnx().SerializeToString()
    judged = data.batch.take(np.arange(30))
    made = explanation_files(
        graph,
        data.inputs,
        training=data.batch,
        held_out=ExplainedRows(judged, model.predict(judged), cut=0.5),
        spec=ExplainSpec(reference=20, rows=15),
        seed=0,
        native=model,
    )
    check_explanation(case, {MODEL_FILE: graph, **made})
    golden = write_arrays(dict(judged.feeds()))
    reasons = reasons_file(
        graph, data.inputs, training=data.batch, golden=golden, near=0.5, spec=ReasonSpec(rows=16), seed=0
    )
    check_reasons(case, data.inputs, {MODEL_FILE: graph, GOLDEN_FILE: golden, REASONS_FILE: reasons})
    assert bool(ReasonFile.read(reasons).terms) == (family in EXACT)
    found = Explanation.model_validate_json(made[EXPLANATION_FILE])
    assert found.exact == (family in EXACT)
    assert sum(each.importance for each in found.ranking) > 0
    for each in found.waterfalls:
        total = each.base + sum(one.contribution for one in each.contributions) + each.others
        assert total == pytest.approx(each.margin, abs=1e-6)


def _trains_by_epochs(family: str) -> bool:
    return family in {"mlp", "gan_hardened", "lstm", "cnn_lstm", "tcn", "transformer", "gat"}
