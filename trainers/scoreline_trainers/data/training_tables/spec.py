"""The recipe's key ``data`` as a mapping: which files make the training table, and how."""

from scoreline_trainers.data.sources.files import FileSpec
from scoreline_trainers.data.sources.joins import JoinSpec
from scoreline_trainers.data.sources.times import SourceSpec, TimeSpec, Zone


class TableSpec(FileSpec, TimeSpec):
    """The file whose rows are the rows of the training table, with the column of their ``time``, if any."""

    time: str | None = None


class Sources(SourceSpec):
    """Several files that make one training table.

    Attributes:
        table: the file whose rows are trained on.
        joins: files whose columns are put beside these rows, in order: a later one may use columns of an earlier one.
        time_zone: of times without an offset, and where days and months begin.
    """

    table: TableSpec
    joins: tuple[JoinSpec, ...] = ()
    time_zone: Zone = "UTC"

    @property
    def files(self) -> tuple[str, ...]:
        """The files as the recipe names them."""
        return tuple(dict.fromkeys(spec.file for spec in (self.table, *self.joins)))
