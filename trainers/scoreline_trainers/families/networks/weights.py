"""A trained network as arrays by name: what later training continues from. Needs the extra ``deep``.

The file holds numbers and texts alone and is read without pickle: nothing in it can run.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import torch

from scoreline_trainers.families.networks.amounts import AmountScale
from scoreline_trainers.families.networks.modules.layers import array
from scoreline_trainers.families.networks.modules.net import Feed
from scoreline_trainers.graph.preprocessing import Design
from scoreline_trainers.graph.scaling import Bend, Curves, Scaling

Arrays = Mapping[str, npt.NDArray[Any]]

WEIGHTS_FILE = "weights.npz"

_NET, _FEED, _SCALE = "net.", "feed.", "scale"
_PARTS: Mapping[str, type] = {"design": Design, "steps": Scaling, "neighbors": Scaling}
_NESTED: Mapping[str, type] = {"scaling": Scaling, "bend": Bend, "curves": Curves}


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """What training starts from or gives.

    Attributes:
        feed: prepares the inputs.
        scale: of the amounts of a regression; None for a probability.
        state: the tensors of the net by name; empty before training.
    """

    feed: Feed
    scale: AmountScale | None
    state: Mapping[str, torch.Tensor]


def packed(weights: Weights) -> bytes:
    """The bytes of ``weights.npz``, equal for equal networks."""
    arrays: dict[str, Any] = {f"{_NET}{name}": array(tensor) for name, tensor in weights.state.items()}
    arrays |= _arrays(weights.feed, _FEED)
    if weights.scale is not None:
        arrays[_SCALE] = np.array([weights.scale.mean, weights.scale.deviation])
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def unpacked(content: bytes) -> Weights:
    """What ``packed`` wrote. Raises ValueError for any other file."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        scale = AmountScale(*arrays[_SCALE].tolist()) if _SCALE in arrays else None
        feed = _restored(Feed, arrays, _FEED)
    except (BadZipFile, OSError, KeyError, TypeError, ValueError, EOFError, AttributeError) as error:
        raise ValueError(f"{WEIGHTS_FILE} does not hold the weights of a network") from error
    state = {name[len(_NET) :]: torch.from_numpy(value) for name, value in arrays.items() if name.startswith(_NET)}
    return Weights(feed, scale, state)


def _arrays(part: Any, prefix: str) -> dict[str, npt.NDArray[Any]]:
    """The fields of a frozen part and of the parts in it, by their path; a part that is None is left out."""
    found: dict[str, npt.NDArray[Any]] = {}
    for each in fields(part):
        value, path = getattr(part, each.name), prefix + each.name
        if each.name in _PARTS or each.name in _NESTED:
            found |= {} if value is None else _arrays(value, f"{path}.")
        elif value is not None:
            found[path] = np.asarray(value)
    return found


def _restored(kind: type, arrays: Arrays, prefix: str) -> Any:
    """The part that ``_arrays`` took apart. Raises KeyError where the arrays lack some of it."""
    values: dict[str, Any] = {}
    for each in fields(kind):
        path = prefix + each.name
        nested = _NESTED.get(each.name) or (_PARTS.get(each.name) if kind is Feed else None)
        if nested is not None:
            there = any(name.startswith(f"{path}.") for name in arrays)
            values[each.name] = _restored(nested, arrays, f"{path}.") if there else None
        else:
            values[each.name] = _value(arrays[path], is_tuple="tuple" in str(each.type))
    return kind(**values)


def _value(stored: npt.NDArray[Any], *, is_tuple: bool) -> Any:
    return tuple(stored.tolist()) if is_tuple else stored
