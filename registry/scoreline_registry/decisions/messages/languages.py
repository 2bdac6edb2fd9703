"""Which of the languages of a message a customer gets. Pure."""

from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache

from babel import Locale
from babel.core import UnknownLocaleError

MAX_TAG = 64


@lru_cache(maxsize=256)
def locale_of(language: str) -> Locale | None:
    """How a language such as de or pt-BR writes numbers and dates; None where it is not known."""
    try:
        return Locale.parse(language, sep="-")
    except (UnknownLocaleError, ValueError, TypeError):
        return None


def normal_tag(language: str) -> str:
    """A language tag in lower case with hyphens: de_AT is de-at. Empty where it is too long to be one."""
    return language.replace("_", "-").lower() if len(language) <= MAX_TAG else ""


def fallbacks(*languages: str) -> Iterator[str]:
    """The tags to look up for languages that are wanted, best first: de-AT, then de, then those of the next one."""
    for language in languages:
        tag = normal_tag(language)
        while tag:
            yield tag
            tag = tag.rpartition("-")[0]


def best_language(available: Mapping[str, str] | Collection[str], *languages: str) -> str | None:
    """The first tag in ``available`` that suits one of the languages; None where none does."""
    return next((tag for tag in fallbacks(*languages) if tag in available), None)
