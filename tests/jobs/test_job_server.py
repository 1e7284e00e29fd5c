import pytest

from jobs.job_server import ServerSpec, server_address
from revsearch.errors import InvalidSpec

HTTP, HEAD = "http://head:8265", "head:6379"


@pytest.mark.parametrize(
    ("given", "environment", "address"),
    [
        (HTTP, {"RAY_API_SERVER_ADDRESS": "http://other:1", "RAY_ADDRESS": "other:2"}, HTTP),
        (None, {"RAY_API_SERVER_ADDRESS": HTTP, "RAY_ADDRESS": "other:2"}, HTTP),
        (None, {"RAY_API_SERVER_ADDRESS": "", "RAY_ADDRESS": HEAD}, HEAD),
        ("https://head/ray", {}, "https://head/ray"),
        ("[::1]:6379", {}, "[::1]:6379"),
    ],
)
def test_which_address(given, environment, address):
    assert server_address(given, environment) == address


@pytest.mark.parametrize(
    "address", ["auto", "head", "ray://head:10001", "http://", "ftp://head", "head:x", "head:99999"]
)
def test_what_is_no_address(address):
    with pytest.raises(InvalidSpec, match=r"RAY_ADDRESS: expected http://HOST:8265 or HOST:6379"):
        server_address(None, {"RAY_ADDRESS": address})


def test_no_address_at_all():
    with pytest.raises(InvalidSpec, match=r"--address: required: .*RAY_API_SERVER_ADDRESS"):
        server_address(None, {})


def test_a_secret_in_it_is_refused_and_not_shown():
    with pytest.raises(InvalidSpec, match="without user and password") as caught:
        server_address("http://user:hunter2@head:8265", {})
    assert "hunter2" not in str(caught.value)


def test_a_missing_address_is_told_with_the_other_mistakes(monkeypatch):
    for name in ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    assert len(list(ServerSpec().conflicts())) == 1
    assert list(ServerSpec(address=HTTP).conflicts()) == []
