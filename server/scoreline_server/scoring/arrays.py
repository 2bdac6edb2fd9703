"""The types of arrays that scoring works with."""

import threading
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Float32: TypeAlias = npt.NDArray[np.float32]
Int32: TypeAlias = npt.NDArray[np.int32]
Indices: TypeAlias = npt.NDArray[np.intp]

PARSING = threading.Lock()
"""Held while an .npz file is read: numpy parses an array's header as Python, which fails now and then when two threads
of Python 3.11 do so at once ("AST constructor recursion depth mismatch")."""
