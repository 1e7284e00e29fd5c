"""A TCP proxy whose connections can be cut, all at once."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_PIECE = 2**16
_DEADLINE_S = 60.0


@dataclass
class Cutting:
    """A running proxy."""

    port: int
    connections: list[socket.socket] = field(default_factory=list)
    carrying: list[threading.Thread] = field(default_factory=list)
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
        accepting = _in_thread(_accept, listener, upstream, proxy)
        try:
            yield proxy
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            proxy.cut()
            for thread in proxy.carrying:
                thread.join()


def _accept(listener: socket.socket, upstream: int, proxy: Cutting) -> None:
    with suppress(OSError):  # the listener is shut down
        while True:
            here, _ = listener.accept()
            there = socket.create_connection(("127.0.0.1", upstream))
            proxy.connections += [here, there]
            proxy.carrying += [_in_thread(_carry, *pair) for pair in ((here, there), (there, here))]
            proxy.accepted.set()


def _carry(source: socket.socket, target: socket.socket) -> None:
    """Carry one way until an end goes, and end the other way too: closing a socket wakes nobody who waits for it."""
    with source:
        with suppress(OSError):
            while data := source.recv(_PIECE):
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _in_thread(do: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=do, args=arguments, daemon=True)
    thread.start()
    return thread
