"""What is said about an input that moved a score: the contract's text in the caller's language, or a generic one."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from scoreline_registry.documents.reason_texts import ReasonTexts
from scoreline_server.scoring.reasons.players import Player

USUAL_LANGUAGE = "en"


class Sentence(NamedTuple):
    """A text and its language."""

    text: str
    language: str


class _Generic(NamedTuple):
    """The words of a language: of a value that is missing, and of inputs with and without a value."""

    missing: str
    with_value: ReasonTexts
    without_value: ReasonTexts


_GENERIC: Mapping[str, _Generic] = {
    "en": _Generic(
        "missing",
        ReasonTexts(raises="{name} ({value}) raises the score", lowers="{name} ({value}) lowers the score"),
        ReasonTexts(raises="{name} raises the score", lowers="{name} lowers the score"),
    ),
    "de": _Generic(
        "fehlt",
        ReasonTexts(raises="{name} ({value}) erhöht den Score", lowers="{name} ({value}) senkt den Score"),
        ReasonTexts(raises="{name} erhöht den Score", lowers="{name} senkt den Score"),
    ),
}


def sentence(player: Player, value: str, *, raises: bool, language: str) -> Sentence:
    """The text about an input in a language, the same without its region, or English.

    A text of the contract in any of them comes before a generic one.
    """
    wanted = list(_languages(language))
    for each in wanted:
        if text := _text(player.texts.get(each), raises=raises):
            return Sentence(_filled(text, player.name, value or _missing(each)), each)
    known = next(each for each in wanted if each in _GENERIC)
    generic = _GENERIC[known]
    texts = generic.without_value if player.kind == "none" else generic.with_value
    return Sentence(_filled(_text(texts, raises=raises), player.name, value or generic.missing), known)


def _languages(language: str) -> Iterator[str]:
    if language:
        yield language
        yield language.partition("-")[0]
    yield USUAL_LANGUAGE


def _missing(language: str) -> str:
    return _GENERIC.get(language.partition("-")[0], _GENERIC[USUAL_LANGUAGE]).missing


def _text(texts: ReasonTexts | None, *, raises: bool) -> str:
    if texts is None:
        return ""
    return texts.raises if raises else texts.lowers


def _filled(text: str, name: str, value: str) -> str:
    """Contracts take no other placeholders than these, and values are not read for placeholders."""
    return text.format(name=name, value=value)
