"""Log odds of scores, natively and as graph nodes that lose nothing to the rounding of a probability."""

from collections.abc import Mapping
from math import log

import numpy as np
import onnx
from onnx import TensorProto, helper

from scoreline_trainers.data.batch import Float64
from scoreline_trainers.graph.tensor import Tensor

# Operators behind which log odds are found, and which of their inputs hold scores; () for all.
_CARRIED: Mapping[str, tuple[int, ...]] = {
    "Sigmoid": (0,),
    "Cast": (0,),
    "Identity": (0,),
    "Squeeze": (0,),
    "Unsqueeze": (0,),
    "Slice": (0,),
    "Concat": (),
    "ScatterElements": (0, 2),
}


def log_odds(score: Float64, extreme: float) -> Float64:
    """ln(p / (1 - p)) of scores p cut to [extreme, 1 - extreme], in any shape."""
    inside = np.clip(score, extreme, 1 - extreme)
    return np.log(inside / (1 - inside))


def log_odds_nodes(score: Tensor, extreme: float) -> Tensor:
    """Graph nodes of ``log_odds``: float or double in any shape -> double in the same one.

    A float32 near 1, and ONNX Runtime's float32 sigmoid near 0, are some 1e-7 off, which is 1e-3 of the log odds at
    1e-4. So a score that a sigmoid made is not turned back: what the sigmoid was given are its log odds. They are
    looked for behind everything that only moves scores.
    """
    maker = score.graph.maker(score.name)
    if maker is None or not _moves(maker):
        return _from_probability(_double(score), extreme)
    if maker.op_type == "Sigmoid":
        limit = log((1 - extreme) / extreme)
        return _double(Tensor(score.graph, maker.input[0])).maximum(-limit).minimum(limit)
    carried = _CARRIED[maker.op_type] or range(len(maker.input))
    names = list(maker.input)
    for place in carried:
        names[place] = log_odds_nodes(Tensor(score.graph, names[place]), extreme).name
    if maker.op_type == "Cast":
        return Tensor(score.graph, names[0])
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in maker.attribute}
    return Tensor(score.graph, score.graph.add(maker.op_type, *names, **attributes))


def _moves(node: onnx.NodeProto) -> bool:
    if node.op_type == "Cast":
        return helper.get_node_attr_value(node, "to") in (TensorProto.FLOAT, TensorProto.DOUBLE)
    return node.op_type in _CARRIED


def _double(tensor: Tensor) -> Tensor:
    """Cast whatever it is: the element type of a tensor inside an embedded model is not known."""
    return Tensor(tensor.graph, tensor.graph.cast(tensor.name, TensorProto.DOUBLE))


def _from_probability(score: Tensor, extreme: float) -> Tensor:
    inside = score.maximum(extreme).minimum(1 - extreme)
    return (inside / (inside * -1 + 1)).apply("Log")
