"""Edges of a graph between rows of a table, as a list of neighbors in each row."""

from typing import Self

import polars as pl
from pydantic import model_validator

from scoreline_trainers.data.names import whole_texts
from scoreline_trainers.data.sources.files import Files, FileSpec
from scoreline_trainers.data.tables import require
from scoreline_trainers.errors import DataError

_ROW, _OTHER, _EDGE, _KNOWN = "__row", "__other", "__edge", "__known"


class EdgeSpec(FileSpec):
    """A file with an edge between two rows of the table in each line.

    Attributes:
        ends: the two columns of the file that name the rows of an edge.
        by: the column of the table by which rows are named, the recipe's ``unit``.
        directed: whether the second end is a neighbor of the first alone; otherwise each is a neighbor of the other.
        name: of the column of lists to make.
    """

    ends: tuple[str, str]
    by: str
    directed: bool = False
    name: str = "neighbors"

    @model_validator(mode="after")
    def _two_ends(self) -> Self:
        if self.ends[0] == self.ends[1]:
            raise ValueError(f"'ends' are two columns, not {self.ends[0]!r} twice")
        return self


def with_neighbors(table: pl.DataFrame, spec: EdgeSpec, files: Files) -> pl.DataFrame:
    """``table`` with the names of each row's neighbors, in the order of the file, each once and none of the row itself.

    Edges to rows that the table lacks are left out and counted in the notes of ``files``.

    Raises:
        DataError: a column is missing, or there already.
    """
    require(table, spec.by)
    if spec.name in table.columns:
        raise DataError(spec.name, "is in the table already: give the edges another 'name'")
    names = table.select(whole_texts(table[spec.by]).alias(_ROW))
    found = _inside(_edges(spec, files), names, spec, files)
    near = found.group_by(_ROW, maintain_order=True).agg(pl.col(_OTHER).alias(spec.name))
    lists = names.join(near, on=_ROW, how="left", maintain_order="left")[spec.name]
    return table.with_columns(lists.fill_null([]))


def _edges(spec: EdgeSpec, files: Files) -> pl.DataFrame:
    """One row per neighbor: the row that has it, and the neighbor."""
    file = files.read(spec, columns=spec.ends, ids=spec.ends)
    ends = [whole_texts(file[end]) for end in spec.ends]
    both = [ends] if spec.directed else [ends, ends[::-1]]
    ways = [pl.DataFrame({_ROW: row, _OTHER: other}).with_row_index(_EDGE) for row, other in both]
    edges = pl.concat(ways).drop_nulls().filter(pl.col(_ROW) != pl.col(_OTHER))
    return edges.sort(_EDGE, maintain_order=True).unique([_ROW, _OTHER], keep="first", maintain_order=True)


def _inside(edges: pl.DataFrame, names: pl.DataFrame, spec: EdgeSpec, files: Files) -> pl.DataFrame:
    known = names[_ROW].drop_nulls().unique().implode()
    kept = edges.filter(pl.col(_ROW).is_in(known) & pl.col(_OTHER).is_in(known))
    if len(kept) < len(edges):
        count = edges.join(kept, on=[_ROW, _OTHER], how="anti")[_EDGE].n_unique()
        files.notes.append(f"{spec.file}: {count:,} edges left out, with an end that is no {spec.by!r} of the table")
    return kept
