"""A TCP proxy whose connections can be cut, all at once."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_PIECE = 2**16
_DEADLINE_S = 60.0


@dataclass
class Cutting:
    """A running proxy."""

    port: int
    connections: list[socket.socket] = field(default_factory=list)
    n_cut: int = 0
    accepted: threading.Event = field(default_factory=threading.Event)  # since the last cut

    def cut_next(self) -> None:
        """Cut every connection, as soon as there is one; by whoever goes on, or has come again."""
        assert self.accepted.wait(_DEADLINE_S), "nobody has come"
        self.cut()

    def cut(self) -> None:
        """Cut every connection there is."""
        self.accepted.clear()
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
            proxy.accepted.set()
            for source, target in ((here, there), (there, here)):
                threading.Thread(target=_carry, args=(source, target), daemon=True).start()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError), source, target:
        while data := source.recv(_PIECE):
            target.sendall(data)
