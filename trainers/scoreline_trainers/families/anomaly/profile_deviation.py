"""Deviation of a purchase from its buyer's own history: amount, category, hour and payment method, as one score.

The sequence holds past purchases, oldest first; the features hold the purchase that is judged. A buyer without any
sends one step whose values are all missing. The measures and their formulas are in ``profile``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import onnx
from pydantic import Field, model_validator
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from scoreline_registry.documents.contract import Feature, InputContract
from scoreline_trainers.data.batch import Batch, Float32, Float64
from scoreline_trainers.data.dataset import Dataset
from scoreline_trainers.errors import FitError
from scoreline_trainers.families import BuiltIn
from scoreline_trainers.families.anomaly.profile import AmountZ, HourRarity, Measure, Rarity
from scoreline_trainers.family import FamilyConfig, Fitted
from scoreline_trainers.graph.builder import Extra, GraphBuilder
from scoreline_trainers.graph.layers import emit_real_steps
from scoreline_trainers.graph.preprocessing import category_slots, emit_category_slots
from scoreline_trainers.graph.tensor import Tensor, constant, graph_input
from scoreline_trainers.progress import Progress

MAX_VALUES = 4096

Role = Literal["amount", "category", "hour", "payment"]
Component = Literal["amount_above", "amount_below", "category_rarity", "hour_rarity", "payment_rarity"]

_OUTPUTS: Mapping[Role, str] = {
    "amount": "amount_z",
    "category": "category_rarity",
    "hour": "hour_rarity",
    "payment": "payment_rarity",
}
# The value of a name outside the vocabulary, which no step has.
_NO_VALUE = float(np.finfo(np.float32).min)


class ProfileDeviationConfig(FamilyConfig):
    """Options of the family.

    Attributes:
        amount, category, hour, payment: the feature of the purchase that plays each role; all but the amount may be
            null, and then have no measure. The category and the payment method are numbers such as merchant codes, or
            categories; the steps then hold the names where all of them are numbers, else their vocabulary's indices.
        past: the step feature of a role, where it is not called like the feature.
        log_amount: measures amounts on a logarithmic scale.
        strength: purchases of a history that have the same weight as the population.
        hour_window: hours around an hour that count as near it.
        weights: of the components; without them they are learned from the label.
        bias: added to the weighted sum, where weights are given.
        C: inverse strength of the ridge penalty, where weights are learned.
    """

    amount: str = "amount"
    category: str | None = "category"
    hour: str | None = "hour"
    payment: str | None = "payment_method"
    past: dict[Role, str] = Field(default_factory=dict)
    log_amount: bool = True
    strength: float = Field(default=5.0, gt=0)
    hour_window: float = Field(default=2.0, ge=0, le=11)
    weights: dict[Component, float] | None = None
    bias: float = 0.0
    C: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _roles_fit(self) -> Self:
        known = {component for role in self.roles for component in _components_of(role)}
        unknown = set(self.weights or ()) - known
        if unknown:
            raise ValueError(f"there is a weight for {min(unknown)!r}, whose role is null")
        return self

    @property
    def roles(self) -> Mapping[Role, str]:
        """The feature of each role that is not null."""
        named: dict[Role, str | None] = {
            "amount": self.amount,
            "category": self.category,
            "hour": self.hour,
            "payment": self.payment,
        }
        return {role: feature for role, feature in named.items() if feature is not None}


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One measure and the columns that it reads.

    Attributes:
        role: what is measured.
        now: the column of ``features``.
        past: the step feature in ``sequence``.
        measure: how.
        names: what the codes of the column stand for, float32 [vocabulary + 2], or None where they stand as they are.
    """

    role: Role
    now: int
    past: int
    measure: Measure
    names: Float32 | None

    @property
    def output(self) -> str:
        """Name of the graph output."""
        return _OUTPUTS[self.role]

    def apply(self, batch: Batch) -> Float64:
        """float64 [N]."""
        sequence, lengths = batch.history
        real = np.arange(sequence.shape[1]) < lengths[:, None]
        return self.measure.apply(named(batch.table[:, self.now], self.names), sequence[:, :, self.past], real)

    def emit(self, real: Tensor) -> Tensor:
        """Graph nodes of ``apply``: double [N]."""
        column = graph_input(real.graph, "features").columns([self.now])
        if self.names is not None:
            column = column.like(self.names).gather(emit_category_slots(column, [len(self.names) - 2]))
        past = graph_input(real.graph, "sequence").gather(self.past, axis=2)
        return self.measure.emit(column.squeeze(1), past, real)


