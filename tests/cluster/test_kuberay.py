"""The files for Kubernetes, against the fields that KubeRay and Kubernetes know, and what we promise of them.

No server is asked: a schema of the fields in use refuses what is misspelt or in the wrong place.
"""

import copy
import json
import os
import re
import signal
import subprocess
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from jobs.report import Ending, as_json
from jobs.status import run as status_of_jobs
from jobs.stop import _PATIENCE_S as STOPPING_TAKES_S
from revsearch.stages.cluster_job import ClusterJob
from tests.cluster.shipped import CLUSTER, locked_versions, secrets_in, version

FILES = sorted((CLUSTER / "kuberay").glob("*.yaml"))
SCHEMA = json.loads((Path(__file__).parent / "kuberay-1.5.1.schema.json").read_text())
IMAGE = f"revsearch:{version()}"


def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document is not None]


ALL = [(path.name, document) for path in FILES for document in documents(path)]
by_kind = pytest.mark.parametrize("document", [pytest.param(each, id=f"{name}-{each['kind']}") for name, each in ALL])


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [document for _, document in ALL if document["kind"] == kind]


def one(kind: str) -> dict[str, Any]:
    (found,) = of_kind(kind)
    return found["spec"]  # type: ignore[no-any-return]


def problems(document: dict[str, Any]) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(SCHEMA).iter_errors(document)]


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every mapping in a document."""
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from nodes(each)
    elif isinstance(value, list):
        for each in value:
            yield from nodes(each)


def pods(document: dict[str, Any]) -> list[dict[str, Any]]:
    names = ("template", "submitterPodTemplate")
    templates = [node[name] for node in nodes(document) for name in names if name in node]
    return [template["spec"] for template in templates if "containers" in template["spec"]]


def containers(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [container for pod in pods(document) for container in pod["containers"]]


CLUSTERS = [one("RayCluster"), one("RayJob")["rayClusterSpec"]]


# Fields


@by_kind
def test_every_field_is_known(document: dict[str, Any]) -> None:
    assert problems(document) == []


@pytest.mark.parametrize(
    ("kind", "path", "wrong"),
    [
        ("RayJob", ("shutDownAfterJobFinishes",), True),
        ("RayJob", ("rayClusterSpec", "enableInTreeAutoscaling"), "yes"),
        ("RayCluster", ("authOption",), {"mode": "token"}),
        ("RayCluster", ("headGroupSpec", "template", "spec", "containers", 0, "envfrom"), []),
        ("RayCluster", ("headGroupSpec", "template", "spec", "containers", 0, "securityContext", "runAsNonroot"), True),
        ("RayCluster", ("rayVersion",), 2.6),
        ("CronJob", ("concurrencyPolicy",), "forbid"),
        ("CronJob", ("schedule",), "2 * *"),
        ("CronJob", ("jobTemplate", "spec", "backofLimit"), 3),
        ("NetworkPolicy", ("policyTypes",), ["ingress"]),
    ],
)
def test_a_misspelt_field_is_found(kind: str, path: tuple[str | int, ...], wrong: Any) -> None:
    document = copy.deepcopy(of_kind(kind)[0])
    place = document["spec"]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = wrong
    assert problems(document) != []


def test_everything_lies_in_one_namespace() -> None:
    (namespace,) = of_kind("Namespace")
    for name, document in ALL:
        if document["kind"] != "Namespace":
            assert document["metadata"]["namespace"] == namespace["metadata"]["name"], name


# Versions and images


def test_one_image_of_our_version() -> None:
    images = {container["image"] for _, document in ALL for container in containers(document)}
    assert images == {IMAGE}


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_ray_is_the_locked_one(cluster: dict[str, Any]) -> None:
    assert cluster["rayVersion"] == locked_versions()["ray"]


def test_a_job_gets_the_cluster_that_stands_elsewhere() -> None:
    assert CLUSTERS[0] == CLUSTERS[1]


# Security


@by_kind
def test_every_container_is_held_down(document: dict[str, Any]) -> None:
    autoscalers = [node["autoscalerOptions"] for node in nodes(document) if "autoscalerOptions" in node]
    for pod in pods(document):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in [*containers(document), *autoscalers]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}


@by_kind
def test_every_mounted_volume_is_there(document: dict[str, Any]) -> None:
    for pod in pods(document):
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes


@by_kind
def test_every_container_has_limits(document: dict[str, Any]) -> None:
    for container in containers(document):
        asked, most = container["resources"]["requests"], container["resources"]["limits"]
        assert asked.keys() == most.keys() >= {"cpu", "memory"}
        assert asked["memory"] == most["memory"] or container["name"] in ("submit", "ray-job-submitter")


def test_kubernetes_refuses_pods_that_are_not() -> None:
    (namespace,) = of_kind("Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_ray_asks_for_the_token(cluster: dict[str, Any]) -> None:
    assert cluster["authOptions"] == {"mode": "token"}


def test_who_submits_at_night_has_the_token_by_reference() -> None:
    (container,) = containers(of_kind("CronJob")[0])
    env = {each["name"]: each for each in container["env"]}
    assert env["RAY_AUTH_MODE"]["value"] == "token"
    cluster = of_kind("RayCluster")[0]["metadata"]["name"]
    assert env["RAY_AUTH_TOKEN"]["valueFrom"] == {"secretKeyRef": {"name": cluster, "key": "auth_token"}}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_secret_is_in_it(path: Path) -> None:
    assert secrets_in(path.read_text()) == []
    assert not [document for document in documents(path) if document["kind"] == "Secret"]


def test_nothing_is_public() -> None:
    values = {
        value for _, document in ALL for node in nodes(document) for value in node.values() if isinstance(value, str)
    }
    assert not values & {"LoadBalancer", "NodePort"}
    assert not {"Ingress", "Service"} & {document["kind"] for _, document in ALL}
    assert not [node for _, document in ALL for node in nodes(document) if node.get("enableIngress")]


def test_no_port_of_ray_is_open_to_others() -> None:
    policies = {policy["metadata"]["name"]: policy["spec"] for policy in of_kind("NetworkPolicy")}
    assert policies["nothing-comes-in"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    inside, jobs, metrics = policies["ray-among-itself"]["ingress"]
    selector = policies["ray-among-itself"]["podSelector"]
    assert inside == {"from": [{"podSelector": selector}]}
    assert jobs["ports"] == [{"protocol": "TCP", "port": 8265}]
    assert metrics["ports"] == [{"protocol": "TCP", "port": 8080}]
    (reader,) = metrics["from"]
    (label,) = reader["namespaceSelector"]["matchLabels"].items()
    assert "kubectl label namespace monitoring {}={}".format(*label) in (CLUSTER / "README.md").read_text()
    assert label not in of_kind("Namespace")[0]["metadata"]["labels"].items()
    for cluster in CLUSTERS:
        for template in (group["template"] for group in [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]):
            assert selector["matchLabels"].items() <= template["metadata"]["labels"].items()
    submitting = [one("RayJob")["submitterPodTemplate"], one("CronJob")["jobTemplate"]["spec"]["template"]]
    for template in submitting:
        assert jobs["from"][0]["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
        assert not selector["matchLabels"].items() <= template["metadata"]["labels"].items()


def test_only_the_head_talks_to_kubernetes() -> None:
    """Its autoscaler does; KubeRay gives its account that right, and we give none to anybody."""
    accounts = {account["metadata"]["name"]: account for account in of_kind("ServiceAccount")}
    used = {pod["serviceAccountName"] for _, document in ALL for pod in pods(document)}
    assert used == accounts.keys()
    silent = {name for name, account in accounts.items() if account.get("automountServiceAccountToken") is False}
    assert silent == {"revsearch-worker", "revsearch-submitter"}
    assert "annotations" not in accounts["revsearch-submitter"]["metadata"]
    assert not {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"} & {each["kind"] for _, each in ALL}


# What runs


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_it_grows_and_shrinks_and_the_head_does_no_work(cluster: dict[str, Any]) -> None:
    assert cluster["enableInTreeAutoscaling"] is True
    assert 0 < cluster["autoscalerOptions"]["idleTimeoutSeconds"] <= 900
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    for group in cluster["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] < group["maxReplicas"]
    gpus = {
        group["groupName"]: "nvidia.com/gpu" in group["template"]["spec"]["containers"][0]["resources"]["limits"]
        for group in cluster["workerGroupSpecs"]
    }
    assert gpus == {"cpu": False, "gpu": True}


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_the_object_store_has_shared_memory_to_lie_in(cluster: dict[str, Any]) -> None:
    """Ray takes 30 % of a node's memory for it, and falls back to a slow disk where /dev/shm is smaller."""
    for group in [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]:
        pod = group["template"]["spec"]
        memory = gibibytes(pod["containers"][0]["resources"]["limits"]["memory"])
        (shm,) = (volume["emptyDir"] for volume in pod["volumes"] if volume["name"] == "shm")
        assert shm["medium"] == "Memory"
        assert 0.3 * memory <= gibibytes(shm["sizeLimit"]) < 0.5 * memory


