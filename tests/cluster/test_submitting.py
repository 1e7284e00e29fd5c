"""Commands as jobs of a real cluster: exit codes, ids and results handed back; nothing secret on the way."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs.runtime_env import read_runtime_env
from revsearch.imaging.drawing import draw_collection
from tests.servers.cutting import cutting
from tests.servers.ray_cluster import RayCluster, ray_cluster

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CANARIES = {
    "AWS_ACCESS_KEY_ID": "CANARYID",
    "AWS_SECRET_ACCESS_KEY": "canary-secret",
    "AWS_SESSION_TOKEN": "canary-session",
    "MY_PASSWORD": "canary-password",
}
DEADLINE_S = 240.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("submitting")


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Iterator[RayCluster]:
    with ray_cluster(folder, "--num-cpus", 2) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def images(folder: Path) -> Path:
    draw_collection(folder / "images")
    return folder / "images"


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        return self.out.splitlines()[-1]

    @property
    def last_error(self) -> str:
        return self.err.splitlines()[-1]


Run = Callable[..., Ended]


@pytest.fixture(scope="module")
def run(cluster: RayCluster) -> Run:
    """Run a command as a user of the cluster: `run("status")`."""

    def run(name: str, *words: object, **changed: str | None) -> Ended:
        done = cluster.run("-m", f"jobs.{name}", *words, **changed)
        return Ended(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="module")
def there(run: Run, folder: Path, images: Path) -> dict[str, str]:
    """The ids of what a whole run made as a job, by kind; test_chain.py holds them against a run here."""
    words = ("--gallery", images, "--encoder", "color-histogram", "--store", folder / "there")
    ended = run("submit", "--json", "--", "run", *words)
    assert ended.code == 0, ended.err
    told = json.loads(ended.out)
    return {kind: told[kind] for kind in ("manifest", "embeddings", "index", "rankings")}


def test_rays_own_command_line_does_it_too(there: dict[str, str], run: Run, cluster: RayCluster, folder: Path) -> None:
    told = ray_job_submit(
        cluster, "python", "-m", "jobs.run", "--gallery", folder / "images", "--encoder", "color-histogram",
        "--store", folder / "there",
    )  # fmt: skip
    assert there["rankings"] in told.stdout.splitlines(), told.stdout
    id = re.search(r"raysubmit_\w+", told.stdout)
    assert id is not None
    shown = run("status", id[0]).out
    assert f"artifact: {there['rankings']}" in shown
    assert "exit code: 0" in shown


def ray_job_submit(cluster: RayCluster, *command: object) -> subprocess.CompletedProcess[str]:
    """Send a command as Ray's documentation says, with the repository as the working directory."""
    words = ["job", "submit", "--working-dir", ROOT, "--runtime-env", ROOT / "cluster/runtime-env.yaml", "--", *command]
    return cluster.run("-m", "ray.scripts.scripts", *words, RAY_ADDRESS=None)


def test_a_relative_store_in_a_job_is_refused(cluster: RayCluster) -> None:
    told = ray_job_submit(cluster, "python", "-m", "jobs.ls")
    assert "--store: expected an absolute path" in told.stdout
    assert "revsearch: exit=2 reason=usage" in told.stdout


def test_a_verdict_keeps_its_exit_code_and_its_artifact(run: Run, images: Path, folder: Path) -> None:
    words = ("manifest", images, "--max-reject-rate", 0, "--store", folder / "verdict")
    ended = run("submit", "--", *words)
    assert (ended.code, ended.out) == (3, ended.last + "\n")
    assert ended.last_error == f"revsearch: exit=3 reason=too_many_rejects artifact={ended.last}"
    told = json.loads(run("submit", "--json", "--", *words).out)
    assert (told["exit_code"], told["artifact"], told["error"]["reason"]) == (3, ended.last, "too_many_rejects")
    assert told["counts"]["rejected"]
    assert told["job"]["exit_code"] == 3


def test_an_error_of_the_job_is_that_of_the_command(run: Run, folder: Path) -> None:
    ended = run("submit", "--", "embed", "--manifest", "nothing", "--store", folder / "verdict")
    assert (ended.code, ended.out) == (2, "")
    assert "no manifest 'nothing'" in ended.err
    assert ended.last_error == "revsearch: exit=2 reason=missing_artifact"
    assert ended.err.count("revsearch: exit=") == 1


