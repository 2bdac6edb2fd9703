"""Every command of README.md and docs/ runs, here or in the test that is named for it."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.benchmarks.processes import free_port
from tests.docs import stages
from tests.docs.pages import PAGES, ROOT, Block, blocks
from tests.docs.walks import Walk, not_printed, run, run_script

QUICK = (
    Walk("CONTRIBUTING.md"),
    Walk("README.md", ["Try it", "Install"]),
    Walk("docs/guides/clients.md", ["Without this client"], python=False),
    Walk("docs/guides/deploy.md", ["The test of the image"]),
    Walk("docs/guides/experiments.md", prepare=stages.registry_with_two_versions),
    Walk("docs/guides/install.md"),
    Walk("docs/guides/journal.md", prepare=stages.journal_with_rows),
    Walk("docs/guides/operations.md", ["Operate a server"], prepare=stages.registry_with_a_past),
    Walk("docs/guides/outcomes.md", prepare=stages.scored_rows_with_labels),
    Walk("docs/guides/replay.md", prepare=stages.journal_of_two_revisions),
    Walk("docs/guides/routes.md", prepare=stages.route_with_an_experiment),
    Walk("docs/reference/settings.md", prepare=stages.registry_with_a_past),
    Walk("docs/guides/tls.md", prepare=stages.registry_with_a_past),
)
REAL_DATA = ["Real borrowers"] if os.environ.get("SCORELINE_DATA") else []
LONG = (
    Walk(
        "docs/guides/own-models.md",
        ["Publish your own scikit-learn, LightGBM or PyTorch model", "scikit-learn", "LightGBM"],
    ),
    Walk(
        "docs/guides/profiles.md",
        [
            "Define a profile",
            "Change a profile",
            "Import a file",
            "Backfill the past, rebuild after a change",
            "Look inside",
            "Forget an entity",
        ],
        prepare=stages.files_of_purchases,
    ),
    Walk("docs/guides/registry.md", prepare=stages.registry_with_a_past, moved=["/srv"]),
    Walk(
        "docs/guides/training-tables.md",
        ["Training tables of several files", "Event logs"],
        prepare=stages.files_of_loans_and_orders,
    ),
    Walk("docs/guides/publishing.md", prepare=stages.models_from_elsewhere, moved=["/models"]),
    Walk("docs/guides/migrating.md", prepare=stages.repository_of_another_server, moved=["/models"]),
    Walk("docs/explanation/performance.md"),
    Walk("docs/benchmarks.md"),
    Walk("README.md", ["Quickstart"]),
    Walk("docs/guides/own-models.md", ["Publish your own scikit-learn, LightGBM or PyTorch model", "PyTorch"]),
    Walk("docs/guides/reports.md"),
    Walk("docs/reference/model-card.md"),
    Walk("docs/guides/training-in-python.md"),
    Walk("docs/tutorials/experiment.md"),
    Walk("docs/tutorials/guardian.md"),
    Walk("docs/tutorials/own-table.md"),
    Walk(
        "docs/tutorials/quickstart.md", ["A registry and two models", "A route", "Scores", "A new champion", *REAL_DATA]
    ),
)
ELSEWHERE: Mapping[tuple[str, str], str] = {
    ("docs/guides/comparison.md", "Compare arms and shadows"): "tests/server/analysis/test_compare_command.py",
    ("docs/guides/comparison.md", "Over gRPC and from Python"): "tests/server/analysis/test_comparisons_rpc.py",
    ("docs/guides/decisions.md", "Decisions"): "tests/e2e/test_decisions.py",
    ("docs/guides/decisions.md", "Write a policy"): "tests/registry/commands/test_policy_commands.py",
    ("docs/guides/decisions.md", "Preview a policy"): "tests/registry/commands/test_policy_preview.py",
    ("docs/guides/learning-from-decisions.md", "Learn which actions work"): "tests/e2e/test_learning.py",
    ("docs/guides/learning-from-decisions.md", "Report outcomes of decisions"): "tests/e2e/test_learning.py",
    ("docs/explanation/extending.md", "A storage backend"): "tests/docs/test_extending.py",
    ("docs/guides/explaining.md", "Explain scores"): "tests/trainers/commands/test_explaining.py",
    ("docs/guides/reasons.md", "Ask for reasons"): "tests/e2e/test_reasons.py",
    (
        "docs/guides/reasons.md",
        "Reasons of a score that was answered already",
    ): "tests/server/analysis/replay/test_reasons.py",
    (
        "docs/guides/recourse.md",
        "Recourse: the cheapest change that reaches a band",
    ): "tests/server/rpc/test_changes.py",
    ("docs/guides/recourse.md", "What-if: which intervention is worth its cost"): "tests/server/rpc/test_changes.py",
    ("docs/guides/recourse.md", "A campaign over a file"): "tests/server/rpc/test_changes.py",
    ("docs/guides/own-family.md", "Add a model family of your own"): "tests/trainers/test_own_family.py",
    ("docs/guides/own-family.md", "Test it"): "tests/trainers/test_own_family.py",
    ("docs/guides/bento.md", "A Bento"): "tests/deploy/test_bento.py",
    ("docs/guides/clients.md", "Go"): "tests/clients/cli/test_stubs.py",
    ("docs/guides/clients.md", "Java"): "tests/clients/cli/test_stubs.py",
    ("docs/guides/clients.md", "Node"): "tests/conformance/test_node.py",
    ("docs/guides/deploy.md", "A container"): "tests/deploy/test_image.py",
    ("docs/guides/kubernetes.md", "Before"): "tests/deploy/test_kubernetes.py",
    ("docs/tutorials/quickstart.md", "Real borrowers"): "tests/e2e/test_real_data.py",
    ("docs/reference/recipes.md", "Recipes"): "tests/trainers/training/test_recipe_docs.py",
    ("docs/reference/recipes.md", "A new segment from a few rows"): "tests/e2e/test_adapt.py",
}
"""What runs in a test of its own, by page and heading: with another program, in an image, on data not everyone has."""

COMMANDS = [block for page in PAGES for block in blocks(page) if block.language == "console"]
PYTHON = [block for page in PAGES for block in blocks(page) if block.language == "python"]


def place(block: Block) -> str:
    return f"{block.page}: {block.heading}"


@pytest.mark.parametrize("walk", QUICK, ids=lambda walk: walk.page)
def test_the_commands_of_a_page_run(walk: Walk, tmp_path: Path) -> None:
    done = run(walk, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not_printed(walk.outputs(), done.stdout) == [], done.stdout


@pytest.mark.acceptance
@pytest.mark.parametrize("walk", LONG, ids=lambda walk: walk.page)
def test_the_long_commands_of_a_page_run(walk: Walk, tmp_path: Path) -> None:
    done = run(walk, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not_printed(walk.outputs(), done.stdout) == [], done.stdout


@pytest.mark.parametrize(
    "script",
    [
        "false\ntrue",
        "scoreline models show credit\ntrue",
        "echo 'not: a route' | scoreline route apply -\ntrue",
        "scoreline serve\ntrue",
        "make nothing\ntrue",
        'make bench BENCH="--nothing"\ntrue',
        "scoreline journal tail -f nowhere\ntrue",
    ],
)
def test_a_page_fails_with_the_first_of_its_commands_that_fails(script: str, tmp_path: Path) -> None:
    done = run_script(script, tmp_path, f"127.0.0.1:{free_port()}")
    assert done.returncode != 0
    assert "+ true" not in done.stderr


def test_an_output_that_no_command_prints_is_seen() -> None:
    assert not_printed(["revision 7, 2 routes"], "revision 12,  3 routes\n") == []
    assert not_printed(["revision 7, 2 routes"], "revision 12\n") == ["revision 7, 2 routes"]


@pytest.mark.parametrize("block", COMMANDS, ids=place)
def test_no_block_of_commands_is_left_out(block: Block) -> None:
    elsewhere = ELSEWHERE.get((block.page, block.heading))
    assert elsewhere or any(walk.covers(block) for walk in (*QUICK, *LONG)), "run it: add it to a Walk of this file"
    assert elsewhere is None or (ROOT / elsewhere).is_file()


@pytest.mark.parametrize("block", PYTHON, ids=place)
def test_no_python_is_left_out(block: Block) -> None:
    # Every recipe of that page runs in tests/clients/test_docs.py.
    elsewhere = block.page == "docs/guides/clients.md" or (block.page, block.heading) in ELSEWHERE
    assert elsewhere or any(walk.covers(block) for walk in (*QUICK, *LONG))


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_it_is(page: str) -> None:
    known = {"console", "python", "yaml", "js", "java", "go", "text", "toml", "json"}
    assert {block.language for block in blocks(page)} <= known


def test_extras_that_the_pages_install_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {
        name
        for path in PAGES.values()
        for names in re.findall(r"scoreline\[([\w,]+)\]", path.read_text())
        for name in names.split(",")
    }
    assert named <= extras.keys()
    page = PAGES["docs/guides/install.md"].read_text()
    assert all(f"`scoreline[{name}]`" in page for name in extras if name not in {"registry", "dev", "docs"})


def test_links_between_pages_lead_somewhere() -> None:
    for path in PAGES.values():
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_paths_in_the_repository_that_pages_name_are_there() -> None:
    for path in PAGES.values():
        named = re.findall(
            r"`((?:clients|registry|server|trainers|tests|protos|docs|deploy)/[\w./-]+)`", path.read_text()
        )
        assert [name for name in named if not (ROOT / name).exists()] == [], path.name


def test_the_site_has_every_page() -> None:
    navigation = (ROOT / "zensical.toml").read_text()
    pages = [str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if page not in navigation and not page.startswith("adr/0")] == []
