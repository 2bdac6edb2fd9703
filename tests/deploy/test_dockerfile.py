"""What the Dockerfile promises, read from it without building it."""

import re
import tomllib
from pathlib import Path

import pytest

from scoreline.cli.commands import COMMANDS
from scoreline.version import __version__
from scoreline_server.settings import Settings
from tests.deploy.dockerfile import Stage, read_stages

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
BUILD, IMAGE = read_stages(DOCKERFILE)


@pytest.mark.parametrize("stage", [BUILD, IMAGE], ids=["build", "image"])
def test_both_stages_stand_on_the_same_base(stage: Stage) -> None:
    assert stage.base == "${DEBIAN}"


def test_everything_copied_from_the_repository_exists_and_reaches_the_engine() -> None:
    sent = set(re.findall(r"^!(\S+)$", (DOCKERFILE.parent / "Dockerfile.dockerignore").read_text(), re.MULTILINE))
    copied = {source for one in BUILD.all("COPY") for source in one.words[:-1]}
    assert copied == sent
    assert all((ROOT / source).exists() for source in copied)


def test_everything_that_the_wheel_is_made_of_is_copied() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {Path(path).parts[0] for path in (*wheel["packages"], *wheel["force-include"])}
    assert needed <= {source for one in BUILD.all("COPY") for source in one.words[:-1]}


def test_the_image_itself_copies_only_from_the_build_stage() -> None:
    assert {one.flags["from"] for one in IMAGE.all("COPY")} == {BUILD.name}


def test_only_the_server_extra_is_installed_and_at_the_versions_of_the_constraints() -> None:
    (install,) = [one.value for one in BUILD.all("RUN") if "pip --python" in one.value]
    assert re.findall(r"'\.\[(.*?)\]'", install) == ["server"]
    assert "-c constraints.txt" in install
    assert not [one for one in IMAGE.all("RUN") if "pip" in one.value]


def test_it_runs_as_a_user_of_its_own_by_number() -> None:
    user, _, group = IMAGE.last("USER").value.partition(":")
    assert user.isdigit() and group.isdigit() and "0" not in (user, group)  # noqa: PT018  one fact
    assert any(f"useradd --uid {user} --gid {group} " in one.value for one in IMAGE.all("RUN"))


def test_the_entry_point_serves_without_a_shell_between_it_and_sigterm() -> None:
    assert (IMAGE.last("ENTRYPOINT").words, IMAGE.last("CMD").words) == (["scoreline"], ["serve"])
    assert IMAGE.last("STOPSIGNAL").value == "SIGTERM"


def test_the_health_check_is_a_command_of_the_product() -> None:
    program, command = re.findall(r'"(\w+)"', IMAGE.last("HEALTHCHECK").value)
    assert program == "scoreline"
    assert command in COMMANDS


def test_every_variable_is_a_setting_and_ports_are_exposed(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = IMAGE.pairs("ENV")
    assert environment["LANG"] == environment["LC_ALL"] == "en_US.UTF-8"
    ours = {name: value for name, value in environment.items() if name.startswith("SCORELINE_")}
    assert {name.removeprefix("SCORELINE_").lower() for name in ours} <= Settings.model_fields.keys()
    for name, value in ours.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    ports = [address.rpartition(":")[2] for address in (settings.listen, settings.ops_listen)]
    assert list(IMAGE.last("EXPOSE").words) == ports
    assert IMAGE.last("VOLUME").value == settings.journal_dir


def test_the_labels_say_what_it_is_and_which_version() -> None:
    assert IMAGE.pairs("ARG")["VERSION"] == __version__
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in IMAGE.pairs("LABEL").items()}
    assert labels.keys() == {"title", "description", "version", "licenses"}
    assert labels["version"] == "${VERSION}"


def test_the_locale_that_is_set_is_one_that_was_made() -> None:
    assert any("localedef -i en_US -f UTF-8 en_US.UTF-8" in one.value for one in BUILD.all("RUN"))
    assert any(one.words[0].endswith("locale-archive") for one in IMAGE.all("COPY"))


def test_no_file_of_the_image_names_a_package_index() -> None:
    assert not re.search(r"https?://", DOCKERFILE.read_text())
