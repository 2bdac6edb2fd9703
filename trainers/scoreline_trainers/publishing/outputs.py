"""Finds which output of an external graph is the score, and which tensor and column hold its numbers."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import onnx
from onnx import TensorProto

from scoreline_trainers.graph.builder import ML_DOMAIN
from scoreline_trainers.publishing.refusal import UnfitError
from scoreline_trainers.publishing.screening import output_problems, type_name

_NUMBERS = (TensorProto.FLOAT, TensorProto.DOUBLE)


@dataclass(frozen=True, slots=True)
class OutputSource:
    """One output of an external graph, with a number for each row.

    Attributes:
        output: the graph's output.
        tensor: that holds its numbers inside the graph: the output itself, or the input of a ZipMap.
        elem_type: of that tensor.
        column: which of several columns; None where there is one.
        rank: of that tensor, known once the graph was run.
        classes: what the ZipMap calls its columns, in their order; empty where there is none.
    """

    output: str
    tensor: str
    elem_type: int
    column: int | None
    rank: int = 2
    classes: tuple[str | int, ...] = ()

    def of_shape(self, shape: tuple[int, ...]) -> "OutputSource":
        """The same with the rank that the output has for several rows."""
        return replace(self, rank=len(shape))

    def of_score_shape(self, shape: tuple[int, ...]) -> "OutputSource":
        """The same for the score. Raises UnfitError where the output holds none, or several."""
        width = shape[1] if len(shape) == 2 else 1
        if len(shape) not in (1, 2):
            raise UnfitError(
                [f"output {self.output!r} has the shape {list(shape)}, which is not one score for each row"]
            )
        if self.column is None and width > 1:
            raise UnfitError([f"output {self.output!r} has {width} columns: say which, --score-output {self.output}:1"])
        if self.column is not None and self.column >= width:
            raise UnfitError([f"output {self.output!r} has {width} columns, counted from 0, so none is {self.column}"])
        return replace(self, rank=len(shape), column=self.column if len(shape) == 2 else None)


def output_source(graph: onnx.GraphProto, stated: str | None) -> OutputSource:
    """Finds the output that ``--score-output`` names.

    Args:
        graph: of the external model.
        stated: "NAME" or "NAME:COLUMN"; an output whose whole name is this comes first.

    Raises:
        UnfitError: there is no such output, or it cannot hold a score.
    """
    names = [value.name for value in graph.output]
    name, column = _parts(stated, names.__contains__)
    if name not in names:
        listed = ", ".join(repr(name) for name in names)
        said = f"it has no output {name!r}" if name else "it is not known which output is the score"
        raise UnfitError([f"{said}: its outputs are {listed}; name one with --score-output NAME[:COLUMN]"])
    value = next(value for value in graph.output if value.name == name)
    zipmap = next((n for n in graph.node if n.op_type == "ZipMap" and n.domain == ML_DOMAIN and name in n.output), None)
    if zipmap is not None:
        return OutputSource(name, zipmap.input[0], TensorProto.FLOAT, column, classes=_classes(zipmap))
    problems = output_problems([value])
    elem_type = value.type.tensor_type.elem_type
    if not problems and elem_type not in _NUMBERS:
        problems = [f"output {name!r} holds {type_name(elem_type)}, not the float32 or double numbers of a score"]
    if problems:
        raise UnfitError(problems)
    return OutputSource(name, name, elem_type, column)


def _parts(stated: str | None, exists: Callable[[str], bool]) -> tuple[str, int | None]:
    name, colon, column = (stated or "").rpartition(":")
    if stated is None or exists(stated) or not colon or not (column.isascii() and column.isdigit()):
        return stated or "", None
    return name, int(column[:9])


def _classes(zipmap: onnx.NodeProto) -> tuple[str | int, ...]:
    for attribute in zipmap.attribute:
        if attribute.name == "classlabels_int64s":
            return tuple(attribute.ints)
        if attribute.name == "classlabels_strings":
            return tuple(text.decode("utf-8", "replace") for text in attribute.strings)
    return ()
