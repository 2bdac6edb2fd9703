"""A table's rows with their split, encoded for the models that learn from them."""

from dataclasses import dataclass

from scoreline_registry.documents.contract import InputContract
from scoreline_trainers.data.batch import RowIndices
from scoreline_trainers.data.columns import Columns
from scoreline_trainers.data.dataset import (
    Dataset,
    check_learnable,
    encode_examples,
    optional_column,
    table_examples,
)
from scoreline_trainers.data.encoding import infer_inputs
from scoreline_trainers.data.sequences import Examples
from scoreline_trainers.data.splits import Fold, SplitPlan, Validation, plan_splits


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """Rows and the plan of their use.

    Attributes:
        examples: one row per entity.
        columns: what the columns mean.
        plan: which rows learn, judge and test.
    """

    examples: Examples
    columns: Columns
    plan: SplitPlan

    def training(self) -> Dataset:
        """The rows that the published model learns from, under the contract that they give. Raises DataError."""
        rows = self.plan.training
        return self._learnable(rows, self._inputs(rows))

    def fold(self, fold: Fold) -> tuple[Dataset, Dataset]:
        """Training and validation rows of one fold, under the contract of its training rows. Raises DataError."""
        inputs = self._inputs(fold.training)
        return self._learnable(fold.training, inputs), self.encoded(fold.validation, inputs)

    def encoded(self, rows: RowIndices, inputs: InputContract) -> Dataset:
        """The given rows under ``inputs``. Raises DataError."""
        return encode_examples(self.examples.take(rows), self.columns, inputs)

    def _learnable(self, rows: RowIndices, inputs: InputContract) -> Dataset:
        training = self.encoded(rows, inputs)
        check_learnable(training, self.columns)
        return training

    def _inputs(self, rows: RowIndices) -> InputContract:
        """Kinds and vocabularies of ``rows`` alone; whether a column may be missing, of all rows."""
        return infer_inputs(self.examples, self.columns, rows=rows)


def partition(table: object, columns: Columns, *, validation: Validation, seed: int = 0) -> Partition:
    """Splits a table. Raises DataError where the table does not fit ``columns`` or ``validation``."""
    examples = table_examples(table, columns)
    frame = examples.frame
    plan = plan_splits(
        validation,
        rows=len(frame),
        time=optional_column(frame, columns.time),
        unit=optional_column(frame, columns.subject),
        label=optional_column(frame, columns.label),
        seed=seed,
    )
    return Partition(examples, columns, plan)
