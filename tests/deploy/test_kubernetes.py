"""What the Kubernetes manifests promise, read from them and compared with the image and the settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from scoreline.version import __version__
from scoreline_server.processes.ops import application
from scoreline_server.processes.worker_pool import WorkerPool
from scoreline_server.settings import Settings
from tests.deploy.test_dockerfile import IMAGE

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
FILES = sorted(FOLDER.glob("*.yaml"))
KUSTOMIZATION: Mapping[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
DOCUMENTS: Mapping[str, Any] = {
    document["kind"]: document for file in FILES for document in yaml.safe_load_all(file.read_text())
}
POD: Mapping[str, Any] = DOCUMENTS["StatefulSet"]["spec"]["template"]
(CONTAINER,) = POD["spec"]["containers"]
ENVIRONMENT = {entry["name"]: entry["value"] for entry in CONTAINER["env"]}
PORTS = {port["name"]: str(port["containerPort"]) for port in CONTAINER["ports"]}
LABELS = {"app.kubernetes.io/name": "scoreline"}


def test_the_kustomization_lists_every_manifest() -> None:
    assert {*KUSTOMIZATION["resources"], "kustomization.yaml"} == {file.name for file in FILES}
    assert len(DOCUMENTS) == len(FILES), "one document per file, one of each kind"


def test_the_image_is_the_one_that_the_kustomization_renames() -> None:
    (image,) = KUSTOMIZATION["images"]
    assert (image["name"], image["newTag"]) == (CONTAINER["image"], __version__)


def test_every_selector_selects_the_pods() -> None:
    assert POD["metadata"]["labels"] == LABELS
    assert DOCUMENTS["StatefulSet"]["spec"]["selector"]["matchLabels"] == LABELS
    assert DOCUMENTS["Service"]["spec"]["selector"] == LABELS
    assert DOCUMENTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == LABELS
    assert DOCUMENTS["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == LABELS


def test_ports_are_those_of_the_image() -> None:
    image = IMAGE.pairs("ENV")
    listens = [image["SCORELINE_LISTEN"], image["SCORELINE_OPS_LISTEN"]]
    assert [PORTS["grpc"], PORTS["ops"]] == [address.rpartition(":")[2] for address in listens]
    (port,) = DOCUMENTS["Service"]["spec"]["ports"]
    assert (str(port["port"]), port["targetPort"]) == (PORTS["grpc"], "grpc")
    assert POD["metadata"]["annotations"]["prometheus.io/port"] == PORTS["ops"]


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_probes_ask_pages_that_the_ops_port_has(probe: str) -> None:
    pages = {getattr(route, "path", "") for route in application(_no_workers, lambda _: b"").routes}
    asked = CONTAINER[probe]["httpGet"]
    assert (asked["path"] in pages, asked["port"]) == (True, "ops")


def test_every_variable_is_a_setting_that_the_server_reads() -> None:
    values = {name.removeprefix("SCORELINE_").lower(): value for name, value in ENVIRONMENT.items()}
    assert values.keys() <= Settings.model_fields.keys()
    Settings.model_validate(values)


def test_a_pod_has_time_to_drain() -> None:
    drain = float(ENVIRONMENT["SCORELINE_DRAIN_DELAY_SECONDS"]) + float(ENVIRONMENT["SCORELINE_DRAIN_SECONDS"])
    assert POD["spec"]["terminationGracePeriodSeconds"] >= drain + 10


def test_the_user_and_the_volumes_are_those_of_the_image() -> None:
    context = POD["spec"]["securityContext"]
    assert f"{context['runAsUser']}:{context['runAsGroup']}" == IMAGE.last("USER").value
    mounts = {mount["mountPath"]: mount for mount in CONTAINER["volumeMounts"]}
    image = IMAGE.pairs("ENV")
    assert mounts[image["SCORELINE_REGISTRY"]]["readOnly"] is True
    assert mounts[image["SCORELINE_JOURNAL_DIR"]].get("readOnly", False) is False
    claimed = {template["metadata"]["name"] for template in DOCUMENTS["StatefulSet"]["spec"]["volumeClaimTemplates"]}
    assert {mount["name"] for mount in mounts.values()} == claimed | {each["name"] for each in POD["spec"]["volumes"]}


def test_the_container_has_no_rights_that_it_does_not_need() -> None:
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert POD["spec"]["securityContext"]["runAsNonRoot"] is True
    assert POD["spec"]["automountServiceAccountToken"] is False


def _no_workers() -> WorkerPool:
    raise AssertionError("no page is asked")
