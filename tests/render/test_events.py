import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event

from revsearch.render.events import write_events
from revsearch.training import History, Validation


def crc32c(data: bytes) -> int:
    """Castagnoli's checksum, bit by bit (RFC 3720, B.4)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    """As TensorFlow's record files keep it (tensorflow/core/lib/hash/crc32c.h)."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def read(path: Path) -> Iterator[Event]:
    """Read a record file: length, its checksum, bytes, their checksum."""
    data = path.read_bytes()
    while data:
        length, check = struct.unpack("<QI", data[:12])
        body, (body_check,) = data[12 : 12 + length], struct.unpack("<I", data[12 + length : 16 + length])
        assert (check, body_check) == (masked(data[:8]), masked(body))
        yield Event.FromString(body)
        data = data[16 + length :]


def scalars(path: Path) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for event in list(read(path))[1:]:
        (value,) = event.summary.value
        found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def test_every_step_and_every_epoch_is_there(history: History, tmp_path: Path) -> None:
    found = scalars(write_events(history, tmp_path / "events"))
    assert found["step/loss"] == [(n, pytest.approx(loss)) for n, loss in enumerate(history.losses, 1)]
    assert found["epoch/loss"] == [(record.step, pytest.approx(record.loss)) for record in history.epochs]
    assert found["epoch/images_per_second"][0] == (5, 150.0)
    assert found["parts/distil"][1] == (10, pytest.approx(0.05))
    assert found["health/distinct_triplets"][0] == (5, 812.25)
    assert found["validation/ap_plain/share_0.5"][0] == (0, pytest.approx(0.4)), "each line begins at the start"
    assert found["validation/ap_plain/share_1"][4] == (20, pytest.approx(0.5))
    assert len(found) == 1 + 5 + 2 + 4 + 2 * 2


def test_it_is_a_file_tensorboard_looks_for(history: History, tmp_path: Path) -> None:
    path = write_events(history, tmp_path)
    assert path.parent == tmp_path
    assert "tfevents" in path.name
    assert next(read(path)).file_version == "brain.Event:2"


def test_time_goes_on_and_is_that_of_training(history: History, tmp_path: Path) -> None:
    times = [event.wall_time for event in read(write_events(history, tmp_path))]
    assert times == sorted(times)
    assert times[-1] == sum(record.seconds for record in history.epochs)


def test_equal_runs_are_equal_bytes(history: History, tmp_path: Path) -> None:
    first, second = (write_events(history, tmp_path / name) for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_a_run_that_did_no_step(tmp_path: Path) -> None:
    path = write_events(History(Validation(0, 0.0, {"loss": 1.0}, -1.0)), tmp_path)
    assert scalars(path) == {}