@dataclass(frozen=True, slots=True, eq=False)
class FittedProfileDeviation(Fitted):
    """The parts with a weight for each of their components."""

    inputs: InputContract
    parts: tuple[Part, ...]
    weights: Float64
    bias: float

    def predict(self, batch: Batch) -> Float64:
        """float64 [N], 0 to 1."""
        score: Float64 = expit(components(self.parts, batch) @ self.weights + self.bias)
        return score

    def extras(self, batch: Batch) -> Mapping[str, Float64]:
        """Each measure."""
        return {part.output: part.apply(batch) for part in self.parts}

    def to_onnx(self) -> onnx.ModelProto:
        """Computes in double and rounds the outputs alone."""
        graph = GraphBuilder(self.inputs)
        real = emit_real_steps(graph)
        pairs = [(part, part.emit(real)) for part in self.parts]
        columns = [column for part, measure in pairs for column in _split(part, measure)]
        margin = constant(graph, self.bias)
        for column, weight in zip(columns, self.weights, strict=True):
            margin = margin + column * weight
        extras = {part.output: Extra(measure.cast(np.float32).name) for part, measure in pairs}
        return graph.build(margin.apply("Sigmoid").cast(np.float32).name, extras=extras)

    def edges(self) -> Mapping[int, Float32]:
        """Full hours, and every category that is a number of its own."""
        return {part.now: part.measure.edges() for part in self.parts if part.names is None}

    def describe(self) -> Mapping[str, str | int | float]:
        """The weights."""
        names = [component for part in self.parts for component in _components_of(part.role)]
        weights = {f"weight of {name}": round(float(w), 4) for name, w in zip(names, self.weights, strict=True)}
        return {**weights, "bias": round(self.bias, 4)}


class ProfileDeviation(BuiltIn):
    """The model family ``profile_deviation``."""

    name = "profile_deviation"
    config_type = ProfileDeviationConfig
    libraries = ("scikit-learn",)

    def fit(
        self, data: Dataset, config: ProfileDeviationConfig, *, seed: int, progress: Progress
    ) -> FittedProfileDeviation:
        """Fits the population, and the weights where none are given."""
        if data.features is None or data.sequence is None:
            raise FitError(self.name, "learns from a purchase in features and from past ones in a sequence")
        progress.begin("fit profiles")
        parts = tuple(_part(data, config, role) for role in config.roles)
        if config.weights is not None:
            names = [component for part in parts for component in _components_of(part.role)]
            weights = np.array([config.weights.get(name, 0.0) for name in names])
            return FittedProfileDeviation(data.inputs, parts, weights, config.bias)
        if not data.labelled:
            raise FitError(self.name, "learns from a label how much each measure weighs: name one, or give 'weights'")
        model = LogisticRegression(C=config.C, max_iter=1000, random_state=seed)
        model.fit(components(parts, data.batch), data.label)
        return FittedProfileDeviation(data.inputs, parts, model.coef_[0], float(model.intercept_[0]))


def components(parts: tuple[Part, ...], batch: Batch) -> Float64:
    """float64 [N, components]: the amount's z above and below zero on their own, then the rarities."""
    columns: list[Float64] = []
    for part in parts:
        measure = part.apply(batch)
        columns += [np.maximum(measure, 0), np.maximum(-measure, 0)] if part.role == "amount" else [measure]
    return np.stack(columns, axis=1)


def named(codes: Float32, names: Float32 | None) -> Float32:
    """float32 [N]: the values of a column's codes."""
    if names is None:
        return codes
    return names[category_slots(codes[:, None], [len(names) - 2])[:, 0]]


def _components_of(role: Role) -> tuple[Component, ...]:
    if role == "amount":
        return ("amount_above", "amount_below")
    rarities: Mapping[Role, Component] = {
        "category": "category_rarity",
        "hour": "hour_rarity",
        "payment": "payment_rarity",
    }
    return (rarities[role],)


def _split(part: Part, measure: Tensor) -> list[Tensor]:
    """Graph nodes of ``components`` for one part."""
    return [measure.maximum(0), (-measure).maximum(0)] if part.role == "amount" else [measure]


def _part(data: Dataset, config: ProfileDeviationConfig, role: Role) -> Part:
    feature, steps = config.roles[role], data.inputs.sequence
    now = _place([each.name for each in data.inputs.features], feature, f"the {role}'s feature")
    past = _place(steps.features if steps else [], config.past.get(role, feature), f"the {role}'s step feature")
    if steps is not None and steps.features[past] in steps.vocabularies:
        problem = f"compares numbers: take the step feature {steps.features[past]!r} out of the sequence's categories"
        raise FitError(ProfileDeviation.name, problem)
    names = _names(data.inputs.features[now])
    return Part(role, now, past, _measure(config, role, named(data.batch.table[:, now], names)), names)


def _measure(config: ProfileDeviationConfig, role: Role, values: Float32) -> Measure:
    if role == "amount":
        return AmountZ.fit(values, strength=config.strength, log=config.log_amount)
    if role == "hour":
        return HourRarity.fit(values, window=config.hour_window, strength=config.strength)
    rarity = Rarity.fit(values, strength=config.strength)
    if len(rarity.values) > MAX_VALUES:
        raise FitError(ProfileDeviation.name, f"takes a {role} of {MAX_VALUES} values at most: group the rare ones")
    return rarity


def _place(names: Sequence[str], name: str, what: str) -> int:
    if name not in names:
        raise FitError(ProfileDeviation.name, f"learns from {what} {name!r}, which is not among {', '.join(names)}")
    return names.index(name)


def _names(feature: Feature) -> Float32 | None:
    """The numbers that a category's codes mean, where all names are numbers; a missing one stays missing."""
    if feature.kind == "number" or not all(_is_number(name) for name in feature.vocabulary):
        return None
    return np.array([*(float(name) for name in feature.vocabulary), _NO_VALUE, np.nan], np.float32)


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False
