"""A prefix of a bucket as the place where images lie: what is read, from where, and what never is."""

import pickle
from collections.abc import Callable

import pytest

from revsearch.errors import InvalidSpec
from revsearch.rejects import Reason, Rejection
from revsearch.storage.roots import Root, open_root, place_of
from tests.servers.faulty import Asked, Fault, Plan, always, faulty, first, share
from tests.servers.server import Server

SECRET = b"the target's bytes"


@pytest.fixture
def uri(server: Server, in_environment_of: Callable[..., None]) -> str:
    """A prefix with images, beside which lies what is nobody's business."""
    in_environment_of(server)
    bucket = server.make_bucket()
    server.fill(f"{bucket}/secrets", {"a.jpg": SECRET})
    server.fill(f"{bucket}/set-beside", {"a.jpg": SECRET})
    return server.fill(f"{bucket}/set", {"ape/1.jpg": b"image one", "empty.jpg": b"", "large.jpg": bytes(2000)})


@pytest.fixture
def root(uri: str) -> Root:
    return open_root(uri)


def read(root: Root, location: str) -> bytes:
    return root.read(location, max_bytes=1000)


def rejection(root: Root, location: str) -> Rejection:
    with pytest.raises(Rejection) as caught:
        read(root, location)
    return caught.value


def test_reads_the_bytes_also_when_copied(root: Root, uri: str) -> None:
    assert read(root, "ape/1.jpg") == b"image one"
    assert read(pickle.loads(pickle.dumps(root)), "ape/1.jpg") == b"image one"
    assert read(open_root(f"{uri}/"), "ape/1.jpg") == b"image one"
    assert place_of(f"{uri}/ape/1.jpg").read(max_bytes=1000) == b"image one"
    assert root.is_remote


def test_below_all_buckets_a_location_begins_with_the_bucket(uri: str) -> None:
    root, location = open_root("s3://"), f"{uri.removeprefix('s3://')}/ape/1.jpg"
    assert root.location_of(f"{uri}/ape/1.jpg") == location
    assert read(root, location) == b"image one"
    assert root.uri_of(location) == f"{uri}/ape/1.jpg"


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("ape/2.jpg", Reason.MISSING),
        ("ape", Reason.MISSING),
        ("ape/1.jpg/deeper", Reason.MISSING),
        ("%FF.jpg", Reason.MISSING),  # a byte that is no UTF-8: no key has it
        ("x" * 2000, Reason.MISSING),
        ("\udcff", Reason.MISSING),
        ("empty.jpg", Reason.EMPTY),
        ("large.jpg", Reason.TOO_MANY_BYTES),
    ],
)
def test_what_is_no_image_has_a_reason(root: Root, location: str, reason: Reason) -> None:
    found = rejection(root, location)
    assert found.reason is reason
    assert str(found).isprintable()


@pytest.mark.parametrize("bucket", ["no-such-bucket-here", "No", "a b", "a\nb", "..", "arn:aws:s3:::x", ""])
def test_a_bucket_that_is_none_costs_the_row_alone(bucket: str, uri: str) -> None:
    found = rejection(open_root("s3://"), f"{bucket}/a.jpg")
    assert found.reason in (Reason.MISSING, Reason.OUTSIDE_ROOT)
    assert str(found).isprintable()


OUTSIDE = [
    "../secrets/a.jpg", "ape/../../secrets/a.jpg", "ape/../ape/1.jpg", "/secrets/a.jpg", "/etc/passwd", "\0",
    "ape/1.jpg\0", "file:///etc/passwd", "http://127.0.0.1/a.jpg", "gs://bucket/a.jpg",
]  # fmt: skip


@pytest.mark.parametrize("location", OUTSIDE)
def test_what_is_not_below_the_root_is_rejected(root: Root, location: str) -> None:
    found = rejection(root, root.location_of(location))
    assert found.reason is Reason.OUTSIDE_ROOT
    assert SECRET.decode() not in str(found)
    assert "--root" not in str(found)


@pytest.mark.parametrize("beside", ["secrets/a.jpg", "set-beside/a.jpg", "set/../secrets/a.jpg"])
def test_an_address_beside_the_root_says_which_root_would_allow_it(root: Root, uri: str, beside: str) -> None:
    bucket = uri.removesuffix("/set")
    found = rejection(root, root.location_of(f"{bucket}/{beside}"))
    assert found.reason is Reason.OUTSIDE_ROOT
    allowed = ".." not in beside
    assert (f"--root {bucket} allows it" in str(found)) is allowed
    assert SECRET.decode() not in str(found)


@pytest.mark.parametrize(
    ("uri", "location"),
    [
        ("a.jpg", "a.jpg"),
        ("./a//b/./c.jpg", "a/b/c.jpg"),
        ("s3://bucket/set/a.jpg", "a.jpg"),
        ("s3://bucket/set/100%.jpg", "100%.jpg"),
        ("s3://bucket/set/%FF.jpg", "%25FF.jpg"),  # as the id of a file with that name
        ("s3://bucket/set/a//b.jpg", "a//b.jpg"),  # keys are what they are
        ("s3://bucket/settings/a.jpg", "s3://bucket/settings/a.jpg"),
        ("s3://other/set/a.jpg", "s3://other/set/a.jpg"),
        ("../a.jpg", "../a.jpg"),
        ("/set/a.jpg", "/set/a.jpg"),
        ("https://host//a/./b.jpg", "https://host//a/./b.jpg"),
    ],
)
def test_locations_are_relative_to_the_root(
    uri: str, location: str, moto: Server, in_environment_of: Callable[..., None]
) -> None:
    in_environment_of(moto)
    assert open_root("s3://bucket/set").location_of(uri) == location