def gibibytes(quantity: str) -> float:
    assert quantity.endswith("Gi")
    return float(quantity.removesuffix("Gi"))


def test_a_job_ends_and_so_does_its_cluster() -> None:
    job = one("RayJob")
    assert job["shutdownAfterJobFinishes"] is True
    assert job["activeDeadlineSeconds"] > 0
    assert job["ttlSecondsAfterFinished"] > 0


def test_one_job_a_night() -> None:
    nightly = one("CronJob")
    assert nightly["concurrencyPolicy"] == "Forbid"
    assert nightly["startingDeadlineSeconds"] > 0
    assert nightly["successfulJobsHistoryLimit"] + nightly["failedJobsHistoryLimit"] <= 10
    job = nightly["jobTemplate"]["spec"]
    assert 0 < job["activeDeadlineSeconds"] < 24 * 3600
    ignored, failed = job["podFailurePolicy"]["rules"]
    assert (ignored["action"], failed["action"]) == ("Ignore", "FailJob")
    assert ignored["onPodConditions"] == [{"type": "DisruptionTarget"}]
    assert 143 in failed["onExitCodes"]["values"]  # a job that somebody stopped is not started again
    assert not {1, 2, 130, 137} & set(failed["onExitCodes"]["values"])
    pod = job["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > STOPPING_TAKES_S
    (container,) = pod["containers"]
    assert failed["onExitCodes"]["containerName"] == container["name"]
    head = f"http://{of_kind('RayCluster')[0]['metadata']['name']}-head-svc:8265"
    assert {"name": "RAY_API_SERVER_ADDRESS", "value": head} in container["env"]


def told_of(id: str, status: str) -> str:
    """What `revsearch status --json --lines 0 ID` prints."""
    job = ClusterJob(id=id, submitted=True, status=status, entrypoint='echo \'"status": "FAILED", "STOPPED"\'')
    server = SimpleNamespace(job=lambda _: job, log=lambda _: '"status": "FAILED"\n')
    spec: Any = SimpleNamespace(server=lambda: server, job=(id,), lines=0)
    return json.dumps(as_json("status", status_of_jobs(spec, None), Ending(), {}, None))  # type: ignore[arg-type]


class Night:
    """The script of a night as it stands, with programs of ours in place of those it calls."""

    ID = "revsearch-2031-02-03"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (container,) = containers(of_kind("CronJob")[0])
        self.command = [*container["command"], *container["args"]]
        self.environment = {"PATH": f"{folder}:{os.environ['PATH']}", "FOLDER": str(folder)}
        self.program("date", "echo 2031-02-03")
        self.program("sleep", "true")
        self.program(
            "revsearch",
            """
            for id; do [[ $id = revsearch-* ]] && break; done
            [ $1 = status ] && exec cat $FOLDER/$id.json
            echo $1 $id $$ >> $FOLDER/calls
            [ $1 = submit ] || exit 0
            n=$(grep -c submit $FOLDER/calls)
            cp $FOLDER/then-$n $FOLDER/$id.json
            . $FOLDER/submit-$n
            """,
        )

    def program(self, name: str, script: str) -> None:
        (self.folder / name).write_text(f"#!/bin/bash\n{textwrap.dedent(script)}\n")
        (self.folder / name).chmod(0o755)

    def before(self, number: int, status: str) -> None:
        """Let there be a job already."""
        (self.folder / f"{self.ID}-{number}.json").write_text(told_of(f"{self.ID}-{number}", status))

    def submitted(self, n: int, script: str, status: str) -> None:
        """Say what the n-th call of `submit` does, and what its job is then; no status: nobody knows of it."""
        (self.folder / f"submit-{n}").write_text(script)
        (self.folder / f"then-{n}").write_text(told_of("some", status) if status else "")

    @property
    def calls(self) -> list[tuple[str, str]]:
        """What was called, and the number of the try."""
        path = self.folder / "calls"
        words = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return [(command, id.removeprefix(f"{self.ID}-")) for command, id, _ in words]

    @property
    def pids(self) -> list[int]:
        return [int(line.split()[2]) for line in (self.folder / "calls").read_text().splitlines()]


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path)


