"""Features that are computed inside the graph: raw columns in, score out.

A recipe lists what to compute under ``engineered``. Each entry is one of TRANSFORMERS; it is fitted on training rows
and adds nodes, and a model is trained on what those nodes compute, run by ONNX Runtime. Later entries may read what
earlier ones make.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from scoreline_trainers.engineering import customers, personas, sequences, tabular
from scoreline_trainers.engineering.base import Transformer

TRANSFORMERS: Mapping[str, type[Transformer]] = {
    "rfm": customers.RFM,
    "engagement": customers.Engagement,
    "lifecycle": customers.Lifecycle,
    "value_tier": customers.ValueTier,
    "personas": personas.Personas,
    "ratio": tabular.Ratio,
    "cross": tabular.Cross,
    "bins": tabular.Bins,
    "log1p": tabular.Log1p,
    "clip": tabular.Clip,
    "impute": tabular.Impute,
    "scale": tabular.Scale,
    "one_hot": tabular.OneHot,
    "velocity": sequences.Velocity,
    "momentum": sequences.Momentum,
    "volatility": sequences.Volatility,
    "stability": sequences.Stability,
    "rolling": sequences.Rolling,
    "lag": sequences.Lag,
    "trend": sequences.Trend,
}

Entry = Annotated[
    customers.RFM
    | customers.Engagement
    | customers.Lifecycle
    | customers.ValueTier
    | personas.Personas
    | tabular.Ratio
    | tabular.Cross
    | tabular.Bins
    | tabular.Log1p
    | tabular.Clip
    | tabular.Impute
    | tabular.Scale
    | tabular.OneHot
    | sequences.Velocity
    | sequences.Momentum
    | sequences.Volatility
    | sequences.Stability
    | sequences.Rolling
    | sequences.Lag
    | sequences.Trend,
    Field(discriminator="kind"),
]
