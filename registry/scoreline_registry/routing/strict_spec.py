"""The base of what people write in a route: unknown keys are errors, percentages are exact."""

import difflib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from scoreline_registry.routing.bucketing import percent

Percent = Annotated[Decimal, BeforeValidator(percent)]


def _error(text: str, kind: str = "value_error", place: tuple[int | str, ...] = ()) -> InitErrorDetails:
    message = text.removeprefix("Value error, ")
    return InitErrorDetails(type=PydanticCustomError(kind, "{text}", {"text": message}), loc=place, input=None)


def _hint(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"use {', '.join(known)}"


class Strict(BaseModel):
    """The base of specs: an unknown key is an error that names the nearest known key."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _known_keys(cls, raw: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Reports unknown keys together with everything else that is wrong."""
        known = [field.alias or name for name, field in cls.model_fields.items()]
        unknown = [key for key in raw if key not in known] if isinstance(raw, Mapping) else []
        if not unknown:
            return handler(raw)
        errors = [_error(f"unknown key {key!r}; {_hint(str(key), known)}") for key in unknown]
        try:
            handler({key: value for key, value in dict(raw).items() if key in known})  # type: ignore[call-overload]
        except ValidationError as error:
            errors += [_error(each["msg"], each["type"], each["loc"]) for each in error.errors()]
        raise ValidationError.from_exception_data(cls.__name__, errors)
