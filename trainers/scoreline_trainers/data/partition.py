"""A table's rows with their split, encoded for the models that learn from them."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from scoreline_registry.documents.contract import Feature, InputContract
from scoreline_trainers.data.batch import RowIndices
from scoreline_trainers.data.columns import Columns
from scoreline_trainers.data.dataset import (
    Dataset,
    check_learnable,
    encode_examples,
    limited,
    optional_column,
    table_examples,
)
from scoreline_trainers.data.encoding import infer_inputs
from scoreline_trainers.data.neighborhoods import neighborhoods
from scoreline_trainers.data.sequences import Examples, newest_steps
from scoreline_trainers.data.splits import Fold, SplitPlan, Validation, plan_splits


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """Rows and the plan of their use.

    Attributes:
        examples: one row per entity.
        columns: what the columns mean.
        plan: which rows learn, judge and test.
        known: the development rows of ``examples``, the only ones that a contract is inferred from.
        inputs: a contract that is given instead: that of a published version that training continues from.
    """

    examples: Examples
    columns: Columns
    plan: SplitPlan
    known: Examples
    inputs: InputContract | None = None

    def training(self) -> Dataset:
        """The rows that the published model learns from, under the contract that they give. Raises DataError."""
        rows = self.plan.training
        return self._learnable(rows, self._inputs(rows))

    def fold(self, fold: Fold) -> tuple[Dataset, Dataset]:
        """Training and validation rows of one fold, under the contract of its training rows. Raises DataError."""
        inputs = self._inputs(fold.training)
        return self._learnable(fold.training, inputs), self.encoded(fold.validation, inputs)

    def within(
        self, rows: RowIndices, validation: Validation, *, seed: int, time: pl.Series | None = None
    ) -> "Partition":
        """The given rows alone, split again; ``time`` replaces the column that says when. Raises DataError."""
        examples = self.examples.take(rows)
        plan = _plan(examples.frame, self.columns, validation, seed=seed, time=time)
        return Partition(examples, self.columns, plan, examples)

    def test(self, inputs: InputContract) -> Dataset | None:
        """The test part under ``inputs``, None without one. Rows that lack a required feature are scored without."""
        if self.plan.test is None:
            return None
        lenient = inputs.model_copy(update={"features": tuple(map(_may_lack, inputs.features))})
        return replace(self.encoded(self.plan.test, lenient), inputs=inputs)

    def encoded(self, rows: RowIndices, inputs: InputContract) -> Dataset:
        """The given rows under ``inputs``. Raises DataError."""
        return encode_examples(self.examples.take(rows), self.columns, inputs)

    def _learnable(self, rows: RowIndices, inputs: InputContract) -> Dataset:
        training = self.encoded(rows, inputs)
        check_learnable(training, self.columns)
        return training

    def _inputs(self, rows: RowIndices) -> InputContract:
        """Kinds and vocabularies of ``rows`` alone; whether a column may be missing, of all development rows."""
        if self.inputs is not None:
            return self.inputs
        return infer_inputs(self.known, self.columns, rows=np.searchsorted(self.plan.development, rows))


def partition(
    table: object, columns: Columns, *, validation: Validation, seed: int = 0, inputs: InputContract | None = None
) -> Partition:
    """Splits a table, encoded by ``inputs`` where it is given. Raises DataError where the table does not fit."""
    columns = columns if inputs is None else limited(columns, inputs)
    examples = table_examples(table, columns)
    plan = _plan(examples.frame, columns, validation, seed=seed)
    if plan.test is None:
        return Partition(examples, columns, plan, examples, inputs)
    examples = _apart(examples, columns, plan.test)
    known = examples.take(plan.development)
    if known.lengths is not None and columns.sequence is not None:
        examples = newest_steps(examples, max(int(known.lengths.max()), columns.sequence.capacity or 1))
    return Partition(examples, columns, plan, examples.take(plan.development), inputs)


def _apart(examples: Examples, columns: Columns, test: RowIndices) -> Examples:
    """The same without test rows among the neighbors of other rows."""
    if columns.neighbors is None or columns.neighbors.ids is None:
        return examples
    found = neighborhoods(examples.frame, columns.neighbors, unit=columns.subject, apart=test)
    return replace(examples, neighbors=found.neighbors, neighbor_mask=found.mask)


def _plan(
    frame: pl.DataFrame, columns: Columns, validation: Validation, *, seed: int, time: pl.Series | None = None
) -> SplitPlan:
    return plan_splits(
        validation,
        rows=len(frame),
        time=optional_column(frame, columns.time) if time is None else time,
        unit=optional_column(frame, columns.subject),
        label=optional_column(frame, columns.label),
        seed=seed,
    )


def _may_lack(feature: Feature) -> Feature:
    return feature.model_copy(update={"required": False})
