"""Ceph's S3 gateway on loopback, with a cluster of its own in memory. In the foreground, for trying things by hand:

python -m tests.servers.radosgw my-bucket > env.sh &   # then: . ./env.sh
"""

import http.client
import json
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.server import Server, free_port, serve

PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph-authtool", "monmaptool", "ceph", "setpriv")
_DEADLINE_S = 60.0
_STOP_S = 10.0

# cephx stays on: with it off, radosgw retries for ever. Two of the settings of paxos save a second a change of maps;
# tcp_nodelay saves stalls of 40 ms. All that is written lies in the folder, and nothing in the system's.
_SETTINGS = """
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon_port}/0]
mon initial members = a
ms bind msgr1 = false
public addr = 127.0.0.1
keyring = {folder}/keyring
run dir = {folder}
admin socket = {folder}/$name.asok
crash dir = {folder}/crash
log file = {folder}/$name.log
mon cluster log file = {folder}/cluster.log
mon data = {folder}/mon
osd data = {folder}/osd
rgw data = {folder}/rgw
osd objectstore = memstore
memstore device bytes = 8589934592
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd crush chooseleaf type = 0
mon allow pool size one = true
paxos propose interval = 0.05
paxos min wait = 0.02
rgw enable apis = s3
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
"""

_CAPABILITIES = {
    "mon.": {"mon": "allow *"},
    "client.admin": {"mon": "allow *", "osd": "allow *"},
    "osd.0": {"mon": "allow profile osd", "osd": "allow *"},
    "client.rgw": {"mon": "allow rw", "osd": "allow rwx"},
}


def missing_programs() -> list[str]:
    """What would have to be installed: Debian's radosgw, ceph-mon and ceph-osd."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


@contextmanager
def radosgw() -> Iterator[Server]:
    """Start mon, osd and radosgw, and stop them in the other order."""
    port = free_port()
    server = Server(f"http://127.0.0.1:{port}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="radosgw-")))
        cluster = _Cluster(folder, stack, port)
        cluster.start()
        cluster.add_user(server)
        yield server


@dataclass
class _Cluster:
    folder: Path
    stack: ExitStack
    port: int

    def start(self) -> None:
        fsid, mon_port = str(uuid.uuid4()), free_port()
        settings = _SETTINGS.format(folder=self.folder, fsid=fsid, mon_port=mon_port, port=self.port)
        (self.folder / "ceph.conf").write_text(settings)
        for name in ("osd", "rgw"):
            (self.folder / name).mkdir()
        for name, capabilities in _CAPABILITIES.items():
            caps = [word for each in capabilities.items() for word in ("--cap", *each)]
            new = [] if (self.folder / "keyring").exists() else ["--create-keyring"]
            self._run("ceph-authtool", "keyring", *new, "--gen-key", "-n", name, *caps)
        self._run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{mon_port}]", "monmap")
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", "monmap", "--keyring", "keyring")
        self._daemon("ceph-mon", "-i", "a")
        self._run("ceph", "osd", "new", fsid, "0")
        self._run("ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", fsid)
        self._daemon("ceph-osd", "-i", "0")
        self._wait_until_it_answers(self._daemon("radosgw", "-n", "client.rgw"))

    def add_user(self, server: Server) -> None:
        keys = ["--access-key", server.access_key, "--secret-key", server.secret_key]
        made = self._run("radosgw-admin", "user", "create", "--uid", "tests", "--display-name", "tests", *keys)
        assert json.loads(made)["keys"]

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self._environment(), capture_output=True, text=True, timeout=_DEADLINE_S
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stderr[-2000:]}")
        return done.stdout

    def _daemon(self, *command: str) -> subprocess.Popen[bytes]:
        """Start what ends with this process, or when the stack unwinds."""
        log = self.stack.enter_context((self.folder / f"{command[0]}.out").open("wb"))
        dies_with_us = ["setpriv", "--pdeathsig", "KILL"]
        process = subprocess.Popen(
            [*dies_with_us, *command, "-f"], cwd=self.folder, env=self._environment(), stdout=log, stderr=log
        )
        self.stack.callback(_stop, process)
        return process

    def _environment(self) -> dict[str, str]:
        return os.environ | {"CEPH_CONF": str(self.folder / "ceph.conf")}

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        ends = time.monotonic() + _DEADLINE_S
        while not self._answers():
            if process.poll() is not None or time.monotonic() > ends:
                said = "\n".join(path.read_text(errors="replace")[-1000:] for path in self.folder.glob("*.out"))
                raise RuntimeError(f"radosgw does not answer at port {self.port}: {said}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_DEADLINE_S)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status < 500
        except OSError:
            return False
        finally:
            connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


if __name__ == "__main__":
    serve(radosgw())
