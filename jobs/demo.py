"""Draw a small collection and run everything on it: no network, no GPU, no data of yours."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from jobs import run as whole
from jobs.launch import Command, Job, Outcome, launch
from revsearch.specs import MAX_SEED, option

IMAGES = "images"
STORE = "store"
PAGE = "report.html"


@dataclass(frozen=True)
class DemoSpec:
    """Draw a small collection and run everything on it: no network, no GPU, no data of yours."""

    out: str = option("./demo", help="folder for the drawn images and their store", place="path")
    seed: int = option(0, help="seed of the drawings", at_least=0, at_most=MAX_SEED)


def run(spec: DemoSpec, job: Job) -> Outcome:
    """Draw what is not drawn yet, then `revsearch run` with the offline encoder."""
    from revsearch.imaging.drawing import draw_collection

    folder = Path(spec.out)
    images = folder / f"{IMAGES}-{spec.seed}"
    if not images.is_dir():
        draw_collection(images, spec.seed)
    # Its own store beside the images, and four bad files on purpose: a demo that ends well.
    options = replace(job.options, store=str(folder / STORE))
    outcome = whole.run(whole.RunSpec(str(images), encoder="color-histogram"), Job(options, job.resources))
    page = folder / PAGE
    shutil.copyfile(outcome.paths["report"], page)
    return replace(outcome, artifact=None, path=page, paths={"images": str(images), "store": options.store})


COMMAND = Command(spec=DemoSpec, run=run, commits=False, stores=False)

if __name__ == "__main__":
    launch(COMMAND)
