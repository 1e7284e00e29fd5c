"""moto's server in threads of this process: answers as Amazon documents it, and checks neither keys nor signatures."""

from collections.abc import Iterator
from contextlib import contextmanager

from moto.server import ThreadedMotoServer

from tests.servers.server import Server, serve


@contextmanager
def moto() -> Iterator[Server]:
    """Start it on a free port, and stop it."""
    threads = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    threads.start()
    try:
        host, port = threads.get_host_and_port()
        yield Server(f"http://{host}:{port}")
    finally:
        threads.stop()


if __name__ == "__main__":
    serve(moto())
