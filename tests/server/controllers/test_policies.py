"""What the journal teaches policies is committed as revisions, and stays while nothing new is learned."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from scoreline_registry.decisions.specs.policy_file import read_policy
from scoreline_registry.history.changes import Change
from scoreline_registry.history.commits import Commit
from scoreline_registry.history.policy_changes import RemovePolicy, SetCuts
from scoreline_registry.registry import Registry
from scoreline_server.controllers.assembly import runner_of
from scoreline_server.controllers.counting import Uncounted
from scoreline_server.controllers.policy_controller import AUTHOR, PolicyController
from tests.server.analysis.decisions.guardian import world
from tests.server.analysis.decisions.test_learning import GUARDIAN
from tests.server.analysis.rows import DAY, START, write_outcomes, write_rows
from tests.server.routes import apply
from tests.server.toys import publish_linear

NOW = datetime.fromtimestamp((START + 20 * DAY) / 10**9, UTC)


class Counted(Uncounted):
    """Remembers the policies that were revised."""

    def __init__(self) -> None:
        self.policies: list[str] = []

    def policy_revised(self, policy: str) -> None:
        """Remembers it."""
        self.policies.append(policy)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of 4,000 decisions and their outcomes."""
    folder = tmp_path_factory.mktemp("journal")
    made = world(4_000, units=4_000)
    write_rows(folder, made.rows)
    write_outcomes(folder, "returned", made.returned, ids=made.rows.call_ids, observed_at=np.asarray(made.rows.times))
    return folder


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A registry whose revision 3 has the policy that decided."""
    registry = Registry.create(str(tmp_path / "registry"), clock=lambda: NOW)
    publish_linear(registry, "linear", (1.0, 0, 0), aliases=("champion",))
    apply(registry)
    done = registry.apply_policy(read_policy(GUARDIAN, source="guardian"), author="tester", message="apply")
    assert done.revision == 3
    return registry


def controller(registry: Registry, folder: Path, counted: Counted | None = None) -> PolicyController:
    return PolicyController(registry, [folder], counting=counted or Counted())


def test_what_is_learned_is_committed_and_stays(registry: Registry, journal: Path) -> None:
    counted = Counted()
    assert controller(registry, journal, counted).look() == ["guardian"]
    policy = registry.latest().policies["guardian"]
    assert policy.cut_values["top"] == pytest.approx(0.95, abs=0.02)
    assert policy.cuts_state["top"].at == NOW
    assert policy.effects_state is not None
    assert policy.effects_state.effects["block"].mean == pytest.approx(0.5, abs=0.15)
    cuts, effects = list(registry.history(2))[::-1]
    assert (cuts.author, effects.author) == (AUTHOR, AUTHOR)
    assert cuts.message.splitlines()[0] == "cuts best, top from the journal"
    assert "top: 0.5 to 0.9" in cuts.message
    assert "block: 0.4" in effects.message or "block: 0.5" in effects.message
    assert counted.policies == ["guardian"] * 2
    assert controller(registry, journal).look() == []
    assert registry.latest().revision == 5


def test_the_journal_is_read_once_a_period(registry: Registry, journal: Path) -> None:
    now = 1_000.0
    looking = PolicyController(registry, [journal], monotonic=lambda: now, every_seconds=60)
    assert looking.look() == ["guardian"]
    reset = registry.latest().policies["guardian"].cuts_state["top"].model_copy(update={"value": 0.1})
    registry.commit(SetCuts("guardian", {"top": reset}), author="tester", message="move")
    now += 59
    assert looking.look() == []
    now += 2
    assert looking.look() == ["guardian"]
    assert registry.latest().policies["guardian"].cut_values["top"] > 0.9


def test_a_rollback_is_learned_anew(registry: Registry, journal: Path) -> None:
    controller(registry, journal).look()
    learned = registry.latest().policies["guardian"].cut_values
    text = GUARDIAN.replace("share: 0.05", "share: 0.1")
    registry.apply_policy(read_policy(text, source="guardian"), author="tester", message="more")
    changed = registry.latest().policies["guardian"]
    assert changed.cut_values["top"] == 0.5
    assert changed.cut_values["best"] == learned["best"]
    assert controller(registry, journal).look() == ["guardian"]
    assert registry.latest().policies["guardian"].cut_values["top"] == pytest.approx(0.9, abs=0.02)


class Overtaken(Registry):
    """A registry in which somebody else removes the policy before each commit of the controller."""

    def commit(
        self, change: Change, *, author: str, message: str, if_match: str | None = None, dry_run: bool = False
    ) -> Commit:
        """Removes the policy first."""
        if author == AUTHOR:
            super().commit(RemovePolicy("guardian"), author="tester", message="remove")
        return super().commit(change, author=author, message=message, if_match=if_match, dry_run=dry_run)


def test_a_policy_that_changed_meanwhile_is_left_alone(registry: Registry, journal: Path) -> None:
    overtaken = Overtaken.open(registry.storage, clock=lambda: NOW)
    counted = Counted()
    assert controller(overtaken, journal, counted).look() == []
    assert "guardian" not in registry.latest().policies
    assert not counted.policies


def test_policies_that_learn_nothing_are_not_looked_at(registry: Registry, tmp_path: Path) -> None:
    fixed = (
        "{policy: fixed, route: credit, actions: {nudge: {cost: 1}}, strategies: {usual: {rules: "
        "[{name: all, action: nudge}]}}}"
    )
    registry.commit(RemovePolicy("guardian"), author="tester", message="remove")
    registry.apply_policy(read_policy(fixed, source="fixed"), author="tester", message="apply")
    # The folder is not there: reading it would raise.
    assert controller(registry, tmp_path / "missing").look() == []


def test_the_controllers_process_looks_at_policies(registry: Registry, journal: Path) -> None:
    counted = Counted()
    runner_of(registry, [journal], counting=counted).look()
    assert counted.policies == ["guardian"] * 2


def test_a_policy_without_decisions_stays(registry: Registry, tmp_path: Path) -> None:
    made = world(200, units=200)
    write_rows(tmp_path / "journal", replace(made.rows, policy="other"))
    assert controller(registry, tmp_path / "journal").look() == []
    assert registry.latest().revision == 3
