"""Writes the messages of a policy, chosen by action, variant, language and channel.

The template library is imported where a policy has messages.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from scoreline_registry.decisions.actions import ANY_CHANNEL
from scoreline_registry.decisions.facts import CONTEXT, Facts
from scoreline_registry.decisions.messages.library import require_library
from scoreline_registry.decisions.messages.message import ChosenAction, Message, MessageReason
from scoreline_registry.decisions.policy import Policy

if TYPE_CHECKING:
    from scoreline_registry.decisions.messages.templates import Texts


class CompiledMessages:
    """The messages of one policy, ready to be written."""

    def __init__(self, policy: Policy) -> None:
        self._language = policy.language
        self._texts: Mapping[tuple[str, str], Texts] = {}
        self.reasons = 0
        """How many reasons of a score the templates can name."""
        if policy.messages:
            require_library()
            from scoreline_registry.decisions.messages.templates import compile_templates, reasons_named

            self._texts, self.reasons = compile_templates(policy), reasons_named(policy)

    def write(
        self,
        chosen: ChosenAction,
        facts: Facts,
        *,
        language: str = "",
        channel: str | None = None,
        reasons: Sequence[MessageReason] = (),
    ) -> Message | None:
        """The message of an action; None where the policy has none for it in any language that suits.

        ``language`` is the caller's wish; without it, and where it has no message, the policy says which. What a
        channel has no message for is that of any channel. ``reasons`` are the first ones of the score, most important
        first. Never raises for a value: a message that cannot be written has a ``problem``.
        """
        texts = self._texts.get((chosen.action, chosen.variant))
        if texts is None:
            return None
        found = texts.find(self._languages(language, facts), channel or ANY_CHANNEL)
        return None if found is None else found.write(chosen, facts, reasons)

    def _languages(self, wanted: str, facts: Facts) -> tuple[str, ...]:
        context = self._language.context
        named = facts.get(CONTEXT + context) if context else None
        return (wanted, named if isinstance(named, str) else "", self._language.default)
