"""The section ``profiles`` of a route: what it takes from which profile."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from scoreline_registry.documents.base import OmitDefaults, refuse_duplicates
from scoreline_registry.documents.contract import MAX_FEATURES, FeatureName
from scoreline_registry.names import check_name
from scoreline_registry.routing.strict_spec import Strict

MAX_PROFILES = 8
CONTEXT_PROFILE = "profile."
"""Before the name of a profile's feature, where conditions of rules name it."""

ProfileName = Annotated[str, AfterValidator(lambda name: check_name("profile", name))]


class ProfileInputs(OmitDefaults):
    """What a route takes from one profile where callers do not send it.

    Attributes:
        features: features of the profile that the route's schema has by the same name and kind; None for all that it
            has.
        sequence: the sequence of the profile that fills the schema's sequence.
        neighbors: the neighbors of the profile that fill the schema's neighbors.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"sequence", "neighbors"})

    features: tuple[FeatureName, ...] | None = Field(default=None, max_length=MAX_FEATURES)
    sequence: FeatureName | None = None
    neighbors: FeatureName | None = None

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        refuse_duplicates("feature", self.features or ())
        return self

    @property
    def written(self) -> dict[str, Any]:
        """The section as people write it."""
        features = None if self.features is None else list(self.features)
        every = {"features": features, "sequence": self.sequence, "neighbors": self.neighbors}
        return {name: value for name, value in every.items() if value is not None}

    @property
    def text(self) -> str:
        """The section in one line."""
        features = "every feature of the schema" if self.features is None else ", ".join(self.features) or "no feature"
        sequence = f"; the sequence {self.sequence}" if self.sequence else ""
        return f"{features}{sequence}" + (f"; the neighbors {self.neighbors}" if self.neighbors else "")


class ProfileInputsSpec(ProfileInputs, Strict):
    """What a route takes from one profile."""

    @property
    def document(self) -> ProfileInputs:
        """What the registry stores."""
        return ProfileInputs.model_validate(self.model_dump())
