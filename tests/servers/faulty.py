"""An HTTP proxy before an S3 server that answers wrongly, as the test plans it, and counts what was asked.

    with faulty(moto, share(0.3, Fault.SLOW_DOWN, Fault.RESET)) as proxy:
        ...
        proxy.plan = first(2, Fault.LOST, "PutObject")
        proxy.counts["PutObject"]

Signatures hold, because the header Host goes on as the client sent it.
"""

import http.client
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit

from tests.servers.listening import ThreadedServer, listening
from tests.servers.server import Server

_CONDITIONS = ("if-none-match", "if-match")
_OF_THE_HOP = ("connection", "keep-alive", "transfer-encoding", "expect")


class Fault(Enum):
    """What may go wrong with one request."""

    SLOW_DOWN = auto()  # 503, nothing done
    INTERNAL = auto()  # 500, nothing done
    DENIED = auto()  # 403, nothing done
    EXPIRED = auto()  # 400 ExpiredToken, nothing done
    REDIRECTED = auto()  # 301, nothing done: the bucket is in another region
    OTHER_REGION = auto()  # 400, nothing done: signed for another region
    MOVED = auto()  # 301, nothing done: as web servers send visitors from http to https
    NOT_IMPLEMENTED = auto()  # 501, nothing done
    NO_ROOM = auto()  # 507, nothing done
    CONFLICT = auto()  # 409, nothing done: another conditional write to the key was under way
    NO_UPLOAD = auto()  # 404, nothing done: of an upload in parts that ended before
    RESET = auto()  # done; the connection is reset in the middle of the answer's body, or before where it has none
    CUT = auto()  # done; the connection is closed in the middle of the answer's body, or before where it has none
    LOST = auto()  # done; the connection is closed before the answer
    CHUNKED = auto()  # done; the answer comes in chunks, and does not say how long it is
    UNCONDITIONAL = auto()  # done without the conditions asked for: a store that lies
    FLIPPED_UP = auto()  # a bit of the request's body is another when it arrives
    FLIPPED_DOWN = auto()  # a bit of the answer's body is another when it arrives
    HANGING = auto()  # no answer at all, until the proxy ends


_REFUSALS = {
    Fault.SLOW_DOWN: (503, "SlowDown"),
    Fault.INTERNAL: (500, "InternalError"),
    Fault.DENIED: (403, "AccessDenied"),
    Fault.EXPIRED: (400, "ExpiredToken"),
    Fault.REDIRECTED: (301, "PermanentRedirect"),
    Fault.OTHER_REGION: (400, "AuthorizationHeaderMalformed"),
    Fault.MOVED: (301, "Moved"),
    Fault.NOT_IMPLEMENTED: (501, "NotImplemented"),
    Fault.NO_ROOM: (507, "XMinioStorageFull"),
    Fault.CONFLICT: (409, "ConditionalRequestConflict"),
    Fault.NO_UPLOAD: (404, "NoSuchUpload"),
}


@dataclass(frozen=True)
class Asked:
    """A request, as the plan sees it."""

    operation: str  # by S3's own name: PutObject, UploadPart, ListObjectsV2, …
    key: str
    headers: Mapping[str, str]  # names in small letters

    @property
    def conditional(self) -> bool:
        """Whether it is to be done under a condition only."""
        return any(name in self.headers for name in _CONDITIONS)


Plan = Callable[[Asked], Fault | None]


def none(_: Asked) -> Fault | None:
    """Let everything through."""
    return None


def always(fault: Fault, operation: str | None = None) -> Plan:
    """The same fault for every request, or for those of one operation."""
    return lambda asked: fault if operation in (None, asked.operation) else None


def first(n: int, fault: Fault, operation: str | None = None) -> Plan:
    """A fault for the first n requests, or for the first n of one operation."""
    left, lock = [n], threading.Lock()

    def plan(asked: Asked) -> Fault | None:
        with lock:
            if operation not in (None, asked.operation) or not left[0]:
                return None
            left[0] -= 1
            return fault

    return plan


def share(part: float, *faults: Fault, seed: int = 0) -> Plan:
    """One of the faults for a share of the requests, drawn in their order from a seed."""
    draws, lock = random.Random(seed), threading.Lock()

    def plan(_: Asked) -> Fault | None:
        with lock:
            return draws.choice(faults) if draws.random() < part else None

    return plan


