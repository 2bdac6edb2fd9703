"""What to say about an input that moved a score, by language and direction."""

import string
from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from scoreline_registry.documents.base import OmitDefaults

MOST_CHARACTERS = 500
PLACEHOLDERS = frozenset({"name", "value"})


def check_text(text: str) -> str:
    """Returns the text of a reason. Raises ValueError for placeholders other than {name} and {value}."""
    try:
        fields = list(string.Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"the text {text[:80]!r} has an unmatched brace: write {{{{ for a brace itself") from error
    for _, name, form, conversion in fields:
        if name is not None and (name not in PLACEHOLDERS or form or conversion):
            raise ValueError(
                f"the text {text[:80]!r} has the placeholder {{{name}}}: only {{name}} and {{value}} are filled in"
            )
    return text


Text = Annotated[str, Field(max_length=MOST_CHARACTERS), AfterValidator(check_text)]
Language = Annotated[str, Field(pattern="^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]


class ReasonTexts(OmitDefaults):
    """Sentences for an input that raises or lowers a score; a generic one stands in for an empty one.

    ``{value}`` is replaced by the input's value, ``{name}`` by its name.
    """

    OMITTED: ClassVar[frozenset[str]] = frozenset({"raises", "lowers"})

    raises: Text = ""
    lowers: Text = ""


Texts = Mapping[str, ReasonTexts]
"""The sentences by language, such as "de" or "de-AT"."""
