"""moto's server in threads of this process: answers as Amazon documents it, and checks neither keys nor signatures."""

from collections.abc import Iterator
from contextlib import contextmanager

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer

from tests.servers.listening import EndsConnections, listening
from tests.servers.server import Server, serve


@contextmanager
def moto() -> Iterator[Server]:
    """Start it on a free port, and stop it."""
    app = DomainDispatcherApplication(create_backend_app)
    with listening(_Listener("127.0.0.1", 0, app, MotoRequestHandler)) as url:
        yield Server(url)


class _Listener(EndsConnections, BaseWSGIServer):  # moto's own ends no connection
    multithread = True


if __name__ == "__main__":
    serve(moto())
