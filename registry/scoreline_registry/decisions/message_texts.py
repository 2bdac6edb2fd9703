"""The messages of a policy as the registry stores them: templates by action, variant, language and channel."""

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, NamedTuple, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from scoreline_registry.decisions.actions import ANY_CHANNEL
from scoreline_registry.documents.base import OmitDefaults, refuse_duplicates
from scoreline_registry.documents.contract import FeatureName
from scoreline_registry.names import check_name
from scoreline_registry.routing.bucketing import BucketRange, partition_error

MAX_TEMPLATE = 2000
MAX_VARIANTS = 20
MAX_LANGUAGES = 100
MAX_CHANNELS = 50
DEFAULT_LANGUAGE = "en"
ONLY_VARIANT = ""
"""The name of the variant of messages that have just one."""

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", re.ASCII)


def _check_language(text: str) -> str:
    if not _LANGUAGE.fullmatch(text):
        raise ValueError(f"{text!r} is no language: write a tag such as en, de or pt-BR")
    return text


def _check_variant(name: str) -> str:
    return name if name == ONLY_VARIANT else check_name("variant", name)


Language = Annotated[str, AfterValidator(_check_language)]
VariantName = Annotated[str, AfterValidator(_check_variant)]
MessageChannel = Annotated[str, AfterValidator(lambda name: check_name("channel", name))]
Template = Annotated[str, Field(min_length=1, max_length=MAX_TEMPLATE)]
ByChannel = Annotated[dict[MessageChannel, Template], Field(min_length=1, max_length=MAX_CHANNELS)]
VariantsBy: TypeAlias = Literal["bucket", "thompson"]


class LanguageChoice(OmitDefaults):
    """The language of a case: the context key ``context``, and ``default`` where it is absent or has no message."""

    OMITTED: ClassVar[frozenset[str]] = frozenset({"context"})

    context: FeatureName | None = None
    default: Language = DEFAULT_LANGUAGE


class MessageTemplate(NamedTuple):
    """One template with its place."""

    action: str
    variant: str
    language: str
    channel: str
    text: str


class MessageVariant(OmitDefaults):
    """One wording: a template by language, then channel; ``default`` is the channel for any other.

    ``ranges`` are the buckets of the units that get it where variants are chosen by bucket.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"ranges"})

    name: VariantName = ONLY_VARIANT
    ranges: tuple[BucketRange, ...] = ()
    texts: dict[Language, ByChannel] = Field(min_length=1, max_length=MAX_LANGUAGES)

    def text(self, language: str, channel: str | None) -> str | None:
        """The template of a language for a channel, else for any; None where there is none."""
        texts = self.texts.get(language, {})
        return texts.get(channel or ANY_CHANNEL, texts.get(ANY_CHANNEL))


class ActionMessages(OmitDefaults):
    """The messages of one action, in one or several variants.

    By ``bucket`` a unit always gets the same variant; ``thompson`` draws by posteriors, each variant with a probability
    of at least ``floor``.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"floor"})

    by: VariantsBy = "bucket"
    floor: float = Field(default=0.0, ge=0, le=0.5)
    variants: tuple[MessageVariant, ...] = Field(min_length=1, max_length=MAX_VARIANTS)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        refuse_duplicates("variant", (variant.name for variant in self.variants))
        if len(self.variants) > 1 and any(variant.name == ONLY_VARIANT for variant in self.variants):
            raise ValueError("each of several variants has a name")
        error = partition_error(variant.ranges for variant in self.variants) if self.by == "bucket" else None
        if error:
            raise ValueError(error)
        if self.floor * len(self.variants) > 1:
            raise ValueError(f"a floor of {self.floor:g} for {len(self.variants)} variants totals more than 1")
        return self

    def templates(self, action: str) -> Iterator[MessageTemplate]:
        """Every template with its place; ``action`` is theirs."""
        for variant in self.variants:
            for language, texts in variant.texts.items():
                for channel, text in texts.items():
                    yield MessageTemplate(action, variant.name, language, channel, text)
