import http.client
import threading
from http.server import BaseHTTPRequestHandler

from tests.servers.listening import ThreadedServer, listening


class Handler(BaseHTTPRequestHandler):
    """Answers with nothing, and keeps the connection."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_no_thread_is_left_though_clients_keep_their_connections() -> None:
    before = set(threading.enumerate())
    with listening(ThreadedServer(("127.0.0.1", 0), Handler)) as url:
        clients = [http.client.HTTPConnection(url.removeprefix("http://")) for _ in range(3)]
        for client in clients:
            client.request("GET", "/")
            assert client.getresponse().status == 204
        assert len(set(threading.enumerate()) - before) == 1 + len(clients)
    assert set(threading.enumerate()) <= before
    for client in clients:
        client.close()
