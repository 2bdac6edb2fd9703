"""Contributions equal those of the ``shap`` package (interventional) for trees and linear models."""

import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scoreline_trainers.data.batch import Batch
from scoreline_trainers.explanation.explainers import explainer_of
from tests.trainers.explanation.shap_package import (
    FAMILIES_COMPARED,
    FIXTURE,
    fitted,
    made_data,
    shap_values,
)

INPUTS = made_data(10).inputs


@pytest.mark.parametrize("family", FAMILIES_COMPARED)
def test_contributions_equal_those_that_shap_gave(family: str) -> None:
    stored = np.load(FIXTURE)
    explainer = explainer_of(stored[f"{family}_graph"].tobytes(), INPUTS, Batch(stored["reference"]))
    assert not explainer.sampled
    found = explainer.explain(Batch(stored["rows"]))
    np.testing.assert_allclose(found.values, stored[f"{family}_values"], rtol=0, atol=1e-5)
    assert np.abs(found.values).max() > 0.01


@pytest.mark.acceptance
@pytest.mark.timeout(1800)
def test_contributions_equal_those_of_shap_at_the_size_of_real_models(tmp_path: Path) -> None:
    environment = tmp_path / "shap"
    venv.create(environment, with_pip=True)
    python = str(environment / "bin" / "python")
    install(python, "shap==0.51.*", "lightgbm>=4.5")
    data = made_data(4000)
    table = data.batch.table
    rows, reference = table[:200], table[1000:1100]
    configs: dict[str, dict[str, Any]] = {
        "lightgbm": {"n_estimators": 100, "num_leaves": 31},
        "xgboost": {"n_estimators": 100},
        "random_forest": {"n_estimators": 20},
        "logistic": {"scaling": "standard"},
    }
    models = {family: fitted(family, data, config) for family, config in configs.items()}
    expected = shap_values(models, rows, reference, python=python)
    for family, model in models.items():
        graph = model.to_onnx().SerializeToString()
        found = explainer_of(graph, data.inputs, Batch(reference)).explain(Batch(rows))
        assert found.errors is None
        np.testing.assert_allclose(found.values, expected[family]["values"], rtol=0, atol=1e-5, err_msg=family)


def install(python: str, *packages: str) -> None:
    """Installs packages into another environment, which takes a minute or two."""
    command = [python, "-m", "pip", "install", "--quiet", *packages]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{sys.executable}: {done.stderr[-1000:]}"
