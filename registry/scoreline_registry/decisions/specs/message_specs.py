"""Messages as people write them."""

from collections.abc import Mapping
from decimal import ROUND_DOWN, Decimal
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, PlainValidator, TypeAdapter, model_validator

from scoreline_registry.decisions.actions import ANY_CHANNEL
from scoreline_registry.decisions.message_texts import (
    MAX_CHANNELS,
    MAX_LANGUAGES,
    MAX_VARIANTS,
    ONLY_VARIANT,
    Language,
    LanguageChoice,
    MessageChannel,
    Template,
    VariantName,
    VariantsBy,
)
from scoreline_registry.decisions.specs.reading import Share, mapping
from scoreline_registry.documents.contract import FeatureName
from scoreline_registry.routing.strict_spec import Percent, Strict

VARIANTS = "variants"
_WHOLE = Decimal(100)
_LEAST = Decimal("0.0001")


def _mapping_of_texts(raw: object) -> object:
    return mapping(raw, "{en: Hello} or {en: {push: Hello, default: Good day}}")


def _by_channel(raw: object) -> object:
    """The templates of one language; a text alone is for any channel."""
    return {ANY_CHANNEL: raw} if isinstance(raw, str) else mapping(raw, "a text, or texts by channel")


ByChannel = Annotated[
    dict[MessageChannel, Template], Field(min_length=1, max_length=MAX_CHANNELS), BeforeValidator(_by_channel)
]
ByLanguage = Annotated[
    dict[Language, ByChannel], Field(min_length=1, max_length=MAX_LANGUAGES), BeforeValidator(_mapping_of_texts)
]


class ActionMessagesSpec(Strict):
    """The messages of one action: its variants, and how one of them is chosen."""

    variants: dict[VariantName, ByLanguage] = Field(min_length=1, max_length=MAX_VARIANTS)
    by: VariantsBy = "bucket"
    split: dict[VariantName, Percent] = Field(default_factory=dict)
    floor: Share = 0.0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.by == "thompson" and self.split:
            raise ValueError("variants by thompson have no `split`: leave it out, or choose them by bucket")
        if self.by == "bucket" and self.floor:
            raise ValueError("variants by bucket have no `floor`: leave it out, or choose them by thompson")
        if self.split and set(self.split) != set(self.variants):
            raise ValueError(f"the split names {', '.join(self.split)}; the variants are {', '.join(self.variants)}")
        total = sum(self.split.values(), Decimal(0))
        if self.split and total != _WHOLE:
            raise ValueError(f"the weights of {', '.join(self.split)} total {total.normalize():f}, not 100")
        return self

    @property
    def weights(self) -> dict[str, Decimal]:
        """The percentage of units that get each variant; equal ones, of which the first has the rest, by default."""
        if self.split:
            return self.split
        first, *others = self.variants
        equal = (_WHOLE / len(self.variants)).quantize(_LEAST, rounding=ROUND_DOWN)
        return {first: _WHOLE - equal * len(others), **dict.fromkeys(others, equal)}


_BY_LANGUAGE: TypeAdapter[dict[str, dict[str, str]]] = TypeAdapter(ByLanguage)


def read_messages(raw: object) -> ActionMessagesSpec:
    """Reads the messages of an action: templates by language, or several ``variants`` of them. Raises ValueError."""
    if isinstance(raw, Mapping) and VARIANTS in raw:
        return ActionMessagesSpec.model_validate(raw)
    return ActionMessagesSpec(variants={ONLY_VARIANT: _BY_LANGUAGE.validate_python(raw)})


MessagesText = Annotated[ActionMessagesSpec, PlainValidator(read_messages)]


class LanguageSpec(Strict):
    """The language of a case."""

    context: FeatureName
    default: Language


def read_language(raw: object) -> LanguageChoice:
    """Reads a language: a tag for all cases, or the context key that has it with a default. Raises ValueError."""
    if isinstance(raw, str):
        return LanguageChoice(default=raw)
    spec = LanguageSpec.model_validate(mapping(raw, "en or {context: language, default: en}"))
    return LanguageChoice(context=spec.context, default=spec.default)


LanguageText = Annotated[LanguageChoice, PlainValidator(read_language)]
