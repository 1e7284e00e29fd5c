"""Jobs as a cluster knows them."""

import pytest

from revsearch.stages.cluster_job import ClusterJob


@pytest.mark.parametrize(
    ("status", "over"),
    [("PENDING", False), ("RUNNING", False), ("STOPPED", True), ("SUCCEEDED", True), ("FAILED", True)],
)
def test_a_job_is_over_where_it_runs_no_more(status: str, over: bool) -> None:
    assert ClusterJob("one", submitted=True, status=status, entrypoint="true").is_over is over
