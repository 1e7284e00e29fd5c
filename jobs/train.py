"""Train an encoder on the images of a manifest: presets for autoencoders, metric learning and classifiers."""

from jobs.evaluate import report_path
from jobs.launch import Command, Job, Outcome, Plan, launch
from revsearch.train_specs import PRESETS, TrainSpec


def run(spec: TrainSpec, job: Job) -> Outcome:
    """Train, from wherever an earlier run left it, and name the page."""
    from revsearch.stages.train import train

    artifact = train(spec, job.store, job.resources)
    return Outcome(artifact=artifact, metrics=artifact.card.facts["metrics"], paths=report_path(artifact))


def plan(spec: TrainSpec, job: Job) -> Plan:
    """Say what `run` would do."""
    from revsearch.stages.train import plan_train

    return plan_train(spec, job.store, job.resources)


COMMAND = Command(spec=TrainSpec, run=run, plan=plan, presets=PRESETS)

if __name__ == "__main__":
    launch(COMMAND)