@dataclass
class Proxy:
    """A running proxy: what it plans, and what it was asked so far."""

    server: Server  # to talk to it
    upstream: Server  # to talk past it
    plan: Plan
    counts: Counter[str] = field(default_factory=Counter)  # by operation, faulty ones too
    faults: Counter[Fault] = field(default_factory=Counter)
    ended: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, asked: Asked) -> Fault | None:
        """Count a request and say what is to go wrong with it."""
        fault = self.plan(asked)
        with self.lock:
            self.counts[asked.operation] += 1
            if fault is not None:
                self.faults[fault] += 1
        return fault

    def reset(self, plan: Plan) -> None:
        """Begin to count anew, by another plan."""
        with self.lock:
            self.plan = plan
            self.counts.clear()
            self.faults.clear()


@contextmanager
def faulty(upstream: Server, plan: Plan = none) -> Iterator[Proxy]:
    """Start a proxy before a server, and stop it."""
    listener = _Listener(("127.0.0.1", 0), _Handler)
    with listening(listener) as url:
        listener.proxy = proxy = Proxy(upstream.behind(url), upstream, plan)
        try:
            yield proxy
        finally:
            proxy.ended.set()


class _Listener(ThreadedServer):
    proxy: Proxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.server.proxy.take(_asked(self))
        if fault is Fault.HANGING:
            self.server.proxy.ended.wait()
        elif fault in _REFUSALS:
            self._refuse(*_REFUSALS[fault], region=fault in (Fault.REDIRECTED, Fault.OTHER_REGION))
            return
        else:
            status, headers, answer = self._pass_on(body, fault)
            if fault not in (Fault.LOST, Fault.RESET, Fault.CUT):
                sent = _flipped(answer) if fault is Fault.FLIPPED_DOWN else answer
                self._answer(status, headers, sent, chunked=fault is Fault.CHUNKED)
                return
            if fault is not Fault.LOST and answer and self.command != "HEAD":
                self._answer(status, headers, answer[: len(answer) // 2])
        self.close_connection = True
        if fault is Fault.RESET:  # with nothing to linger for, closing sends a reset
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815  # the names that its base calls

    def _pass_on(self, body: bytes, fault: Fault | None) -> tuple[int, list[tuple[str, str]], bytes]:
        left_out = _OF_THE_HOP + (_CONDITIONS if fault is Fault.UNCONDITIONAL else ())
        headers = {name: value for name, value in self.headers.items() if name.lower() not in left_out}
        where = urlsplit(self.server.proxy.upstream.url)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders(_flipped(body) if fault is Fault.FLIPPED_UP else body)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, *, chunked: bool = False) -> None:
        """Send an answer whose header may promise more than there is."""
        self.send_response_only(status)
        length = next((value for name, value in headers if name.lower() == "content-length"), str(len(body)))
        for name, value in headers:
            if name.lower() not in (*_OF_THE_HOP, "content-length"):
                self.send_header(name, value)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
            body = b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in (body[:1], body[1:]) if each) + b"0\r\n\r\n"
        elif status != 204:
            self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, status: int, code: str, *, region: bool) -> None:
        body = f"<Error><Code>{code}</Code><Message>planned</Message></Error>".encode()
        told = [("x-amz-bucket-region", "eu-west-1")] if region else []
        self._answer(status, [("Content-Type", "application/xml"), *told], b"" if self.command == "HEAD" else body)


def _asked(request: _Handler) -> Asked:
    where = urlsplit(request.path)
    query, (_, _, key) = parse_qs(where.query, keep_blank_values=True), where.path.lstrip("/").partition("/")
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Asked(_operation(request.command, bool(key), query), unquote(key), headers)


def _operation(method: str, of_object: bool, query: dict[str, list[str]]) -> str:
    if not of_object:
        listing = "ListObjectsV2" if "list-type" in query else "ListObjects"
        return {"GET": listing, "PUT": "CreateBucket", "HEAD": "HeadBucket"}.get(method, f"{method} of a bucket")
    if method == "POST":
        return "CreateMultipartUpload" if "uploads" in query else "CompleteMultipartUpload"
    if "uploadId" in query:
        return {"PUT": "UploadPart", "DELETE": "AbortMultipartUpload"}.get(method, "ListParts")
    return {"GET": "GetObject", "PUT": "PutObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}[method]


def _flipped(data: bytes) -> bytes:
    if not data:
        return data
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    return bytes(flipped)
