"""What travels between the actors of the split topology; the topologies themselves are tried in `test_embed`."""

from pathlib import Path
from typing import Any

import numpy as np
from ray import cloudpickle

from revsearch.errors import DiskFull
from revsearch.rejects import Reason, Reject
from revsearch.stages.decoder import Pictures
from revsearch.stages.embed_data import _spans, _to_batch, _to_pictures, _told, run_units
from revsearch.stages.embedder import Summary
from revsearch.stages.resources import Pool
from revsearch.storage.vectors import STAGE
from revsearch.timeline import Span


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
    sent, span = pictures(), Span(10.0, 15.0, {"fetch": 1.5, "decode": 3.0})
    mixed = {name: column[[2, 0, 1]] for name, column in _to_batch(sent, span).items()}
    assert list(_spans(mixed)) == [span]
    found = _to_pictures(mixed)
    for name in ("rows", "ids", "contents", "pixels"):
        assert np.array_equal(getattr(found, name), getattr(sent, name))
    assert (found.rejects, found.uris, found.flags) == (sent.rejects, sent.uris, sent.flags)
    assert found.ids.dtype == object


def test_summaries_come_back() -> None:
    said = Summary(7, {"missing": 2}, 1, 100, (Span(1.0, 2.0, {"embed": 0.5}),))
    (told,) = _told(lambda: said)["told"]
    assert cloudpickle.loads(told) == said


def test_our_own_error_comes_back_as_itself() -> None:
    def fail() -> Summary:
        raise DiskFull("no room left")

    (error,) = _told(fail)["told"]
    assert repr(cloudpickle.loads(error)) == repr(DiskFull("no room left"))


def test_nothing_to_do_needs_no_ray(tmp_path: Path) -> None:
    work: Any = None
    assert list(run_units(work, Pool(1, 0, 1.0, 0, 1), [])) == []
