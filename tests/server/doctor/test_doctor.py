"""``scoreline doctor`` names what is wrong, says what to do, and fails only for what does not work."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from scoreline_registry.registry import Registry
from scoreline_registry.storage import local_folder
from scoreline_server.app import Server
from scoreline_server.doctor import checks, machine
from scoreline_server.doctor.findings import Verdict
from tests.server.routes import apply
from tests.server.toys import publish_linear

NOON = 1_900_000_000.0


def verdicts(*arguments: str) -> tuple[int, dict[str, str], str]:
    """The exit code, each check's verdict, and everything that was printed."""
    done = subprocess.run(
        [sys.executable, "-m", "scoreline", "doctor", "--json", *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    findings = json.loads(done.stdout)["findings"]
    return done.returncode, {finding["check"]: finding["verdict"] for finding in findings}, done.stdout


def test_a_healthy_registry_and_server_pass(registry: Registry, tmp_path: Path, server: Server) -> None:
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    code, found, text = verdicts("--registry", str(tmp_path / "registry"), "--server", server.address, "--ops", "off")
    assert code == 0, text
    checks = ("versions", "grpcio core", "locale", "shared ports", "folder", "registry", "clock", "server")
    assert {found[check] for check in checks} == {"ok"}
    assert "2 revisions" in text


def test_an_absent_registry_and_a_silent_server_fail_with_what_to_do(tmp_path: Path) -> None:
    code, found, text = verdicts(
        "--registry", str(tmp_path / "none"), "--server", "127.0.0.1:1", "--ops", "127.0.0.1:1"
    )
    assert code == 1
    assert (found["registry"], found["server"], found["ops port"]) == ("fail", "fail", "warn")
    assert "scoreline init" in text
    assert "is it running" in text


def test_a_changed_past_fails(registry: Registry, tmp_path: Path) -> None:
    publish_linear(registry, "linear", aliases=("champion",))
    apply(registry)
    first = tmp_path / "registry/revisions/00000001.json"
    first.chmod(0o644)
    first.write_bytes(first.read_bytes().replace(b"publish linear", b"publish lynear"))
    (finding,) = checks.registry_findings(str(tmp_path / "registry"))
    assert finding.verdict is Verdict.FAIL
    assert "00000001" in finding.detail


def test_a_refused_version_is_a_warning(registry: Registry, server: Server) -> None:
    publish_linear(registry, "linear", golden_shift=0.5, aliases=("champion",))
    server.watcher.refresh()
    findings = {finding.check: finding for finding in checks.server_findings(server.address)}
    assert findings["server"].verdict is Verdict.OK
    assert findings["model"].verdict is Verdict.WARN
    assert "golden rows differ" in findings["model"].detail


@pytest.mark.parametrize(
    ("now", "newest", "verdict"),
    [(NOON, NOON - 5, "ok"), (NOON, None, "ok"), (NOON, NOON + 59, "ok"), (NOON, NOON + 61, "fail"), (0, None, "fail")],
)
def test_a_clock_behind_the_registry_fails(now: float, newest: float | None, verdict: str) -> None:
    assert checks.clock(now, newest).verdict == verdict


def test_a_folder_that_everyone_may_write_is_a_warning(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    assert checks.rights(tmp_path).verdict is Verdict.WARN
    tmp_path.chmod(0o700)
    assert checks.rights(tmp_path).verdict is Verdict.OK


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_this_user_cannot_read_fails(tmp_path: Path) -> None:
    tmp_path.chmod(0)
    assert checks.rights(tmp_path).verdict is Verdict.FAIL
    tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    ("limit", "verdict"), [(100, "fail"), (512, "warn"), (4096, "ok"), (resource.RLIM_INFINITY, "ok")]
)
def test_few_open_files_are_a_finding(limit: int, verdict: str) -> None:
    assert machine.open_files(limit).verdict == verdict


@pytest.mark.parametrize(("limit", "verdict"), [("32\n", "fail"), ("100\n", "warn"), ("4096\n", "ok"), ("max\n", "ok")])
def test_few_threads_are_a_finding(limit: str, verdict: str) -> None:
    assert machine.threads(limit).verdict == verdict


@pytest.mark.parametrize(("encoding", "verdict"), [("UTF-8", "ok"), ("utf8", "ok"), ("ANSI_X3.4-1968", "fail")])
def test_text_must_be_utf8(encoding: str, verdict: str) -> None:
    assert machine.text_encoding(encoding).verdict == verdict


@pytest.mark.parametrize(
    ("registry", "folder"),
    [("a/b", Path("a/b")), ("file:///a/b%20c", Path("/a/b c")), ("s3://bucket/models", None), ("memory://x", None)],
)
def test_only_a_registry_on_this_machine_has_a_folder(registry: str, folder: Path | None) -> None:
    assert local_folder(registry) == folder
