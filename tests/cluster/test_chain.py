"""The whole chain on a running cluster, store and images on a real S3 server: what a run on this machine makes."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from revsearch.imaging.drawing import draw_collection
from revsearch.storage.artifact import load
from revsearch.storage.local import LocalStore
from revsearch.storage.opening import open_store
from revsearch.storage.store import Store
from revsearch.storage.vectors import StoredEmbeddings
from tests.servers.ray_cluster import RayCluster, plain, ray_cluster
from tests.servers.server import Server

pytestmark = pytest.mark.slow

ENCODER = ("--encoder", "squeezenet1_1:random-0")
TRAINING = ("--epochs", 1, "--batch-size", 8, "--image-size", 32, "--workers", 1)
DEADLINE_S = 400
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's pictures, their folders saying roles and labels."""
    folder = tmp_path_factory.mktemp("photos")
    draw_collection(folder)
    return folder


@pytest.fixture(scope="module")
def bucket(radosgw: Server, photos: Path) -> str:
    """A bucket with the same pictures."""
    uri, files = radosgw.make_bucket(), [path for path in photos.rglob("*") if path.is_file()]
    radosgw.fill(f"{uri}/photos", {path.relative_to(photos).as_posix(): path.read_bytes() for path in files})
    return uri


@pytest.fixture(scope="module")
def cluster(radosgw: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCluster]:
    with ray_cluster(tmp_path_factory.mktemp("cluster"), "--num-cpus", 2, **radosgw.environment) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def here(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What commands on this machine make of the folder: the ids, and where they are."""
    store = tmp_path_factory.mktemp("here") / "store"
    ran = command(plain(), "run", "--gallery", photos, *ENCODER, "--store", store, "--json")
    trained = command(
        plain(), "train", "autoencoder", "--manifest", ran["manifest"], *TRAINING, "--store", store, "--json"
    )
    return {**ids(ran), "encoder": trained["artifact"], "store": LocalStore(store)}


def command(environment: Mapping[str, str], name: str, *arguments: object) -> dict[str, Any]:
    """Run a command that ends well, and return its `--json` object."""
    called = [sys.executable, "-m", f"jobs.{name}", *map(str, arguments)]
    done = subprocess.run(called, capture_output=True, text=True, timeout=DEADLINE_S, env=dict(environment))
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def ids(told: Mapping[str, Any]) -> dict[str, str]:
    return {kind: told[kind] for kind in ("manifest", "embeddings", "index", "rankings", "evaluation")}


def jobs_told_by(cluster: RayCluster) -> str:
    """Return all that the job server says of its jobs."""
    request = urllib.request.Request(f"{cluster.url}/api/jobs/", headers={"Authorization": f"Bearer {cluster.token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(answer.read().decode())


def require_same_vectors(ours: tuple[Store, str], theirs: tuple[Store, str], tmp_path: Path) -> None:
    matrices = []
    for number, (store, name) in enumerate((ours, theirs)):
        stored = StoredEmbeddings(store, load(store, name))
        matrices.append(stored.read(stored.rows(), tmp_path / str(number)))
    assert matrices[0].ids.tolist() == matrices[1].ids.tolist()
    np.testing.assert_allclose(matrices[0].vectors, matrices[1].vectors, atol=1e-5)


@pytest.mark.timeout(1500)
def test_submit_makes_what_this_machine_makes(
    cluster: RayCluster,
    radosgw: Server,
    bucket: str,
    here: dict[str, Any],
    in_environment_of: Any,
    tmp_path: Path,
) -> None:
    store = f"{bucket}/by-submit"
    # The cluster has the keys; who sends the jobs has none.
    where = {name: radosgw.environment[name] for name in ("AWS_ENDPOINT_URL", "AWS_REGION")}
    environment = cluster.environment_with(**where)

    def made(name: str, *arguments: object) -> str:
        told = command(environment, "submit", "--json", "--", name, *arguments, "--store", store)
        return str(told["artifact"])

    manifest = made("manifest", f"{bucket}/photos")
    embeddings = made("embed", "--manifest", manifest, *ENCODER)
    index = made("build-index", "--embeddings", embeddings)
    rankings = made("rank", "--index", index, embeddings)
    evaluation = made("evaluate", "--rankings", rankings)
    encoder = made("train", "autoencoder", "--manifest", manifest, *TRAINING)
    found = {
        "manifest": manifest,
        "embeddings": embeddings,
        "index": index,
        "rankings": rankings,
        "evaluation": evaluation,
        "encoder": encoder,
    }
    assert found == {kind: here[kind] for kind in found}
    in_environment_of(radosgw)
    require_same_vectors((here["store"], embeddings), (open_store(store), embeddings), tmp_path)
    assert radosgw.secret_key not in jobs_told_by(cluster)


@pytest.mark.timeout(1500)
def test_ray_job_submit_makes_what_this_machine_makes(
    cluster: RayCluster,
    radosgw: Server,
    bucket: str,
    here: dict[str, Any],
    in_environment_of: Any,
    tmp_path: Path,
) -> None:
    store = f"{bucket}/by-ray"

    def made(*words: object) -> dict[str, Any]:
        """Run `python -m jobs…` as a job, and return the object that it wrote."""
        ray = [sys.executable, "-m", "ray.scripts.scripts", "job", "submit", "--address", cluster.url]
        excluded = json.dumps({"excludes": [".git", ".venv", "tests", "*.png"]})
        sent = [*ray, "--working-dir", str(REPOSITORY), "--runtime-env-json", excluded, "--", "python", "-m"]
        done = subprocess.run(
            [*sent, *map(str, words), "--store", store, "--json"],
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            env=cluster.environment_with(),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return dict(json.loads(next(line for line in done.stdout.splitlines() if line.startswith('{"'))))

    ran = made("jobs.run", "--gallery", f"{bucket}/photos", *ENCODER)
    trained = made("jobs.train", "autoencoder", "--manifest", ran["manifest"], *TRAINING)
    assert {**ids(ran), "encoder": trained["artifact"]} == {kind: here[kind] for kind in (*ids(ran), "encoder")}
    in_environment_of(radosgw)
    require_same_vectors((here["store"], ran["embeddings"]), (open_store(store), ran["embeddings"]), tmp_path)
