"""Score rankings against labels, groups or a truth file, and show them on a page."""

from typing import TYPE_CHECKING

from jobs.launch import Command, Job, Outcome, Plan, launch
from revsearch.specs import EvaluateSpec

if TYPE_CHECKING:
    from revsearch.storage.artifact import Artifact


def run(spec: EvaluateSpec, job: Job) -> Outcome:
    """Judge, and name the page."""
    from revsearch.stages.evaluate import evaluate

    artifact = evaluate(spec, job.store, job.resources)
    return Outcome(artifact=artifact, metrics=artifact.card.facts["metrics"], paths=report_path(artifact))


def report_path(artifact: "Artifact") -> dict[str, str]:
    """Return where an evaluation's page lies."""
    return {"report": f"{artifact.path}/{artifact.part('report').name}"}


def plan(spec: EvaluateSpec, job: Job) -> Plan:
    """Say what `run` would do."""
    from revsearch.stages.evaluate import plan_evaluate

    return plan_evaluate(spec, job.store, job.resources)


COMMAND = Command(spec=EvaluateSpec, run=run, plan=plan)

if __name__ == "__main__":
    launch(COMMAND)
