"""Images and artifacts in a bucket: the cluster has the keys, who sends the job has none."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from revsearch.imaging.drawing import draw_collection
from tests.servers.ray_cluster import plain, ray_cluster
from tests.servers.server import Server

pytestmark = pytest.mark.slow

COMMAND = ("run", "--encoder", "color-histogram", "--json")
DEADLINE_S = 280


def test_a_whole_run_in_a_bucket_is_that_of_a_folder(radosgw: Server, tmp_path: Path) -> None:
    draw_collection(tmp_path / "images")
    bucket = bucket_with(radosgw, tmp_path / "images")
    expected = run_here(tmp_path)
    with ray_cluster(tmp_path, "--num-cpus", 2, **radosgw.environment) as cluster:
        where = ("--gallery", f"{bucket}/images", "--store", f"{bucket}/store")
        settings = {name: radosgw.environment[name] for name in ("AWS_ENDPOINT_URL", "AWS_REGION")}
        done = cluster.run("-m", "jobs.submit", "--", *COMMAND, *where, **settings)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        for kind in ("manifest", "embeddings", "index", "rankings", "evaluation"):
            assert told[kind] == expected[kind]
        assert told["metrics"] == expected["metrics"]
        request = urllib.request.Request(f"{cluster.url}/api/jobs/")
        request.add_header("Authorization", f"Bearer {cluster.token}")
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert radosgw.secret_key not in answer.read().decode()


def bucket_with(server: Server, folder: Path) -> str:
    """Make a bucket with the files of a folder below `images/`."""
    bucket = server.make_bucket()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            key = f"images/{path.relative_to(folder).as_posix()}"
            server.client().put_object(Bucket=bucket.removeprefix("s3://"), Key=key, Body=path.read_bytes())
    return bucket


def run_here(folder: Path) -> dict[str, str]:
    """Run it on the folder, with a Ray of its own."""
    words = [*COMMAND, "--gallery", str(folder / "images"), "--store", str(folder / "store")]
    done = subprocess.run(
        [sys.executable, "-m", f"jobs.{words[0]}", *words[1:]],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env={name: value for name, value in plain().items() if value is not None},
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found