def test_an_id_is_run_once(run: Run, folder: Path, cluster: RayCluster) -> None:
    words = ("submit", "--submission-id", "once", "--", "ls", "--store", folder / "verdict")
    first, again = run(*words), run(*words)
    assert (first.code, first.out) == (again.code, again.out) == (0, first.out)
    assert "once is there already (SUCCEEDED)" in again.err
    other = run("submit", "--submission-id", "once", "--", "ls", "--store", folder / "there")
    assert (other.code, other.last_error) == (6, "revsearch: exit=6 reason=conflict")
    assert [job["submission_id"] for job in jobs_of(cluster)].count("once") == 1


def jobs_of(cluster: RayCluster) -> Any:
    """What the job server tells, as it is."""
    request = urllib.request.Request(f"{cluster.url}/api/jobs/", headers={"Authorization": f"Bearer {cluster.token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def test_a_job_outlives_who_watches_it_and_ends_when_it_is_stopped(
    run: Run, cluster: RayCluster, images: Path, folder: Path
) -> None:
    store = folder / "long"
    words = ("--submission-id", "long", "--", "train", "autoencoder", "--manifest", "set", "--epochs", "100000")
    shutil.copytree(folder / "verdict", store)
    made = run("submit", "--", "manifest", images, "--name", "set", "--store", store)
    assert made.code == 0, made.err
    watching = subprocess.Popen(
        [sys.executable, "-m", "jobs.submit", *words, "--store", str(store)],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=cluster.environment_with(),
    )
    read_until(watching, "Running entrypoint")
    watching.send_signal(signal.SIGINT)
    out, err = watching.communicate(timeout=60)
    assert (watching.returncode, out) == (130, "")
    assert "`revsearch status long`" in err
    assert err.endswith("revsearch: exit=130 reason=interrupted\n")

    told = json.loads(run("status", "long", "--json").out)["jobs"][0]
    assert (told["id"], told["status"]) == ("long", "RUNNING")
    (line,) = [line for line in run("status").out.splitlines() if line.startswith("long  ")]
    assert "  RUNNING  " in line
    assert run("stop", "long").out == "long  STOPPED\n"
    assert "revsearch: exit=143 reason=terminated" in run("status", "long").out, "it did not end by itself"
    ended = run("submit", *words, "--store", store)
    assert (ended.code, ended.last_error) == (143, "revsearch: exit=143 reason=job_stopped")


def test_a_job_that_is_stopped_has_more_time_than_ray_gives(run: Run, cluster: RayCluster) -> None:
    """Of its own Ray kills it after 3 s."""
    slow = "trap 'sleep 5; echo kept; exit 143' TERM; echo up; while :; do sleep 0.1; done"
    envs = (read_runtime_env(None, {}), yaml.safe_load((ROOT / "cluster/runtime-env.yaml").read_text()))
    for place, env in enumerate(envs):
        given = ("--submission-id", f"slow-{place}", "--runtime-env-json", json.dumps({"env_vars": env["env_vars"]}))
        words = ("job", "submit", "--no-wait", *given, "--", "bash", "-c", slow)
        sent = cluster.run("-m", "ray.scripts.scripts", *words, RAY_ADDRESS=None)
        assert sent.returncode == 0, sent.stderr
    ids = [f"slow-{place}" for place in range(len(envs))]
    ends = time.monotonic() + DEADLINE_S
    while run("status", *ids).out.splitlines().count("up") < len(ids):
        assert time.monotonic() < ends
    assert run("stop", *ids).out == "".join(f"{id}  STOPPED\n" for id in ids)
    assert run("status", *ids).out.splitlines().count("kept") == len(ids)


def read_until(process: subprocess.Popen[str], text: str) -> None:
    """Read a process's log up to a line."""
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return
    pytest.fail(f"it ended without {text!r}")


def test_a_job_that_finds_no_room_waits_and_says_so(run: Run, folder: Path) -> None:
    words = ("--no-wait", "--submission-id", "waits", "--entrypoint-num-cpus", 99)
    sent = run("submit", *words, "--", "ls", "--store", folder / "verdict")
    assert (sent.code, sent.out) == (0, "waits\n")
    assert "  PENDING  " in next(line for line in run("status").out.splitlines() if line.startswith("waits  "))
    assert run("stop", "waits").out == "waits  PENDING  ends as soon as it finds room to start\n"


def test_a_log_connection_that_breaks_is_taken_up_again(
    run: Run, cluster: RayCluster, folder: Path, there: dict[str, str]
) -> None:
    words = ("--submission-id", "cut", "--", "embed", "--manifest", there["manifest"], "--encoder", "color-histogram")
    shutil.copytree(folder / "there", folder / "cut", ignore=without("embeddings"))
    store = ("--store", str(folder / "cut"))
    with cutting(int(cluster.url.rpartition(":")[2])) as proxy:
        watching = subprocess.Popen(
            [sys.executable, "-m", "jobs.submit", "--address", f"http://127.0.0.1:{proxy.port}", *words, *store],
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=cluster.environment_with(),
        )
        read_until(watching, "Running entrypoint")
        for _ in range(3):
            proxy.cut_next()
        out, err = watching.communicate(timeout=DEADLINE_S)
    assert proxy.n_cut
    assert (watching.returncode, out) == (0, there["embeddings"] + "\n"), err
    assert err.count("295 of 295") == 1


def without(kind: str) -> Callable[[str, list[str]], list[str]]:
    """What of a store not to copy, so that a command makes it again."""
    return lambda _, names: [name for name in names if name == kind]


def test_no_secret_is_anywhere_on_the_cluster(run: Run, cluster: RayCluster, folder: Path) -> None:
    words = ("submit", "--submission-id", "canary", "--", "ls", "--store", folder / "verdict")
    ended = run(*words, **CANARIES, AWS_REGION="eu-west-1", AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert ended.code == 0, ended.err
    (job,) = [job for job in jobs_of(cluster) if job["submission_id"] == "canary"]
    assert job["runtime_env"]["env_vars"]["AWS_REGION"] == "eu-west-1"
    told = json.dumps(jobs_of(cluster)) + ended.err + ended.out + run("status", "canary").out
    session = session_of(cluster)
    told += "".join(path.read_text(errors="replace") for path in (session / "logs").rglob("*") if path.is_file())
    arguments = "".join(Path(f"/proc/{pid}/cmdline").read_text() for pid in cluster.pids)
    for secret in (*CANARIES.values(), cluster.token):
        assert secret not in told
        assert secret not in arguments


def session_of(cluster: RayCluster) -> Path:
    """The folder of Ray's logs."""
    for pid in cluster.pids:
        if found := re.search(r"/\S*?/session_[0-9_-]+", Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")):
            return Path(found[0].partition("=")[2] or found[0])
    pytest.fail("no process names the session")


@pytest.mark.parametrize("command", ["status", "submit", "embed"])
@pytest.mark.parametrize("token", ["wrong", None])
def test_who_has_no_token_or_another_is_told_so(
    run: Run, cluster: RayCluster, folder: Path, there: dict[str, str], command: str, token: str | None
) -> None:
    embed = ("--manifest", there["manifest"], "--encoder", "color-histogram", "--store", folder / "no-token")
    shutil.copytree(folder / "there", folder / "no-token", ignore=without("embeddings"), dirs_exist_ok=True)
    words = {"status": (), "submit": ("--", "ls", "--store", "/s"), "embed": (*embed, "--address", cluster.address)}
    changed = {"RAY_AUTH_TOKEN_PATH": None, "RAY_AUTH_TOKEN": token, "RAY_AUTH_MODE": None, "HOME": str(folder)}
    ended = run(command, *words[command], **changed)
    assert ended.code == 2
    assert "RAY_AUTH_TOKEN_PATH" in ended.err
    assert ended.last_error == "revsearch: exit=2 reason=usage"


def test_an_ordinary_command_uses_the_cluster_with_the_token_alone(
    run: Run, cluster: RayCluster, there: dict[str, str], folder: Path
) -> None:
    """No other variable of Ray's, and so no hint that the cluster is on this machine."""
    changed = {name: None for name in cluster.environment if name != "RAY_AUTH_TOKEN_PATH"}
    shutil.copytree(folder / "there", folder / "driver", ignore=without("index"))
    words = ("--embeddings", there["embeddings"], "--address", cluster.address, "--store", folder / "driver")
    ended = run("build_index", *words, **changed)
    assert (ended.code, ended.out) == (0, there["index"] + "\n"), ended.err
    listed = json.loads(run("status", "--json").out)["jobs"]
    assert any(not job["submitted"] and "build_index" in job["entrypoint"] for job in listed)
