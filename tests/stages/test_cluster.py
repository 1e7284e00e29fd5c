import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray
from ray._private import ray_constants

from revsearch.errors import CorruptArtifact, InvalidSpec
from revsearch.specs import Resources
from revsearch.stages import cluster
from revsearch.stages.deaths import WORKER_DEATHS
from revsearch.stages.nodes import own_node_id, working_nodes
from revsearch.storage.local import LocalStore
from revsearch.storage.roots import place_of
from tests.servers.faulty import faulty, none
from tests.servers.server import Server

pytestmark = pytest.mark.ray

_QUICK_S = 15.0


@pytest.fixture(scope="module")
def fail(local_ray: None) -> Callable[[str], Any]:
    """A task that fails in the way asked for."""

    @ray.remote(num_cpus=1, max_retries=0)
    def fail(how: str) -> None:
        match how:
            case "usage":
                raise InvalidSpec("one", "two")
            case "corrupt":
                raise CorruptArtifact("cut", reason="dim")
            case "death":
                os._exit(7)
            case _:
                raise KeyError("a bug")

    return lambda how: ray.get(fail.remote(how))


class TestUnreachable:
    """Before any Ray is started by this module: its addresses must not be mistaken for ours."""

    @pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}", "localhost:{}"])
    @pytest.mark.parametrize("variable", [False, True])
    def test_an_address_where_nobody_listens(
        self, monkeypatch: pytest.MonkeyPatch, form: str, *, variable: bool
    ) -> None:
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        with socket.socket() as taken:  # bound, but nobody listens
            taken.bind(("127.0.0.1", 0))
            address = form.format(taken.getsockname()[1])
            if variable:
                monkeypatch.setenv("RAY_ADDRESS", address)
            began = time.monotonic()
            with pytest.raises(InvalidSpec, match=ray.__version__) as caught:
                cluster.connect(Resources(address=None if variable else address))
        assert address in str(caught.value)
        assert time.monotonic() - began < _QUICK_S
        assert not ray.is_initialized()

    @pytest.mark.parametrize("address", ["nonsense", "host:port", "127.0.0.1:99999", "no-such-host.invalid:6379"])
    def test_what_is_no_address(self, address: str) -> None:
        began = time.monotonic()
        with pytest.raises(InvalidSpec, match=address):
            cluster.connect(Resources(address=address))
        assert time.monotonic() - began < _QUICK_S


