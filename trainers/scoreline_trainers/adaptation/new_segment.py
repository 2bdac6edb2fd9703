"""A segment to be added: its labelled rows, and its place among the others."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import ValidationError

from scoreline_registry.documents.contract import Feature, InputContract
from scoreline_trainers.data.batch import Batch, stretched
from scoreline_trainers.data.columns import Columns
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class NewSegment:
    """The labelled rows of a segment, as given.

    Attributes:
        segment: its name.
        table: with the columns that the model was trained on; the segment's own may be left out.
        data_sha256: of the file that the table was read from.
    """

    segment: str
    table: pl.DataFrame
    data_sha256: str

    def dataset(self, inputs: InputContract, *, feature: str, columns: Columns) -> Dataset:
        """The rows, encoded by the contract that knows the segment; histories are as long as it allows.

        Args:
            inputs: the contract.
            feature: whose names are the segments.
            columns: what the table's columns mean.

        Raises:
            DataError: they do not fit, are of another segment, or have one label only.
        """
        data = Dataset.from_table(self._named(feature), columns, inputs=inputs)
        if data.positives in (0, len(data)):
            rows = f"the {len(data)} rows"
            raise DataError(columns.label or "", f"has one value only in {rows}: a new segment needs rows of both")
        return replace(data, batch=stretched(data.batch, inputs))

    def _named(self, feature: str) -> pl.DataFrame:
        if feature not in self.table.columns:
            return self.table.with_columns(pl.lit(self.segment).alias(feature))
        others = self.table.filter(pl.col(feature).cast(pl.String).ne_missing(self.segment))
        if len(others):
            found = f"{len(others)} of {len(self.table)} rows are not, such as {others[feature][0]!r}"
            raise DataError(feature, f"must be {self.segment!r} in every row; {found}: leave them out, or the column")
        return self.table


@dataclass(frozen=True, slots=True)
class HeadSlot:
    """Where a segment's head goes.

    Attributes:
        column: of ``features``, where the codes of segments stand.
        code: of the segment.
        known: how many segments there were before.
    """

    column: int
    code: int
    known: int

    @classmethod
    def among(cls, inputs: InputContract, feature: str, segment: str) -> "HeadSlot":
        """The slot of a segment, behind all others if it is new."""
        column = next(index for index, each in enumerate(inputs.features) if each.name == feature)
        vocabulary = inputs.features[column].vocabulary
        code = vocabulary.index(segment) if segment in vocabulary else len(vocabulary)
        return cls(column, code, len(vocabulary))

    @property
    def is_new(self) -> bool:
        """Whether the segment is not known yet."""
        return self.code == self.known

    def owns(self, batch: Batch) -> npt.NDArray[np.bool_]:
        """bool [N]: which rows are of the segment."""
        return np.asarray(batch.table[:, self.column] == self.code)

    def as_before(self, batch: Batch) -> Batch:
        """The rows as they were encoded before the segment was known: like any other unknown one."""
        return self._with_codes(batch, np.minimum(batch.table[:, self.column], np.float32(self.known)))

    def as_unseen(self, batch: Batch) -> Batch:
        """The rows as if their segment was unknown, in the encoding from before."""
        return self._with_codes(batch, np.full(len(batch), self.known, np.float32))

    def as_now(self, batch: Batch) -> Batch:
        """Rows in the encoding from before, in that of now: an unknown segment stays one."""
        codes = batch.table[:, self.column]
        return self._with_codes(batch, np.where(codes >= self.known, codes + self.is_new, codes).astype(np.float32))

    def _with_codes(self, batch: Batch, codes: npt.NDArray[np.float32]) -> Batch:
        table = batch.table.copy()
        table[:, self.column] = codes
        return batch.replace(features=table)


def with_segment(inputs: InputContract, feature: str, segment: str) -> InputContract:
    """The contract with one more name behind the segment's vocabulary, or as it is where the name is known.

    Raises:
        DataError: it can be no name.
    """
    return inputs.model_copy(update={"features": tuple(_grown(each, feature, segment) for each in inputs.features)})


def _grown(each: Feature, feature: str, segment: str) -> Feature:
    if each.name != feature or segment in each.vocabulary:
        return each
    try:
        return Feature.model_validate({**each.model_dump(), "vocabulary": (*each.vocabulary, segment)})
    except ValidationError as error:
        raise DataError(feature, f"cannot have the name {segment!r}: {error.errors()[0]['msg']}") from error
