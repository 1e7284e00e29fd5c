"""What Ray's metrics say of real runs, scraped as a Prometheus does, beside what the cards say."""

import json
import re
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray

from revsearch.specs import EmbedSpec, EvaluateSpec, IndexSpec, ManifestSpec, RankSpec, Resources
from revsearch.stages import meters
from revsearch.stages.build_index import build_index
from revsearch.stages.embed import embed
from revsearch.stages.evaluate import evaluate
from revsearch.stages.manifest import make_manifest
from revsearch.stages.meters import Stage, Work
from revsearch.stages.rank import rank
from revsearch.stages.train import train
from revsearch.storage.artifact import Artifact, fetch
from revsearch.storage.local import LocalStore
from revsearch.train_specs import ClassifierSpec
from revsearch.training import History

DEADLINE_S = 90.0  # Ray exports each second here, on a machine that may do other things too
SAMPLE = re.compile(r"ray_(revsearch_\w+)\{(.*)\} (\S+)")
LABEL = re.compile(r'(\w+)="([^"]*)"')
N = 12  # pictures, half of them queries; a twin, a cut one, and a file that is none are there too
TINY = ClassifierSpec("", width=4, image_size=32, batch_size=8, epochs=2, lr=3e-3, patience=0)
NO_PICTURE = b"no picture at all"

Scraped = dict[str, dict[tuple[str, ...], float]]


@pytest.fixture(scope="module")
def quick_export() -> Iterator[None]:
    """A Ray that exports what was counted each second, where it would do so every ten."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_metrics_report_interval_ms", "1000")
        yield


def scrape() -> Scraped:
    """Return each counter, summed over workers: by its tags other than Ray's own, in the order of their names."""
    (node,) = ray.nodes()
    address = f"http://127.0.0.1:{node['MetricsExportPort']}/metrics"
    with urllib.request.urlopen(address, timeout=10) as answer:
        text = answer.read().decode()
    found: Scraped = defaultdict(lambda: defaultdict(float))
    for name, labels, value in SAMPLE.findall(text):
        tags = dict(LABEL.findall(labels))
        found[name][tuple(tags[key] for key in ("stage", "reason", "step") if key in tags)] += float(value)
    return found


