"""A recurrent network over histories, with a dense head that may take features too. Needs the extra ``deep``."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
import onnx
import torch
from pydantic import Field, model_validator
from torch import nn

from scoreline_registry.contract import InputContract
from scoreline_trainers.batch import Batch, Float32, Float64, Rows
from scoreline_trainers.dataset import Dataset
from scoreline_trainers.errors import FitError
from scoreline_trainers.families.base import FamilyConfig, Fitted
from scoreline_trainers.families.lstm_graph import DenseLayer, LSTMLayer, Weights, lstm_graph
from scoreline_trainers.preprocessing import Design, Scaling
from scoreline_trainers.progress import Progress
from scoreline_trainers.validation import hold_out

_PREDICT_ROWS = 2048


class LSTMConfig(FamilyConfig):
    """Options of the family.

    Attributes:
        hidden: width of each recurrent layer, first to last.
        head: width of the dense layer behind them.
        dropout: on the head's input while training.
        epochs: the most passes over the training rows.
        patience: stops after so many epochs without a better log loss on the held-out rows.
        stopping_fraction: share of the training rows that is held out for that.
        threads: of torch. The model depends on it in the last digits.
    """

    hidden: tuple[int, ...] = Field(default=(64, 32), min_length=1)
    head: int = Field(default=32, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    epochs: int = Field(default=12, ge=1)
    patience: int = Field(default=3, ge=1)
    batch_size: int = Field(default=256, ge=1)
    learning_rate: float = Field(default=0.002, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    stopping_fraction: float = Field(default=0.1, gt=0, lt=1)
    threads: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _wide_enough(self) -> Self:
        if min(self.hidden) < 1:
            raise ValueError("every layer in 'hidden' is at least 1 wide")
        return self


class Network:
    """The layers and how they are run.

    Attributes:
        recurrent, dense: the layers in order.
        layers: both, so that torch can list and copy their parameters.
    """

    def __init__(self, *, steps: int, features: int, config: LSTMConfig) -> None:
        widths = (steps, *config.hidden)
        recurrent = [nn.LSTM(i, o, batch_first=True) for i, o in pairwise(widths)]
        dense = [nn.Linear(config.hidden[-1] + features, config.head), nn.Linear(config.head, 1)]
        self.recurrent, self.dense = nn.ModuleList(recurrent), nn.ModuleList(dense)
        self.layers = nn.ModuleDict({"recurrent": self.recurrent, "dense": self.dense})
        self._dropout = nn.Dropout(config.dropout)

    def margin(self, steps: Any, lengths: Any, features: Any | None, *, learning: bool = False) -> Any:
        """Log odds [N] of steps [N, T, I], lengths [N] and features [N, D].

        No step sees a later one, so the state at a row's last step is the same with any padding behind it. torch's
        packed sequences say the same eight times slower.
        """
        for layer in self.recurrent:
            steps, _ = layer(steps)
        state = steps[torch.arange(len(steps)), lengths - 1]
        hidden = state if features is None else torch.cat([state, features], dim=1)
        self._dropout.train(learning)
        first, last = self.dense
        return last(torch.relu(first(self._dropout(hidden))))[:, 0]

    def weights(self) -> Weights:
        """The parameters as arrays."""
        recurrent = [
            LSTMLayer(*(_array(getattr(layer, name)) for name in _LSTM_PARAMETERS)) for layer in self.recurrent
        ]
        dense = [DenseLayer(_array(layer.weight), _array(layer.bias)) for layer in self.dense]
        return Weights(tuple(recurrent), tuple(dense))


_LSTM_PARAMETERS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


@dataclass(frozen=True, slots=True, eq=False)
class FittedLSTM(Fitted):
    """A trained network with the scaling of what it is fed."""

    inputs: InputContract
    steps: Scaling
    design: Design | None
    network: Network
    epochs: int

    def predict(self, batch: Batch) -> Float64:
        """float64 [N]; torch computes in float32."""
        parts = [batch.take(slice(start, start + _PREDICT_ROWS)) for start in range(0, len(batch), _PREDICT_ROWS)]
        return np.concatenate([self._predict(part) for part in parts])

    def _predict(self, batch: Batch) -> Float64:
        with torch.no_grad():
            margin = self.network.margin(*tensors(batch, self.steps, self.design))
            return _array(torch.sigmoid(margin)).astype(np.float64)

    def to_onnx(self) -> onnx.ModelProto:
        """See ``lstm_graph``."""
        return lstm_graph(self.inputs, self.steps, self.design, self.network.weights())

    def describe(self) -> Mapping[str, str | int | float]:
        """Epochs kept and size."""
        parameters = sum(parameter.numel() for parameter in self.network.layers.parameters())
        return {"epochs": self.epochs, "parameters": parameters}


class LSTM:
    """The family."""

    name = "lstm"
    config_type = LSTMConfig
    libraries = ("torch",)

    def fit(self, data: Dataset, config: LSTMConfig, *, seed: int, progress: Progress) -> FittedLSTM:
        """Trains with Adam until the log loss on held-out training rows stops falling, and keeps the best epoch."""
        if data.sequence is None or data.lengths is None:
            raise FitError(self.name, "learns from histories: give the recipe a 'sequence'")
        steps = Scaling.fit(real_steps(data.sequence, data.lengths))
        design = None if data.features is None else Design.fit(data.features, data.inputs.features)
        with _threads(config.threads), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = Network(steps=2 * data.sequence.shape[2], features=design.width if design else 0, config=config)
            epochs = _train(network, data, tensors(data.batch, steps, design), config, seed, progress)
        return FittedLSTM(data.inputs, steps, design, network, epochs)


def tensors(batch: Batch, steps: Scaling, design: Design | None) -> tuple[Any, Any, Any | None]:
    """What a network is fed: steps [N, T, 2S], the second half flags what was missing, lengths, and features."""
    sequence, lengths = batch.history
    fed = np.concatenate([steps.apply(sequence), np.isnan(sequence)], axis=2).astype(np.float32)
    features = None if design is None else torch.from_numpy(design.apply(batch.table).astype(np.float32))
    return torch.from_numpy(fed), torch.from_numpy(lengths), features


def real_steps(sequence: Float32, lengths: Any) -> Float32:
    """[N, T, S] -> [sum of lengths, S]: no padding."""
    real: Float32 = sequence[np.arange(sequence.shape[1]) < lengths[:, None]]
    return real


def _train(
    network: Network, data: Dataset, fed: tuple[Any, ...], config: LSTMConfig, seed: int, progress: Progress
) -> int:
    """Trains in place and returns the epoch that was kept, from 1."""
    learned, stop = hold_out(len(data), fraction=config.stopping_fraction, seed=seed)
    target = torch.from_numpy(data.target.astype(np.float32))
    optimizer = torch.optim.Adam(network.layers.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    draw = np.random.default_rng(seed)
    best, kept, kept_epoch = np.inf, copy.deepcopy(network.layers.state_dict()), 0
    progress.begin("train network", total=config.epochs)
    for epoch in range(1, config.epochs + 1):
        for rows in _minibatches(learned, data.batch.history[1], config.batch_size, draw):
            optimizer.zero_grad()
            _loss(network, fed, target, rows, learning=True).backward()
            optimizer.step()
        with torch.no_grad():
            loss = _mean_loss(network, fed, target, stop)
        progress.advance(f"log loss {loss:.5f}")
        if loss < best:
            best, kept, kept_epoch = loss, copy.deepcopy(network.layers.state_dict()), epoch
        if epoch - kept_epoch >= config.patience:
            break
    network.layers.load_state_dict(kept)
    return kept_epoch


def _loss(network: Network, fed: tuple[Any, ...], target: Any, rows: Rows, *, learning: bool = False) -> Any:
    steps, lengths, features = fed
    longest = int(lengths[rows].max())
    margin = network.margin(
        steps[rows, :longest], lengths[rows], None if features is None else features[rows], learning=learning
    )
    return nn.functional.binary_cross_entropy_with_logits(margin, target[rows])


def _mean_loss(network: Network, fed: tuple[Any, ...], target: Any, rows: Rows) -> float:
    parts = np.array_split(rows, -(-len(rows) // _PREDICT_ROWS))
    return sum(float(_loss(network, fed, target, part)) * len(part) for part in parts) / len(rows)


def _minibatches(rows: Rows, lengths: Any, size: int, draw: np.random.Generator) -> Iterator[Rows]:
    """Every row once, in random batches of similar length, so that little is spent on padding."""
    shuffled = draw.permutation(rows)
    pool = size * 16
    for start in range(0, len(shuffled), pool):
        pooled = shuffled[start : start + pool]
        by_length = pooled[np.argsort(lengths[pooled], kind="stable")]
        batches = [by_length[begin : begin + size] for begin in range(0, len(by_length), size)]
        for index in draw.permutation(len(batches)):
            yield batches[index]


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _array(tensor: Any) -> Float32:
    array: Float32 = tensor.detach().numpy()
    return array