@pytest.mark.parametrize(
    ("ends", "tries", "code"),
    [
        ([(0, "SUCCEEDED")], "1", 0),
        ([(5, "FAILED")], "1", 5),
        ([(75, "FAILED"), (0, "SUCCEEDED")], "12", 0),
        ([(75, "FAILED"), (3, "FAILED")], "12", 3),
        ([(75, "SUCCEEDED")], "1", 0),
        ([(75, "FAILED"), (75, "FAILED"), (75, "FAILED")], "123", 75),
        # The server was silent: the job may still run.
        ([(75, "RUNNING"), (0, "SUCCEEDED")], "11", 0),
        ([(75, "PENDING"), (75, "RUNNING"), (75, "FAILED"), (0, "SUCCEEDED")], "1112", 0),
        ([(75, ""), (0, "SUCCEEDED")], "11", 0),
        # Somebody stopped it.
        ([(143, "STOPPED")], "1", 143),
    ],
)
def test_a_night_is_tried_again_where_that_may_help_and_never_beside_itself(
    night: Night, ends: list[tuple[int, str]], tries: str, code: int
) -> None:
    for n, (ends_with, status) in enumerate(ends, 1):
        night.submitted(n, f"exit {ends_with}", status)
    done = subprocess.run(night.command, env=night.environment, timeout=60)
    assert done.returncode == code
    assert night.calls == [("submit", number) for number in tries]