class TestOfItsOwn:
    """Which Ray is started, without starting one."""

    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
        """What Ray is asked for."""
        asked: list[dict[str, Any]] = []
        monkeypatch.setattr(ray, "init", lambda **options: asked.append(options))
        monkeypatch.setattr(ray_constants, "ENABLE_RAY_CLUSTER", True)
        return asked

    @pytest.mark.parametrize("given", [None, "local"])
    @pytest.mark.parametrize("variable", [None, "", "local"])
    def test_it_is_reached_from_this_machine_alone_by_whatever_name_it_goes(
        self, monkeypatch: pytest.MonkeyPatch, asked: list[dict[str, Any]], given: str | None, variable: str | None
    ) -> None:
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        if variable is not None:
            monkeypatch.setenv("RAY_ADDRESS", variable)
        cluster._join(Resources(address=given))
        (options,) = asked
        assert (options["address"], options["_node_ip_address"]) == ("local", "127.0.0.1")
        assert not options["include_dashboard"]
        assert not ray_constants.ENABLE_RAY_CLUSTER

    def test_a_start_that_fails_leaves_the_handler_of_sigterm(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(**_: Any) -> None:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            raise RuntimeError("no")

        def own(*_: object) -> None:
            pass

        monkeypatch.setattr(ray, "init", fail)
        monkeypatch.setattr(ray_constants, "ENABLE_RAY_CLUSTER", True)
        before = signal.signal(signal.SIGTERM, own)
        try:
            with pytest.raises(RuntimeError, match="no"):
                cluster._join(Resources(address="local"))
            assert signal.getsignal(signal.SIGTERM) is own
        finally:
            signal.signal(signal.SIGTERM, before)


def _outside_address() -> str:
    """The address of this machine that others see; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1: nobody's
        except OSError:
            pytest.skip("this machine has no address but its loopback")
        address: str = probe.getsockname()[0]
    if address.startswith("127."):
        pytest.skip("this machine has no address but its loopback")
    return address


@pytest.mark.parametrize("death", [ray.exceptions.WorkerCrashedError(), ray.exceptions.OutOfMemoryError("x")])
def test_a_death_is_raised_as_itself_and_not_from_itself(death: Exception) -> None:
    with pytest.raises(type(death)) as caught, cluster.own_errors():
        raise death
    assert caught.value is death
    assert caught.value.__cause__ is None


@pytest.mark.usefixtures("local_ray")
class TestConnected:
    def test_connecting_again_changes_nothing(self) -> None:
        cluster.connect(Resources(address="127.0.0.1:1"))
        assert cluster.n_cpus() == 2

    def test_what_the_cluster_has(self) -> None:
        assert cluster.n_gpus() == 0
        (node,) = working_nodes()
        assert (node.cpus, node.gpus, node.address) == (2, 0, "127.0.0.1")
        assert node.id == own_node_id()

    def test_one_node_has_nothing_to_share(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(LocalStore, "write", lambda *_: pytest.fail("something was put"))
        cluster.connect(Resources(), LocalStore(tmp_path / "store"), [place_of(str(tmp_path / "a.jpg"))])

    def test_a_bucket_of_pictures_is_looked_at_once(
        self, moto: Server, in_environment_of: Callable[..., None], store: LocalStore
    ) -> None:
        with faulty(moto) as proxy:
            in_environment_of(proxy.server)
            place = place_of(f"{moto.make_bucket()}/a.jpg")
            proxy.reset(none)
            for _ in range(2):
                cluster.connect(Resources(), store, [place])
            assert proxy.counts == {"ListObjectsV2": 1}
            with pytest.raises(InvalidSpec, match="NoSuchBucket"):
                cluster.connect(Resources(), store, [place_of("s3://no-such-bucket-here/a.jpg")])

    def test_a_local_ray_is_reached_from_this_machine_alone(self) -> None:
        (node,) = ray.nodes()
        assert node["NodeManagerAddress"] == "127.0.0.1"
        with socket.create_connection(("127.0.0.1", node["NodeManagerPort"]), timeout=5):
            pass
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((_outside_address(), node["NodeManagerPort"]), timeout=5)

    def test_own_errors_come_home_as_they_were_raised(self, fail: Callable[[str], Any]) -> None:
        with pytest.raises(InvalidSpec) as usage, cluster.own_errors():
            fail("usage")
        assert type(usage.value) is InvalidSpec
        assert (str(usage.value), usage.value.problems) == ("one\ntwo", ("one", "two"))
        with pytest.raises(CorruptArtifact) as corrupt, cluster.own_errors():
            fail("corrupt")
        assert type(corrupt.value) is CorruptArtifact
        assert (str(corrupt.value), corrupt.value.reason) == ("cut", "dim")

    def test_a_death_is_told_from_a_bug(self, fail: Callable[[str], Any]) -> None:
        with pytest.raises(WORKER_DEATHS), cluster.own_errors():
            fail("death")
        with pytest.raises(ray.exceptions.RayTaskError, match="a bug"), cluster.own_errors():
            fail("bug")

    def test_own_errors_leaves_what_is_not_of_ray(self) -> None:
        with pytest.raises(ZeroDivisionError), cluster.own_errors():
            raise ZeroDivisionError

    def test_a_stream_keeps_order_and_runs_little_ahead(self) -> None:
        taken: list[int] = []

        @ray.remote(num_cpus=1)
        def double(value: int) -> int:
            return 2 * value

        def arguments() -> Any:
            for value in range(9):
                taken.append(value)
                yield (value,)

        for place, found in enumerate(cluster.stream(double.remote, arguments(), ahead=2)):
            assert found == 2 * place
            assert len(taken) <= place + 3

    def test_a_stream_raises_what_a_task_raised(self) -> None:
        @ray.remote(num_cpus=1, max_retries=0)
        def refuse(value: int) -> None:
            raise InvalidSpec(f"no {value}")

        with pytest.raises(InvalidSpec, match=r"^no 0$"):
            list(cluster.stream(refuse.remote, [(0,), (1,)], ahead=1))
