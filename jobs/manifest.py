"""Collect images into a manifest: bad files and duplicates found, nothing lost."""

from jobs.launch import Command, Job, Outcome, Plan, launch
from revsearch.specs import ManifestSpec


def run(spec: ManifestSpec, job: Job) -> Outcome:
    """Make the manifest of all sources."""
    from revsearch.stages.manifest import make_manifest

    return Outcome(artifact=make_manifest(spec, job.store, job.resources))


def plan(spec: ManifestSpec, job: Job) -> Plan:
    """Say what `run` would do."""
    from revsearch.stages.manifest import plan_manifest

    return plan_manifest(spec, job.store, job.resources)


COMMAND = Command(spec=ManifestSpec, run=run, plan=plan)

if __name__ == "__main__":
    launch(COMMAND)