def test_a_night_goes_on_where_a_pod_had_to_go(night: Night) -> None:
    night.before(1, "STOPPED")
    night.submitted(1, "exit 0", "SUCCEEDED")
    assert subprocess.run(night.command, env=night.environment, timeout=60).returncode == 0
    assert night.calls == [("submit", "2")]


@pytest.mark.parametrize("during", ["submit", "sleep"])
def test_a_job_ends_with_the_pod_that_has_to_go(night: Night, during: str) -> None:
    wait_for_signal = "touch $FOLDER/waits; exec /bin/sleep 60"
    night.submitted(1, wait_for_signal if during == "submit" else "exit 75", "RUNNING")
    night.program("sleep", wait_for_signal)
    pod = subprocess.Popen(night.command, env=night.environment)
    try:
        ends = time.monotonic() + 30
        while not (night.folder / "waits").exists():
            assert time.monotonic() < ends
            time.sleep(0.02)
        pod.send_signal(signal.SIGTERM)
        assert pod.wait(20) == 143
    finally:
        pod.kill()
    assert night.calls == [("submit", "1"), ("stop", "1")]
    assert not Path(f"/proc/{night.pids[0]}").exists()  # it has ended, and may not send the job after all


def test_commands_are_ones_we_have(revsearch: Any) -> None:
    (container,) = containers(of_kind("CronJob")[0])
    (nightly,) = re.findall(r" -- (run .*) &\n", re.sub(r"\\\n\s*", "", container["args"][0]))
    for command in (one("RayJob")["entrypoint"].split()[1:], nightly.split()):
        told = revsearch(command[0], *command[1:], "--k", "0")
        assert told.code == 2  # for k alone: every option is known
        assert [line for line in told.err.splitlines() if line.startswith("revsearch: --")] == [
            "revsearch: --k: expected at least 1, found 0"
        ], told.err