NAMES = [
    "🦍.jpg", "\u00e9.jpg", "e\u0301.jpg", "\u202egpj.exe", "a b+c&d=e?f#g.jpg", "\"'.jpg", "<script>.jpg", "%2e%2e",
    "%FF.jpg", "caf%C3%A9.jpg", "a//b.jpg", "~.jpg", "*;:@$,!().jpg", "\u00a0.jpg",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_hostile_keys_are_listed_and_found_again(
    server: Server, in_environment_of: Callable[..., None], name: str
) -> None:
    in_environment_of(server)
    root = open_root(server.fill(server.make_bucket(), {name: b"found"}))
    (id,) = root.list(follow_symlinks=False).ids
    assert read(root, id) == b"found"
    assert root.facts([id]).sizes.tolist() == [5]


@pytest.mark.parametrize(
    ("plan", "found"),
    [
        (first(1, Fault.SLOW_DOWN, "GetObject"), b"image one"),
        (first(2, Fault.RESET, "GetObject"), b"image one"),
        (first(2, Fault.CUT, "GetObject"), b"image one"),
        (always(Fault.CHUNKED, "GetObject"), b"image one"),
        (share(0.3, Fault.SLOW_DOWN, Fault.INTERNAL, Fault.RESET, Fault.CUT, Fault.LOST), b"image one"),
        (always(Fault.DENIED, "GetObject"), Reason.PERMISSION),
        (always(Fault.NOT_IMPLEMENTED, "GetObject"), Reason.STORE_ERROR),
        (always(Fault.EXPIRED, "GetObject"), InvalidSpec),
    ],
)
def test_a_server_that_answers_wrongly(
    uri: str, server: Server, in_environment_of: Callable[..., None], plan: Plan, found: object
) -> None:
    with faulty(server, plan) as proxy:
        in_environment_of(proxy.server)
        root = open_root(uri)
        if isinstance(found, bytes):
            assert [read(root, "ape/1.jpg") for _ in range(20)] == [found] * 20
        elif isinstance(found, Reason):
            assert rejection(root, "ape/1.jpg").reason is found
        else:  # the keys of this process are refused: no row is to blame
            with pytest.raises(InvalidSpec):
                read(root, "ape/1.jpg")


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.CUT])
def test_what_is_said_of_a_row_is_one_line_whatever_its_name(
    server: Server, in_environment_of: Callable[..., None], fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("revsearch.storage.s3.bodies.TRIES", 1)
    uri = server.fill(server.make_bucket(), {"a\x1b[31m\u202eb": b"image"})
    with faulty(server, always(fault, "GetObject")) as proxy:
        in_environment_of(proxy.server)
        found = rejection(open_root(uri), "a\x1b[31m\u202eb")
    assert found.reason is Reason.STORE_ERROR
    assert str(found).isprintable()


def planned(**faults: Fault) -> Plan:
    return lambda asked: faults.get(asked.operation)


@pytest.mark.parametrize(
    ("example", "faults", "raised"),
    [
        ("ape/1.jpg", {}, None),
        ("gone.jpg", {"ListObjectsV2": Fault.DENIED}, None),
        ("ape/1.jpg", {"ListObjectsV2": Fault.DENIED}, None),
        ("../x", {"ListObjectsV2": Fault.DENIED}, None),
        ("../x", {"ListObjectsV2": Fault.DENIED, "HeadObject": Fault.DENIED}, None),
        ("ape/1.jpg", {"ListObjectsV2": Fault.DENIED, "HeadObject": Fault.DENIED}, "403 AccessDenied"),
        ("ape/1.jpg", {"ListObjectsV2": Fault.EXPIRED}, "ExpiredToken"),
    ],
)
def test_what_is_denied_altogether_is_seen_before_any_work(
    uri: str,
    server: Server,
    in_environment_of: Callable[..., None],
    example: str,
    faults: dict[str, Fault],
    raised: str | None,
) -> None:
    with faulty(server, planned(**faults)) as proxy:
        in_environment_of(proxy.server)
        if raised is None:
            open_root(uri).require_reachable([example])
        else:
            with pytest.raises(InvalidSpec, match=raised):
                open_root(uri).require_reachable([example])


def test_one_object_that_may_be_read_is_enough(
    uri: str, server: Server, in_environment_of: Callable[..., None]
) -> None:
    def plan(asked: Asked) -> Fault | None:
        return None if asked.key.endswith("1.jpg") else Fault.DENIED

    with faulty(server, plan) as proxy:
        in_environment_of(proxy.server)
        open_root(uri).require_reachable(["gone.jpg", "ape/1.jpg"])


def test_a_bucket_that_is_gone_is_seen_before_any_work(uri: str) -> None:
    with pytest.raises(InvalidSpec, match="NoSuchBucket"):
        open_root("s3://no-such-bucket-here/set").require_reachable(["a.jpg"])
    open_root("s3://").require_reachable(["no-such-bucket-here/a.jpg"])  # which one row alone may name


def test_an_object_that_is_read_costs_one_request(
    uri: str, server: Server, in_environment_of: Callable[..., None]
) -> None:
    with faulty(server) as proxy:
        in_environment_of(proxy.server)
        root = open_root(uri)
        for location in ("ape/1.jpg", "ape/1.jpg"):
            read(root, location)
        rejection(root, "large.jpg")
    assert proxy.counts == {"GetObject": 3}


@pytest.mark.parametrize("uri", ["s3://", "s3:///key"])
def test_a_listing_needs_a_bucket(uri: str, moto: Server, in_environment_of: Callable[..., None]) -> None:
    in_environment_of(moto)
    with pytest.raises(InvalidSpec, match=r"expected s3://bucket"):
        open_root(uri).list(follow_symlinks=False)
