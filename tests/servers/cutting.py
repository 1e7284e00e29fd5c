"""A TCP proxy whose connections can be cut, all at once."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_PIECE = 2**16


@dataclass
class Cutting:
    """A running proxy."""

    port: int
    connections: list[socket.socket] = field(default_factory=list)
    n_cut: int = 0

    def cut(self) -> None:
        """Cut every connection there is."""
        while self.connections:
            connection = self.connections.pop()
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
                self.n_cut += 1


@contextmanager
def cutting(upstream: int) -> Iterator[Cutting]:
    """Start a proxy before a port of this machine, and stop it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Cutting(listener.getsockname()[1])
        threading.Thread(target=_accept, args=(listener, upstream, proxy), daemon=True).start()
        yield proxy
        proxy.cut()


def _accept(listener: socket.socket, upstream: int, proxy: Cutting) -> None:
    with suppress(OSError):  # the listener is closed
        while True:
            here, _ = listener.accept()
            there = socket.create_connection(("127.0.0.1", upstream))
            proxy.connections += [here, there]
            for source, target in ((here, there), (there, here)):
                threading.Thread(target=_carry, args=(source, target), daemon=True).start()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError), source, target:
        while data := source.recv(_PIECE):
            target.sendall(data)
