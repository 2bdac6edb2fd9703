"""The rows that the scores of an external model are compared with when their reasons are asked for."""

import json
from pathlib import Path

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.columns import Columns
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.data.tables import read_table
from scoreline_trainers.explanation.cohort import POPULATION_ROWS, Cohort


def reference_file(inputs: InputContract, table: Path) -> bytes:
    """``reference.npz`` of at most 100 rows of a table with a contract's features, drawn at random.

    Raises:
        DataError: the table lacks a feature, or holds what the contract refuses; histories and neighbors are not read.
    """
    features = [{"name": feature.name} for feature in inputs.features]
    columns = Columns.model_validate_json(json.dumps({"features": features}))
    rows = Dataset.from_table(read_table(table)[0], columns, inputs=inputs).batch
    return Cohort.drawn(rows, count=POPULATION_ROWS, seed=0).write()
