"""Integrated gradients of networks."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra deep")

from scoreline_trainers.data.columns import Columns
from scoreline_trainers.families.networks.network import FittedNetwork
from tests.trainers.tables import BOTH, GRAPH, HISTORY, TABLE, dataset, fit

CASES = (("mlp", TABLE), ("lstm", HISTORY), ("cnn_lstm", BOTH), ("tcn", BOTH), ("transformer", BOTH), ("gat", GRAPH))


def network(family: str, columns: Columns, **options: Any) -> FittedNetwork:
    fitted = fit(family, dataset(columns), **options)
    assert isinstance(fitted, FittedNetwork)
    return fitted


@pytest.mark.parametrize(("family", "columns"), CASES, ids=[family for family, _ in CASES])
def test_attributions_and_base_add_up_to_the_margin(family: str, columns: Columns) -> None:
    fitted, data = network(family, columns, epochs=2), dataset(columns)
    batch = data.batch.take(slice(0, 10))
    found = fitted.gradients(batch, data.batch)
    # ReLU bends the path at points that the rule cannot know.
    assert found.error.max() < 0.005 + 0.01 * np.abs(found.margin - found.base).max()
    np.testing.assert_allclose(fitted.predict(batch), 1 / (1 + np.exp(-found.margin)), atol=1e-6)
    assert found.features.shape == (10, len(data.inputs.features))


def test_more_points_make_the_error_smaller() -> None:
    fitted, data = network("mlp", TABLE, epochs=2), dataset(TABLE)
    errors = [fitted.gradients(data.batch.take(slice(0, 10)), data.batch, points=n).error.mean() for n in (4, 256)]
    assert errors[1] < errors[0] / 4


def test_steps_have_attributions_and_padding_has_none() -> None:
    fitted, data = network("transformer", BOTH, epochs=2), dataset(BOTH)
    found = fitted.gradients(data.batch.take(slice(0, 10)), data.batch)
    sequence, lengths = data.batch.take(slice(0, 10)).history
    assert found.sequence is not None
    assert found.attention is not None
    assert found.sequence.shape == sequence.shape
    padding = np.arange(sequence.shape[1]) >= lengths[:, None]
    assert (found.sequence[padding] == 0).all()
    assert np.abs(found.sequence[~padding]).max() > 1e-3
    np.testing.assert_allclose(found.attention.sum(axis=1), 1, atol=1e-5)


def test_a_row_that_is_the_reference_has_no_attributions() -> None:
    fitted, data = network("mlp", TABLE, epochs=2), dataset(TABLE)
    row = data.batch.take(slice(0, 1))
    found = fitted.gradients(row, row)
    assert np.abs(found.features).max() < 1e-6
    assert found.base[0] == pytest.approx(found.margin[0], abs=1e-5)


def test_an_embedded_category_has_one_attribution() -> None:
    data = dataset(TABLE)
    fitted = network("mlp", TABLE, embedding=3, epochs=4)
    assert fitted.feed.embedded
    found = fitted.gradients(data.batch.take(slice(0, 10)), data.batch)
    city = next(column for column in fitted.feed.embedded if data.inputs.features[column].name == "city")
    assert np.abs(found.features[:, city]).max() > 1e-4
    codes = data.batch.table[:10, city]
    other = data.batch.table[:10].copy()
    other[:, city] = np.where(codes == 1, 2, 1)
    moved = fitted.gradients(data.batch.take(slice(0, 10)).replace(features=other), data.batch)
    assert np.abs(moved.features[:, city] - found.features[:, city]).max() > 1e-4
    assert found.error.max() < 0.02
