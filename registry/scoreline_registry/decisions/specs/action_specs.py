"""Actions and cuts as people write them."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainValidator

from scoreline_registry.decisions.actions import Action, CategoryName, ChannelName, Effect, GroupName, LearnedEffect
from scoreline_registry.decisions.amounts import ZERO
from scoreline_registry.decisions.cuts import CostCut, Cut, FixedCut, ShareCut
from scoreline_registry.decisions.facts import SCORE, FactName
from scoreline_registry.decisions.specs.reading import AmountText, Number, Share, number, shown, spec_reader
from scoreline_registry.routing.durations import Span
from scoreline_registry.routing.experiment import OutcomeName
from scoreline_registry.routing.rules import Ref
from scoreline_registry.routing.strict_spec import Strict


class LearnedEffectSpec(Strict):
    """An effect that is learned from outcomes, and what is believed before there are any."""

    reduces: Number | None = None
    changes: Number | None = None
    weight: Number = 50.0
    outcome: OutcomeName | None = None

    @property
    def document(self) -> LearnedEffect:
        """What the registry stores."""
        return LearnedEffect(reduces=self.reduces, changes=self.changes, weight=self.weight, outcome=self.outcome)


class EffectSpec(Strict):
    """How much an action changes what the score predicts."""

    reduces: Number | None = None
    changes: Number | None = None
    uplift: Ref | None = None
    learned: Annotated[LearnedEffect, spec_reader(LearnedEffectSpec, "{reduces: 0.2, weight: 50}")] | None = None

    @property
    def document(self) -> Effect:
        """What the registry stores."""
        return Effect(reduces=self.reduces, changes=self.changes, uplift=self.uplift, learned=self.learned)


class ActionSpec(Strict):
    """One action."""

    description: str = Field(default="", max_length=1000)
    cost: AmountText = ZERO
    benefit: AmountText = ZERO
    effect: Annotated[Effect, spec_reader(EffectSpec, "{reduces: 0.5}")] | None = None
    channel: ChannelName | None = None
    category: CategoryName | None = None
    exclusive: GroupName | None = None

    @property
    def document(self) -> Action:
        """What the registry stores."""
        return Action(
            description=self.description,
            cost=self.cost,
            benefit=self.benefit,
            effect=self.effect,
            channel=self.channel,
            category=self.category,
            exclusive=self.exclusive,
        )


class AdaptiveCutSpec(Strict):
    """What cuts have that are recomputed from the journal."""

    start: Number
    window: Span
    of: FactName = SCORE
    lowest: Number | None = None
    highest: Number | None = None


class ShareCutSpec(AdaptiveCutSpec):
    """A threshold that a share of the cases reach."""

    share: Share

    @property
    def document(self) -> ShareCut:
        """What the registry stores."""
        return ShareCut(
            share=self.share,
            start=self.start,
            window_seconds=self.window,
            of=self.of,
            lowest=self.lowest,
            highest=self.highest,
        )


class CostsSpec(Strict):
    """The costs of a wrong decision."""

    false_positive: Number
    false_negative: Number


class CostCutSpec(AdaptiveCutSpec):
    """A threshold at which wrong decisions cost least."""

    costs: CostsSpec
    outcome: OutcomeName
    matured: Span

    @property
    def document(self) -> CostCut:
        """What the registry stores."""
        return CostCut(
            false_positive=self.costs.false_positive,
            false_negative=self.costs.false_negative,
            outcome=self.outcome,
            matured_seconds=self.matured,
            start=self.start,
            window_seconds=self.window,
            of=self.of,
            lowest=self.lowest,
            highest=self.highest,
        )


def read_cut(raw: object) -> Cut:
    """Reads a cut: a number, or a mapping with a ``share`` or ``costs``. Raises ValueError."""
    if not isinstance(raw, Mapping):
        try:
            return FixedCut(value=number(raw))
        except ValueError as error:
            raise ValueError(f"{error}: write a number such as 0.7, or a mapping with a `share` or `costs`") from error
    kinds = [name for name in ("share", "costs") if name in raw]
    if len(kinds) != 1:
        raise ValueError(f"a cut that adapts has a `share` or `costs`, exactly one of them, not {shown(dict(raw))}")
    return (ShareCutSpec if kinds == ["share"] else CostCutSpec).model_validate(raw).document


CutText = Annotated[Cut, PlainValidator(read_cut)]
ActionText = Annotated[
    Action, spec_reader(ActionSpec, "{cost: 2, channel: push}"), BeforeValidator(lambda raw: {} if raw is None else raw)
]
