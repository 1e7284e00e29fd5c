"""Merge embeddings and build the index, exact or HNSW, over gallery and distractor rows."""

from jobs.launch import Command, Job, Outcome, Plan, launch
from revsearch.specs import IndexSpec


def run(spec: IndexSpec, job: Job) -> Outcome:
    """Build the index and check it."""
    from revsearch.stages.build_index import build_index

    return Outcome(artifact=build_index(spec, job.store, job.resources))


def plan(spec: IndexSpec, job: Job) -> Plan:
    """Say what `run` would do."""
    from revsearch.stages.build_index import plan_build_index

    return plan_build_index(spec, job.store, job.resources)


COMMAND = Command(spec=IndexSpec, run=run, plan=plan)

if __name__ == "__main__":
    launch(COMMAND)
