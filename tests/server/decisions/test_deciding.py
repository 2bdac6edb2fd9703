"""What a policy decides for scored rows: its actions, within limits and with messages."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from scoreline_registry.decisions.reservations import Grant, Refusal, Reservation
from scoreline_registry.registry import Registry
from scoreline_server.decisions.deciding import Asked, Decided
from scoreline_server.errors import ErrorReason, LimitStoreError
from scoreline_server.limit_stores.sqlite_store import SqliteLimits
from scoreline_server.scoring.catalog import Catalog
from scoreline_server.scoring.decided import Suppressed, case_id
from tests.server.journals import catalog_of
from tests.server.policies import GUARDIAN, decided, policy, served
from tests.server.routes import ROUTE, apply
from tests.server.scoring.reasons.test_row_reasons import WEIGHTS, reason_file
from tests.server.toys import FEATURES, fragile_model, publish_linear
from tests.server.wire import entity

HIGH, MIDDLE, LOW = 3.0, 0.6, -3.0
ONCE = """
limits:
  - {name: once, kind: frequency, at_most: 1, per: 1d, actions: [nudge, block]}
"""


@pytest.fixture
def catalog(registry: Registry) -> Catalog:
    publish_linear(registry, "linear", (1.0, 0, 0), aliases=("champion",))
    publish_linear(registry, "uplift", (0.0, 0.0, 1.0), aliases=("champion",))
    apply(registry)
    return catalog_of(registry)


def actions(found: Decided) -> list[str]:
    return [decision.row.action for decision in found.by_row.values()]


def test_each_row_gets_the_action_of_its_rule(catalog: Catalog) -> None:
    rows = [entity(f"c{at}", income=income, debt=100.0) for at, income in enumerate((HIGH, MIDDLE, LOW))]
    found = decided(served(policy(), catalog), *rows)
    assert actions(found) == ["block", "block", "none"]
    assert [decision.row.rule for decision in found.by_row.values()] == ["high", "middle", "otherwise"]
    score = float(1 / (1 + np.exp(-np.float64(np.float32(MIDDLE)))))
    assert found.by_row[1].row.expected_value == pytest.approx(100 * 0.5 * score - 2, abs=1e-5)
    assert (found.by_row[0].row.cost, found.by_row[0].row.channel) == (2.0, "push")
    assert found.by_row[2].row.channel == ""


def test_a_value_that_is_missing_takes_its_action_out(catalog: Catalog) -> None:
    found = decided(served(policy(), catalog), entity("a", income=MIDDLE))
    assert actions(found) == ["nudge"]
    assert [(left.action, left.reason) for left in found.by_row[0].proposal.left_out] == [("block", "missing_fact")]


def test_a_row_that_cannot_be_scored_is_not_decided(catalog: Catalog) -> None:
    found = decided(served(policy(), catalog), entity("a", income=HIGH, debt=1.0), entity("failed"))
    assert list(found.by_row) == [0]
    assert [row and row.action for row in found.journaled(2).rows] == ["block", None]


def test_a_limit_moves_the_next_action_up_and_is_named(catalog: Catalog) -> None:
    def reserve(reservations: Sequence[Reservation], _now_us: int) -> list[Grant]:
        (reservation,) = reservations
        assert [claim.action for claim in reservation.claims] == ["block", "nudge"]
        return [Grant("nudge", (Refusal("block", "once"),))]

    found = decided(served(policy(more=ONCE), catalog), entity("a", income=MIDDLE, debt=1e3), reserve=reserve)
    row = found.by_row[0].row
    assert (row.action, row.channel) == ("nudge", "email")
    assert row.suppressed == (Suppressed("block", "once", "frequency"),)


def test_a_propensity_counts_every_action_that_limits_refuse_at_that_moment(catalog: Catalog, tmp_path: Path) -> None:
    some = GUARDIAN.replace("messages:", "    explore: {by: uniform, share: 0.5, among: [nudge, block]}\nmessages:")
    spent = "limits: [{name: spent, kind: total, at_most: 1, actions: [block]}]"
    store, guardian = SqliteLimits(tmp_path / "limits.sqlite"), served(policy(some, more=spent), catalog)
    rows = [entity(f"c{at}", income=MIDDLE, debt=1e3) for at in range(20)]
    found = decided(guardian, *rows, reserve=store.reserve)
    first = actions(found).index("block")
    # Once the only block is taken a nudge is certain, whether or not a block was tried before it.
    propensities = [decision.row.propensity for decision in found.by_row.values()]
    assert propensities[: first + 1] == [0.25] * first + [0.75]
    assert propensities[first + 1 :] == [1.0] * (19 - first)
    store.close()


def test_rows_of_one_unit_in_one_call_share_its_limits(catalog: Catalog, tmp_path: Path) -> None:
    store = SqliteLimits(tmp_path / "limits.sqlite")
    rows = [entity(id_, income=HIGH, debt=10.0) for id_ in ("a", "a", "b", "a")]
    found = decided(served(policy(more=ONCE), catalog), *rows, reserve=store.reserve)
    assert actions(found) == ["block", "none", "block", "none"]
    assert found.by_row[1].row.suppressed == (Suppressed("block", "once", "frequency"),)
    store.close()


def test_a_retry_is_granted_what_the_first_call_was(catalog: Catalog, tmp_path: Path) -> None:
    store, guardian = SqliteLimits(tmp_path / "limits.sqlite"), served(policy(more=ONCE), catalog)
    for _ in range(3):
        found = decided(guardian, entity("a", income=HIGH, debt=1.0), reserve=store.reserve, request_id="call-7")
        assert actions(found) == ["block"]
    again = decided(guardian, entity("a", income=HIGH, debt=1.0), reserve=store.reserve, request_id="call-8")
    assert actions(again) == ["none"]
    store.close()


def test_a_retry_after_a_change_of_the_policy_keeps_the_grant_alone(catalog: Catalog) -> None:
    def reserve(reservations: Sequence[Reservation], _now_us: int) -> list[Grant]:
        refused = (Refusal("gone", "once"), Refusal("block", "removed"))
        return [Grant("nudge", refused, is_repeated=True) for _ in reservations]

    found = decided(served(policy(more=ONCE), catalog), entity("a", income=MIDDLE, debt=1e3), reserve=reserve)
    assert (found.by_row[0].row.action, found.by_row[0].row.suppressed) == ("nudge", ())


def test_requests_of_other_rows_and_units_are_other_cases() -> None:
    ids = {case_id("p", request, place, unit) for request, place, unit in
           (("r", 0, "1/2"), ("r/0", 1, "2"), ("r", 0, "1"), ("r", 1, "1"), ("", 0, "1"))}  # fmt: skip
    assert len(ids) == 5


def unreachable(_reservations: Sequence[Reservation], _now_us: int) -> None:
    """A store that does not answer."""


def test_limited_actions_are_held_back_while_the_store_does_not_answer(catalog: Catalog) -> None:
    some = served(policy(more=ONCE.replace("[nudge, block]", "[block]")), catalog)
    row = decided(some, entity("a", income=MIDDLE, debt=1e3), reserve=unreachable).by_row[0]
    assert (row.row.action, row.is_uncounted) == ("nudge", True)
    assert row.row.suppressed == (Suppressed("block", "once", "unreachable"),)
    every = decided(served(policy(more=ONCE), catalog), entity("a", income=HIGH), entity("b"), reserve=unreachable)
    assert actions(every) == ["none"]
    assert every.by_row[0].row.propensity == 1.0


def test_a_policy_may_act_while_the_store_does_not_answer(catalog: Catalog) -> None:
    acting = served(policy(more=ONCE + "limits_unavailable: act\n"), catalog)
    row = decided(acting, entity("a", income=MIDDLE, debt=1e3), reserve=unreachable).by_row[0]
    assert (row.row.action, row.row.suppressed, row.is_uncounted) == ("block", (), True)


def test_what_needs_no_limits_is_decided_while_the_store_does_not_answer(catalog: Catalog) -> None:
    some = served(policy(more=ONCE.replace("[nudge, block]", "[block]")), catalog)
    row = decided(some, entity("a", income=MIDDLE), reserve=unreachable).by_row[0]
    assert (row.row.action, row.is_uncounted) == ("nudge", False)


def test_without_limits_no_store_is_asked(catalog: Catalog) -> None:
    def reserve(_reservations: Sequence[Reservation], _now_us: int) -> list[Grant]:
        raise LimitStoreError("it was asked")

    assert actions(decided(served(policy(), catalog), entity("a", income=HIGH), reserve=reserve)) == ["block"]
    quiet = 'limits: [{name: night, kind: quiet_hours, from: "00:00", to: "23:59", actions: [block]}]'
    found = decided(served(policy(more=quiet), catalog), entity("a", income=HIGH), reserve=reserve)
    assert found.by_row[0].row.suppressed == (Suppressed("block", "night", "quiet_hours"),)
    limited = served(policy(more=ONCE), catalog)
    assert actions(decided(limited, entity("a", income=LOW), reserve=reserve)) == ["none"]


def test_a_unit_in_the_control_share_gets_nothing_and_takes_no_limit(catalog: Catalog) -> None:
    def reserve(_reservations: Sequence[Reservation], _now_us: int) -> list[Grant]:
        raise LimitStoreError("nothing is to be reserved")

    control = served(policy(GUARDIAN + ONCE + "control: 100\n"), catalog)
    row = decided(control, entity("a", income=HIGH, debt=1.0), reserve=reserve).by_row[0].row
    assert (row.action, row.withheld, row.is_control, row.cost) == ("none", "block", True, 0.0)
    assert (row.propensity, row.channel, row.language) == (1.0, "", "")


def test_messages_are_in_the_language_that_was_asked_for(catalog: Catalog) -> None:
    guardian = served(policy(), catalog)
    asked = entity("a", income=MIDDLE, debt=2.5, context={"channel": "x"})
    written = {
        language: decided(guardian, asked, asked=Asked(language=language, channel="email")).by_row[0]
        for language in ("", "de-AT", "fr")
    }
    assert {each.row.action for each in written.values()} == {"nudge"}
    assert [each.message.text for each in written.values()] == ["You owe 2.5.", "Es fehlen 2,5.", "You owe 2.5."]
    assert [each.row.language for each in written.values()] == ["en", "de", "en"]


def test_a_missing_unit_is_an_error_of_its_row(catalog: Catalog) -> None:
    guardian = served(policy(GUARDIAN.replace("salt: test", "salt: test\nunit: context.customer") + ONCE), catalog)
    with_unit = entity("a", income=HIGH, debt=1.0, context={"customer": "c-1"})
    found = decided(guardian, with_unit, entity("b", income=HIGH, debt=1.0))
    assert actions(found) == ["block"]
    assert found.by_row[0].proposal.wanted
    assert list(found.by_row) == [0]


def test_the_score_of_a_second_model_is_an_effect(catalog: Catalog) -> None:
    text = GUARDIAN.replace("effect: {reduces: 0.5}, channel: email", "effect: {uplift: uplift@1}")
    guardian = served(policy(text), catalog, {"uplift@1": "uplift@1"})
    found = decided(guardian, entity("a", income=MIDDLE, debt=0.0), entity("b", income=MIDDLE, debt=None))
    first = found.by_row[0]
    assert first.row.action == "nudge"
    assert first.row.expected_value == pytest.approx(20 * 0.5 - 0.5)
    broken = served(policy(text), catalog, {"uplift@1": "uplift@1"})
    object.__setattr__(broken.uplifts["uplift@1"], "run", None)
    lost = decided(broken, entity("a", income=MIDDLE, debt=0.0)).by_row[0]
    assert [(left.action, left.by) for left in lost.proposal.left_out] == [("nudge", "uplift.uplift@1")]


def test_a_second_model_that_fails_for_a_row_gives_the_effects_of_the_others(registry: Registry) -> None:
    publish_linear(registry, "linear", (1.0, 0, 0), aliases=("champion",))
    publish_linear(registry, "fragile", (1.0, 0, 0), aliases=("champion",), model_bytes=fragile_model())
    apply(registry, ROUTE + "fallback: fragile@champion\n")
    text = GUARDIAN.replace("effect: {reduces: 0.5}, channel: email", "effect: {uplift: fragile@1}")
    guardian = served(policy(text.replace("{gte: 0.8}", "{gte: 2}")), catalog_of(registry), {"fragile@1": "fragile@1"})
    found = decided(guardian, *(entity(f"c{at}", income=income) for at, income in enumerate((1.0, 12.0, 1.0))))
    assert actions(found) == ["nudge", "none", "nudge"]
    assert found.by_row[0].row.expected_value == pytest.approx(20 / (1 + np.exp(-1.0)) - 0.5, abs=1e-5)


def test_an_unknown_feature_is_still_refused(catalog: Catalog) -> None:
    guardian = served(policy(), catalog)
    found = decided(guardian, entity("a", income=HIGH), entity("b", income=1e39))
    assert list(found.by_row) == [0]
    assert {feature.name for feature in FEATURES} == {"income", "age", "debt"}
    assert ErrorReason.MISSING_UNIT in set(ErrorReason)


def test_messages_name_the_reasons_of_the_score(registry: Registry) -> None:
    publish_linear(registry, "linear", WEIGHTS, aliases=("champion",), more=reason_file())
    apply(registry)
    catalog = catalog_of(registry)
    text = GUARDIAN.replace("{{ feature.debt | default(0) | number }}.", "{{ reasons[0].text | default('nothing') }}")
    guardian = served(policy(text.replace("otherwise, action: none", "otherwise, action: nudge")), catalog)
    rows = [entity("a", income=-3.0, age=60), entity("b", income=-9.0)]
    found = decided(guardian, *rows)
    assert found.by_row[0].message.text == "You owe income (-3) lowers the score"
    assert sorted(found.reasons) == [0, 1]
    german = decided(guardian, rows[0], asked=Asked(language="de"))
    assert german.by_row[0].message.text == "Es fehlen income (-3) senkt den Score"


def test_a_version_without_explanations_costs_no_message(catalog: Catalog) -> None:
    text = GUARDIAN.replace("{{ feature.debt | default(0) | number }}.", "{{ reasons[0].text | default('nothing') }}")
    found = decided(served(policy(text), catalog), entity("a", income=MIDDLE))
    assert (found.by_row[0].message.text, found.reasons) == ("You owe nothing", {})
