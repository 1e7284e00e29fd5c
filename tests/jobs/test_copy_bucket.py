"""`copy` to a bucket whose server fails, hangs, or takes nothing; and two at once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from revsearch.storage.artifact import Artifact, Draft
from revsearch.storage.card import Counts
from revsearch.storage.local import LocalStore
from revsearch.storage.opening import open_store
from revsearch.storage.store import Store
from tests.conftest import Told
from tests.servers.faulty import Asked, Fault, Plan, Proxy, always, none, share

pytestmark = pytest.mark.usefixtures("no_ray")

PARTS = 20
LARGE = bytes(range(251)) * 80_000  # more than one part of an upload
DEADLINE_S = 120.0
SOON_S = 20.0  # 5 s are for what is under way; a hanging server is given up after more than a minute


@pytest.fixture
def source(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "source")


@pytest.fixture
def artifact(source: LocalStore) -> Artifact:
    """Many parts, and one that goes up in several requests."""
    draft = Draft(source, "encoder", "0123456789ab", {}, {})
    parts = [draft.put("part", ".bin", b"%d" % number * 1000) for number in range(PARTS)]
    return draft.commit(Counts(1, 1), [*parts, draft.put("large", ".bin", LARGE)])


@pytest.fixture
def to(proxy: Proxy) -> str:
    return f"{proxy.upstream.make_bucket()}/copied"


def of_parts(fault: Fault) -> Plan:
    """A fault for all that is put without a condition: parts, and neither cards nor what is asked before any work."""

    def plan(asked: Asked) -> Fault | None:
        return fault if asked.operation in ("PutObject", "UploadPart") and not asked.conditional else None

    return plan


def keys(store: Store) -> dict[str, bytes]:
    return {info.key: store.read(info.key) for info in store.list("")}


def copying(artifact: Artifact, source: LocalStore, to: str) -> subprocess.Popen[str]:
    """Start it in a process of its own."""
    command = [sys.executable, "-m", "jobs.copy", str(artifact), "--store", source.uri, "--to", to]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ})


def test_a_third_of_faults_changes_nothing(
    revsearch: Callable[..., Told], proxy: Proxy, source: LocalStore, artifact: Artifact, to: str
) -> None:
    proxy.reset(share(0.3, Fault.SLOW_DOWN, Fault.INTERNAL, Fault.RESET, Fault.LOST))
    told = revsearch("copy", artifact, "--store", source.uri, "--to", to, "--name", "shown")
    assert told.code == 0, told.err
    assert proxy.faults.total() > 5
    assert revsearch("verify", "shown", "--store", to).code == 0
    proxy.reset(none)
    there = {key: data for key, data in keys(open_store(to)).items() if not key.startswith("refs/")}
    assert there == keys(source)


@pytest.mark.parametrize("plan", [always(Fault.DENIED, "PutObject"), of_parts(Fault.DENIED)], ids=["all", "parts"])
def test_a_bucket_that_takes_nothing(
    revsearch: Callable[..., Told], proxy: Proxy, source: LocalStore, artifact: Artifact, to: str, plan: Plan
) -> None:
    proxy.reset(plan)
    began = time.monotonic()
    told = revsearch("copy", artifact, "--store", source.uri, "--to", to)
    assert time.monotonic() - began < SOON_S
    assert (told.code, told.out) == (2, "")
    assert "403 AccessDenied" in told.err
    assert list(open_store(to).list("")) == []


def test_where_all_is_there_it_need_not_be_written(
    revsearch: Callable[..., Told], proxy: Proxy, source: LocalStore, artifact: Artifact, to: str
) -> None:
    arguments = ("copy", artifact, "--store", source.uri, "--to", to, "--name", "shown")
    assert revsearch(*arguments).code == 0
    proxy.reset(always(Fault.DENIED, "PutObject"))
    told = revsearch(*arguments)
    assert (told.code, told.out) == (0, f"{artifact}  there already\n"), told.err
    assert revsearch(*arguments[:-1], "other").code == 2


def test_two_at_once_make_one_copy(proxy: Proxy, source: LocalStore, artifact: Artifact, to: str) -> None:
    processes = [copying(artifact, source, to) for _ in range(2)]
    for process in processes:
        _, err = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0, err
    assert keys(open_store(to)) == keys(source)


@pytest.mark.slow
def test_a_stopped_copy_does_not_wait_for_a_server_that_hangs(
    revsearch: Callable[..., Told], proxy: Proxy, source: LocalStore, artifact: Artifact, to: str
) -> None:
    proxy.reset(of_parts(Fault.HANGING))
    process = copying(artifact, source, to)
    try:
        ends = time.monotonic() + DEADLINE_S
        while not proxy.faults[Fault.HANGING]:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < ends
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        sent = time.monotonic()
        _, err = process.communicate(timeout=DEADLINE_S)
        assert time.monotonic() - sent < SOON_S
    finally:
        process.kill()
    assert process.returncode == 143, err
    assert err.splitlines()[-1] == "revsearch: exit=143 reason=terminated"
    assert list(open_store(to).list("")) == []
    proxy.reset(none)
    assert revsearch("copy", artifact, "--store", source.uri, "--to", to).code == 0
    assert keys(open_store(to)) == keys(source)
