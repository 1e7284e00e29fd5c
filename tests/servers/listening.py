"""Servers in threads of this process that leave no thread behind.

Clients keep their connections open. Threads that wait for the next request of one would all wake while the interpreter
goes down and closes the clients, and then a process may end by a segmentation fault.
"""

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import HTTPServer
from socketserver import ThreadingMixIn
from typing import Any

_POLL_S = 0.02


class EndsConnections(ThreadingMixIn):
    """A thread for each connection; closing the server ends the connections, and waits for the threads."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, *args: Any) -> None:
        self._connections = set[socket.socket]()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        """See `ThreadingMixIn`."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """See `BaseServer`."""
        self._connections.discard(request)
        super().shutdown_request(request)  # type: ignore[misc]  # the server's own, which stands beside this class

    def server_close(self) -> None:
        """See `BaseServer`."""
        for connection in list(self._connections):
            with suppress(OSError):  # it has just ended by itself
                connection.shutdown(socket.SHUT_RDWR)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Be silent where a client leaves in mid-request, or its connection is ended."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[misc]  # as above


class ThreadedServer(EndsConnections, HTTPServer):
    """Of the standard library's requests."""


@contextmanager
def listening(server: HTTPServer) -> Iterator[str]:
    """Let a server answer in a thread; its address is given. It is closed at the end."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": _POLL_S}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
