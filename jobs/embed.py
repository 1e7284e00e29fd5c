"""Embed every image of a manifest, in parallel."""

from jobs.launch import Command, Job, Outcome, Plan, launch
from revsearch.specs import EmbedSpec


def run(spec: EmbedSpec, job: Job) -> Outcome:
    """Embed, from wherever an earlier run left it."""
    from revsearch.stages.embed import embed

    return Outcome(artifact=embed(spec, job.store, job.resources))


def plan(spec: EmbedSpec, job: Job) -> Plan:
    """Say what `run` would do."""
    from revsearch.stages.embed import plan_embed

    return plan_embed(spec, job.store, job.resources)


COMMAND = Command(spec=EmbedSpec, run=run, plan=plan)

if __name__ == "__main__":
    launch(COMMAND)
