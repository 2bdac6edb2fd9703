"""Options of networks in a recipe."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AliasChoices, AliasGenerator, ConfigDict, Field

from scoreline_trainers.family import FamilyConfig
from scoreline_trainers.graph.scaling import ScalingMethod
from scoreline_trainers.spaces import Choices, Range, Space

Embedding = Literal["auto", "none"] | Annotated[int, Field(ge=1, le=512)]
"""Which categories are embedded, and how wide: see ``embedding_width``."""

Schedule = Literal["constant", "cosine"]
"""How the step size changes from the first step to the last."""

# Vocabularies up to this size are one-hot under ``auto``, and widths of embeddings end here.
ONE_HOT_NAMES = 32
_WIDEST = 50


OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "batch_size": ("minibatch_size",),
    "dropout": ("dropout_rate",),
    "epochs": ("max_epochs", "num_epochs", "n_epochs", "max_iter"),
    "hidden": ("hidden_sizes", "hidden_layer_sizes"),
    "learning_rate": ("lr", "learning_rate_init"),
    "patience": ("n_iter_no_change", "early_stopping_rounds"),
    "stopping_fraction": ("validation_fraction", "validation_split"),
    "threads": ("num_threads", "n_jobs"),
    "weight_decay": ("l2",),
}
"""Names of the options in PyTorch Lightning, Keras, skorch and scikit-learn."""


def _names_of(option: str) -> AliasChoices:
    return AliasChoices(option, *OTHER_NAMES.get(option, ()))


class DescentConfig(FamilyConfig):
    """Options that all training by gradient descent shares.

    Attributes:
        scaling: how numbers are brought to scale; ``auto`` takes logarithms of those with long tails, and of features
            quantiles where logarithms do not do.
        dropout: share of the values that are dropped in training, in networks with dropout layers.
        epochs: largest number of passes over the training rows.
        patience: stops after this many epochs without a better loss on the held-out rows.
        batch_size: rows of one optimiser step.
        learning_rate: step size of the Adam optimiser, its largest where the schedule changes it.
        weight_decay: L2 penalty of the Adam optimiser.
        stopping_fraction: share of the training rows that is held out to decide when to stop.
        threads: threads of torch. The model depends on it in the last digits.
    """

    model_config = ConfigDict(alias_generator=AliasGenerator(validation_alias=_names_of))

    scaling: ScalingMethod = "auto"
    dropout: float = Field(default=0.1, ge=0, lt=1)
    epochs: int = Field(default=12, ge=1)
    patience: int = Field(default=3, ge=1)
    batch_size: int = Field(default=256, ge=2)
    learning_rate: float = Field(default=0.002, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    stopping_fraction: float = Field(default=0.1, gt=0, lt=1)
    threads: int = Field(default=1, ge=1)

    space: ClassVar[Space] = {
        "learning_rate": Range(low=0.0003, high=0.01, log=True),
        "dropout": Range(low=0.0, high=0.4),
        "weight_decay": Range(low=1e-6, high=0.1, log=True),
        "batch_size": Choices(choices=(64, 128, 256, 512)),
    }


class NetworkConfig(DescentConfig):
    """Options that networks which are one net share.

    Attributes:
        schedule: ``cosine`` lets the step size fall to nearly 0 over all ``epochs`` and decouples the weight decay from
            the gradient, as AdamW does; ``constant`` keeps both.
        refit: after the best number of epochs is found, trains again for as many on all rows, the held-out ones too.
        embedding: a number is the width of the embedding of each category with more names; ``auto`` embeds those of
            more than 32 names in min(50, 1.6 names^0.56) columns, ``none`` no category. The others are one-hot.
        loss: of a regression; ``huber`` counts errors above one standard deviation linearly, so that a few large
            amounts do not decide, and no longer learns the mean.
    """

    schedule: Schedule = "constant"
    refit: bool = False
    embedding: Embedding = "auto"
    loss: Literal["squared", "huber"] = "squared"


def embedding_width(names: int, embedding: Embedding) -> int:
    """The width of the embedding of a category with so many names; 0 for one that is one-hot."""
    if embedding == "none":
        return 0
    if embedding == "auto":
        return min(_WIDEST, round(1.6 * names**0.56)) if names > ONE_HOT_NAMES else 0
    return embedding if names > embedding else 0
