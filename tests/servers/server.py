"""An S3 server that tests talk to: its address, the environment that leads to it, and buckets in it."""

import secrets
import shlex
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Self

import boto3
from botocore.config import Config

REGION = "us-east-1"
_PORTS = range(20_000, 32_000)  # below those that the system gives to outgoing connections


@dataclass(frozen=True)
class Server:
    """Where it listens, and keys of its own for this run."""

    url: str
    access_key: str = field(default_factory=lambda: secrets.token_hex(10).upper())
    secret_key: str = field(default_factory=lambda: secrets.token_hex(20))

    @property
    def environment(self) -> dict[str, str]:
        """What leads boto3 here and nowhere else: no file, no machine role and no proxy of the developer."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": REGION,
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
        }

    def environment_over(self, environment: Mapping[str, str]) -> dict[str, str]:
        """The whole environment of a process that is to talk to it."""
        return {name: value for name, value in environment.items() if not name.startswith("AWS_")} | self.environment

    def behind(self, url: str) -> Self:
        """The same server, asked at another address."""
        return replace(self, url=url)

    def client(self) -> Any:
        """A client that asks as nobody else's code decides."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(s3={"addressing_style": "path"}, proxies={}),
        )

    def make_bucket(self, name: str | None = None) -> str:
        """Make a bucket, of a name that nothing else has where none is given, and return its address."""
        name = name or f"bucket-{secrets.token_hex(6)}"
        self.client().create_bucket(Bucket=name)
        return f"s3://{name}"

    def fill(self, uri: str, files: Mapping[str, bytes]) -> str:
        """Put objects below an address, `s3://bucket` or `s3://bucket/prefix`, and return it."""
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        client = self.client()
        for name, data in files.items():
            client.put_object(Bucket=bucket, Key=f"{prefix}/{name}" if prefix else name, Body=data)
        return uri


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    while True:
        with socket.socket() as probe:
            port = secrets.choice(_PORTS)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def serve(starting: AbstractContextManager[Server]) -> None:
    """Run a server until SIGINT or SIGTERM; lines for a shell to eval go to stdout, buckets are named as arguments."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with starting as server:
        for name in sys.argv[1:]:
            server.make_bucket(name)
        for name, value in server.environment.items():
            sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
        sys.stdout.flush()
        stopped.wait()