def scraped_when(is_there: Callable[[Scraped], bool]) -> Scraped:
    """Return what is exported as soon as it is so, or what there is when time is up."""
    deadline = time.monotonic() + DEADLINE_S
    while not is_there(found := scrape()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


@pytest.fixture(scope="module")
def twins(make_picture: Any) -> list[bytes]:
    """The picture of each manifest that is there twice, and embedded once."""
    return [make_picture(100 * number) for number in range(2)]


@pytest.fixture(scope="module")
def runs(
    quick_export: None, local_ray: None, module_path: Path, make_picture: Any, write_files: Any
) -> dict[Stage, list[Artifact]]:
    """Every stage once; embedding in both topologies, of pictures of its own each."""
    store, made = LocalStore(module_path / "store"), dict[Stage, list[Artifact]]()
    made["manifest"], made["embed"] = [], []
    for number, resources in enumerate([Resources(workers=2), Resources(workers=1, decode_workers=1)]):
        drawn = {f"{'gq'[seed % 2]}/{seed % 3}/{seed}.png": make_picture(100 * number + seed) for seed in range(N)}
        odd = {
            "g/0/twin.png": drawn["g/0/0.png"],
            "g/0/cut.jpg": make_picture(50 + number, (200, 200), "JPEG")[:-2000],
            "g/0/none.png": NO_PICTURE,
        }
        root = write_files(module_path / f"in-{number}", drawn | odd)
        sources = (f"gallery={root / 'g'}", f"query={root / 'q'}")
        made["manifest"].append(make_manifest(ManifestSpec(sources), store, resources))
        asked = EmbedSpec(str(made["manifest"][-1]), encoder="color-histogram")
        made["embed"].append(embed(asked, store, resources))
    here, embedded = Resources(), str(made["embed"][0])
    made["build-index"] = [build_index(IndexSpec((embedded,)), store, here)]
    made["rank"] = [rank(RankSpec(str(made["build-index"][0]), (embedded,), k=3), store, here)]
    made["evaluate"] = [evaluate(EvaluateSpec(str(made["rank"][0])), store, here)]
    files = {f"{seed % 3}/{seed}.png": make_picture(seed) for seed in range(200, 224)}
    root = write_files(module_path / "in-train", files)
    made["manifest"].append(make_manifest(ManifestSpec((f"train={root}",)), store, here))
    made["train"] = [train(replace(TINY, manifest=str(made["manifest"][-1])), store, Resources(workers=1))]
    return made


@pytest.mark.ray
@pytest.mark.slow  # every stage once
def test_counters_say_what_the_cards_say(runs: dict[Stage, list[Artifact]]) -> None:
    rows = {stage: sum(artifact.card.counts.n_in for artifact in made) for stage, made in runs.items()}
    found = scraped_when(lambda found: all(found["revsearch_rows_total"][stage,] == n for stage, n in rows.items()))
    assert {stage: found["revsearch_rows_total"][stage,] for stage in rows} == rows
    for stage, made in runs.items():
        rejected: dict[str, int] = defaultdict(int)
        for artifact in made:
            for reason, n in artifact.card.counts.rejected.items():
                rejected[reason] += n
        counted = {tags[1]: n for tags, n in found["revsearch_rejects_total"].items() if tags[0] == stage}
        assert counted == rejected or stage == "evaluate"


@pytest.mark.ray
@pytest.mark.slow  # every stage once
def test_seconds_are_those_of_the_cards(runs: dict[Stage, list[Artifact]]) -> None:
    found = scraped_when(lambda found: ("train", "draw") in found["revsearch_step_seconds_total"])
    for stage, made in runs.items():
        told: dict[str, float] = defaultdict(float)
        for artifact in made:
            for step, seconds in artifact.card.seconds.items():
                told[step] += seconds
        for step, seconds in told.items():
            counted = found["revsearch_step_seconds_total"][stage, step]
            assert counted == pytest.approx(seconds, abs=0.01), (stage, step)


@pytest.mark.ray
@pytest.mark.slow  # every stage once
def test_bytes_are_those_of_the_pictures(runs: dict[Stage, list[Artifact]], twins: list[bytes]) -> None:
    *embedded, trained = [artifact.card.facts["n_bytes"] for artifact in runs["manifest"]]
    expected = {
        "manifest": sum(embedded) + trained + len(embedded) * len(NO_PICTURE),
        "embed": sum(embedded) - sum(map(len, twins)),
        "train": trained,
    }
    found = scraped_when(lambda found: found["revsearch_read_bytes_total"]["train",] == trained)
    assert {stage: found["revsearch_read_bytes_total"][stage,] for stage in expected} == expected


@pytest.mark.ray
@pytest.mark.slow  # every stage once
def test_tags_are_few_whatever_is_done(runs: dict[Stage, list[Artifact]]) -> None:
    found = scraped_when(lambda found: bool(found["revsearch_step_seconds_total"]))
    for name, samples in found.items():
        assert {tags[0] for tags in samples} <= set(meters.STAGES), name
        assert all(re.fullmatch(r"[a-z_-]{1,24}", tag) for tags in samples for tag in tags), name


@pytest.mark.ray
@pytest.mark.slow  # every stage once
def test_views_are_those_of_the_history(runs: dict[Stage, list[Artifact]], module_path: Path) -> None:
    (trained,) = runs["train"]
    part = fetch(LocalStore(module_path / "store"), str(trained), trained.part("history"), module_path)
    epochs = History.from_dict(json.loads(part.read_text())).epochs
    n_views = sum(record.n_images for record in epochs)
    found = scraped_when(lambda found: found["revsearch_views_total"]["train",] == n_views)
    assert found["revsearch_views_total"]["train",] == n_views


@pytest.mark.ray
@pytest.mark.slow  # every stage once
def test_the_loss_is_shown_while_its_worker_lives(runs: dict[Stage, list[Artifact]]) -> None:
    meters.show_loss(0.75)
    meters.show_loss(0.5)
    found = scraped_when(lambda found: found["revsearch_loss"]["train",] == 0.5)
    assert found["revsearch_loss"]["train",] == 0.5


def test_nothing_is_counted_where_ray_is_not_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(meters, "Counter", lambda *_: pytest.fail("a counter was made"))
    for counter in (meters._rows, meters._rejects, meters._seconds):
        counter.cache_clear()
    meters.count("embed", Work(3, {"missing": 1}, 10, {"embed": 1.0}))
    meters.show_loss(1.0)


@pytest.mark.ray
@pytest.mark.slow  # every stage once
def test_counting_a_unit_costs_nothing_a_row_would_see(runs: dict[Stage, list[Artifact]]) -> None:
    work = Work(1024, {"missing": 2}, 10**8, {"fetch": 1.0, "decode": 2.0, "open": 0.1, "embed": 3.0, "write": 0.1})
    meters.count("train", work)
    began = time.perf_counter()
    for _ in range(100):
        meters.count("train", work)
    assert (time.perf_counter() - began) / 100 < 0.01  # of a unit that takes seconds
