"""What travels between the actors of the split topology; the topologies themselves are tried in `test_embed`."""

from pathlib import Path
from typing import Any

import numpy as np
from ray import cloudpickle

from revsearch.errors import DiskFull
from revsearch.rejects import Reason, Reject
from revsearch.stages.decoder import Pictures
from revsearch.stages.embed_data import _summaries, _to_batch, _to_pictures, _told, run_units
from revsearch.stages.embedder import STEPS, Summary
from revsearch.stages.progress import Stopwatch
from revsearch.stages.resources import Pool
from revsearch.storage.vectors import STAGE


def pictures() -> Pictures:
    random = np.random.default_rng(0)
    rejected = Reject("b\n🦍", "/in/b", STAGE, Reason.MISSING, "nothing there", 2)
    return Pictures(
        rows=np.array([3, 5, 9]),
        ids=np.array(["a", "b\n🦍", "c"], object),
        contents=random.integers(0, 256, (3, 32), np.uint8),
        pixels=random.integers(0, 256, (3, 4, 4, 3), np.uint8),
        rejects=[None, rejected, None],
        uris=["/in/a", "/in/b", "/in/c"],
        flags=["", "", "truncated rescaled"],
    )


def test_pictures_come_back_in_row_order_however_they_are_mixed() -> None:
    sent, watch = pictures(), Stopwatch({"read": 1.5, "decode": 3.0})
    batch = _to_batch(sent, watch)
    assert float(batch["seconds_read"].sum()) == 1.5
    assert float(batch["seconds_decode"].sum()) == 3.0
    found = _to_pictures({name: column[[2, 0, 1]] for name, column in batch.items()})
    for name in ("rows", "ids", "contents", "pixels"):
        assert np.array_equal(getattr(found, name), getattr(sent, name))
    assert (found.rejects, found.uris, found.flags) == (sent.rejects, sent.uris, sent.flags)
    assert found.ids.dtype == object


def test_summaries_come_back() -> None:
    said = Summary(7, 2, 1, {step: float(place) for place, step in enumerate(STEPS)})
    told = _told(lambda: said)
    assert list(_summaries(told)) == [said]
    assert told["error"].tolist() == [b""]


def test_our_own_error_comes_back_as_itself() -> None:
    def fail() -> Summary:
        raise DiskFull("no room left")

    (error,) = _told(fail)["error"]
    assert repr(cloudpickle.loads(error)) == repr(DiskFull("no room left"))


def test_nothing_to_do_needs_no_ray(tmp_path: Path) -> None:
    work: Any = None
    assert list(run_units(work, Pool(1, 0, 1.0, 0, 1), [])) == []
