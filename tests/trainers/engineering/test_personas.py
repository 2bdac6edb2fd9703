import numpy as np
import pytest
from pydantic import ValidationError

from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.engineering.pipeline import FeaturePipeline
from scoreline_trainers.errors import DataError
from scoreline_trainers.graph.scaling import Scaling
from tests.trainers.engineered import entry, table

CENTRES = np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 8.0]])
ROWS = (120, 80, 60)


def three_groups() -> Dataset:
    """260 rows in three groups that lie apart, of which one has gaps."""
    draw = np.random.default_rng(0)
    values = np.concatenate([draw.normal(centre, 0.5, (rows, 2)) for centre, rows in zip(CENTRES, ROWS, strict=True)])
    values[::40, 1] = np.nan
    return table({"a": values[:, 0].tolist(), "b": values[:, 1].tolist()})


def personas(data: Dataset, **options: object) -> FeaturePipeline:
    return FeaturePipeline.fit([entry("personas", columns=["a", "b"], **options)], data)


@pytest.mark.parametrize("options", [{"count": 3}, {"by": "hdbscan", "least_rows": 20}])
def test_groups_that_lie_apart_become_personas_the_largest_first(options: dict[str, object]) -> None:
    data = three_groups()
    pipeline = personas(data, **options)
    feature = pipeline.inputs.features[2]
    assert (feature.name, feature.kind, feature.vocabulary) == ("persona", "category", ("1", "2", "3"))
    found = pipeline.apply(data.batch).table[:, 2]
    whole = ~np.isnan(data.batch.table[:, 1])
    np.testing.assert_array_equal(found[whole], np.repeat([0, 1, 2], ROWS)[whole])


def test_the_nearest_centre_is_that_of_plain_arithmetic() -> None:
    data = three_groups()
    found = personas(data, count=3, scaling="standard", distances=True).apply(data.batch).table[:, 2:]
    scaled = Scaling.fit(data.batch.table, "standard").apply(data.batch.table)
    known = np.isfinite(data.batch.table).all(axis=1)
    centres = np.stack([scaled[found[:, 0] == place].mean(axis=0) for place in range(3)])
    distances = np.linalg.norm(scaled[:, None] - centres, axis=2)
    np.testing.assert_allclose(found[known, 1:], distances[known], rtol=1e-5)
    np.testing.assert_array_equal(found[:, 0], distances.argmin(axis=1))


def test_a_row_without_any_number_has_a_persona_too() -> None:
    data = three_groups()
    blank = data.batch.take(np.array([0])).replace(features=np.full((1, 2), np.nan, np.float32))
    assert personas(data, count=3).apply(blank).table[0, 2] in (0, 1, 2)


def test_equal_rows_cannot_be_clustered() -> None:
    with pytest.raises(DataError, match="too few distinct rows for 5 personas: lower 'count'"):
        personas(table({"a": [1.0] * 30, "b": [2.0] * 30}))


def test_least_rows_belong_to_hdbscan() -> None:
    with pytest.raises(ValidationError, match="'least_rows' goes with 'by: hdbscan'"):
        entry("personas", columns=["a"], least_rows=5)
