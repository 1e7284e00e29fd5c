"""Training runs on a local Ray, small enough for seconds: drawn pictures of four colours, a tiny network."""

import json
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from revsearch.errors import CorruptArtifact, InvalidSpec, TrainingCollapsed
from revsearch.specs import EmbedSpec, Resources
from revsearch.stages.encoders import find_encoder, open_encoder
from revsearch.stages.recording import timeline_of
from revsearch.stages.train import plan_train, train
from revsearch.storage.artifact import Artifact, fetch, verify
from revsearch.storage.local import LocalStore
from revsearch.train_specs import AutoencoderSpec, ClassifierSpec, TrainSpec, TripletAutoencoderSpec, TripletSpec
from revsearch.training import History

COLOURS = {"red": (200, 40, 40), "green": (40, 180, 60), "blue": (50, 60, 200), "grey": (120, 120, 120)}
N_EACH = 10
ONE = Resources(workers=1, decode_workers=0, threads=1)
CLASSIFIER = ClassifierSpec("", width=4, image_size=32, batch_size=8, epochs=3, lr=3e-3, patience=0)
AUTOENCODER = AutoencoderSpec("", width=4, dim=8, image_size=32, batch_size=8, epochs=2)
BOTH = TripletAutoencoderSpec(
    "", width=4, dim=8, image_size=32, batch_size=8, images_per_class=2, epochs=2, split="image"
)


def drawn(colour: tuple[int, int, int], seed: int) -> bytes:
    """A picture of a colour, with noise."""
    noise = np.random.default_rng(seed).integers(-35, 36, (40, 48, 3))
    data = BytesIO()
    Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8)).save(data, "PNG")
    return data.getvalue()


@pytest.fixture(scope="module")
def folder(module_path: Path) -> Path:
    folder = module_path / "pictures"
    for number, (name, colour) in enumerate(COLOURS.items()):
        for image in range(N_EACH):
            path = folder / name / f"{image}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(drawn(colour, 100 * number + image))
    return folder


@pytest.fixture
def pictures(folder: Path, by_hand: Any) -> Artifact:
    ids = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    made: Artifact = by_hand.manifest(ids, root=folder, roles="train", labels=[id.split("/")[0] for id in ids])
    return made


@pytest.fixture
def elsewhere(folder: Path, tmp_path: Path, by_hand_in: Callable[..., Any]) -> tuple[LocalStore, Artifact]:
    """The same pictures in a store of their own."""
    other = LocalStore(tmp_path / "other")
    ids = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    return other, by_hand_in(other).manifest(ids, root=folder, roles="train", labels=[id.split("/")[0] for id in ids])


def of(spec: TrainSpec, manifest: Artifact, **changed: Any) -> Any:
    return replace(spec, manifest=str(manifest), **changed)


def history_of(store: LocalStore, artifact: Artifact, folder: Path) -> History:
    return History.from_dict(json.loads(fetch(store, str(artifact), artifact.part("history"), folder).read_text()))


def weights_of(store: LocalStore, artifact: Artifact, folder: Path) -> dict[str, Any]:
    return safetensors.numpy.load_file(fetch(store, str(artifact), artifact.part("weights"), folder))


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
class TestRuns:
    def test_an_encoder_comes_out_that_embeds_as_it_was_trained(
        self, store: LocalStore, pictures: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        artifact = train(of(CLASSIFIER, pictures), store, ONE)
        verify(store, artifact)
        facts, counts = artifact.card.facts, artifact.card.counts
        assert (counts.n_in, counts.n_ok, dict(counts.rejected)) == (40, 40, {})
        assert facts["n_trained"] + facts["n_validation"] + facts["n_left_out"] == counts.n_ok
        assert (facts["training_manifest"], facts["roles"], facts["preset"]) == (str(pictures), ["train"], "classifier")
        assert {part.name.partition("-")[0] for part in artifact.card.parts} == {
            "weights", "history", "rejects", "curves", "report", "events",
        }  # fmt: skip
        told = timeline_of(artifact)
        assert told is not None
        assert {"scan", "fetch", "open", "load", "step", "validate", "checkpoint", "write", "draw"} <= set(told.steps)
        assert told.seconds() == pytest.approx(artifact.card.seconds, abs=0.05)
        assert not list(store.list(f"{artifact}/checkpoint")), "checkpoints stay behind"
        assert not list(store.list(f"{artifact}/scan")), "scans stay behind"

        history = history_of(store, artifact, tmp_path)
        assert [record.epoch for record in history.epochs] == [1, 2, 3]
        assert len(history.losses) == history.epochs[-1].step == facts["steps"]
        spent = artifact.card.seconds["load"] + artifact.card.seconds["step"]
        assert spent == pytest.approx(sum(record.seconds for record in history.epochs), rel=0.2, abs=0.2)
        assert facts["metrics"]["ap_plain"]["value"] == pytest.approx(history.best.metrics["ap_plain"])
        assert facts["metrics"]["ap_plain_of_start"]["value"] == pytest.approx(history.start.metrics["ap_plain"])
        assert history.best.better >= history.start.better

        found = find_encoder(EmbedSpec("", encoder=str(artifact)), store)
        encoder = open_encoder(found.space, store)
        assert found.space.weights == f"sha256:{artifact.part('weights').sha256}"
        vectors = encoder(np.zeros((2, 32, 32, 3), np.uint8))
        assert vectors.shape == (2, found.space.dim)
        assert np.isfinite(vectors).all()

        monkeypatch.setattr("revsearch.stages.cluster.connect", lambda *_: pytest.fail("Ray was asked for"))
        again = train(of(CLASSIFIER, pictures), store, Resources(workers=2))
        assert (again, again.fresh) == (artifact, False)

    @pytest.mark.slow
    def test_one_worker_gives_the_same_weights_for_the_same_seed(
        self, store: LocalStore, pictures: Artifact, elsewhere: tuple[LocalStore, Artifact]
    ) -> None:
        other, again = elsewhere
        one, two = train(of(BOTH, pictures), store, ONE), train(of(BOTH, again), other, ONE)
        assert one.id == two.id
        assert one.part("weights") == two.part("weights")

    @pytest.mark.slow
    def test_two_workers_learn_what_one_does(
        self, store: LocalStore, pictures: Artifact, elsewhere: tuple[LocalStore, Artifact], tmp_path: Path
    ) -> None:
        """Losses of all steps within 1 %: the same views, sums added up in another order."""
        other, again = elsewhere
        one = train(of(BOTH, pictures), store, ONE)
        two = train(of(BOTH, again), other, replace(ONE, workers=2))
        assert one.id == two.id  # workers only divide the batch
        losses = [history_of(*each, tmp_path).losses for each in ((store, one), (other, two))]
        np.testing.assert_allclose(losses[0], losses[1], rtol=0.01)
        figures = [each.card.facts["metrics"]["ap_plain"]["value"] for each in (one, two)]
        assert figures[0] == pytest.approx(figures[1], abs=0.02)

    @pytest.mark.slow
    def test_an_autoencoder_needs_no_labels(
        self, store: LocalStore, folder: Path, by_hand: Any, tmp_path: Path
    ) -> None:
        ids = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
        artifact = train(of(AUTOENCODER, by_hand.manifest(ids, root=folder)), store, ONE)
        history = history_of(store, artifact, tmp_path)
        assert history.best.metrics["mse"] < history.start.metrics["mse"]
        assert artifact.card.facts["roles"] == ["gallery"]
        assert artifact.card.facts["metrics"] == {}
        png = fetch(store, str(artifact), artifact.part("reconstructions"), tmp_path).read_bytes()
        assert Image.open(BytesIO(png)).format == "PNG"

    @pytest.mark.slow
    def test_pictures_that_cannot_be_read_are_rejected_and_the_rest_is_learned_from(
        self, store: LocalStore, folder: Path, by_hand: Any, tmp_path: Path, write_files: Callable[..., Path]
    ) -> None:
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.png")}
        files["red/cut.png"] = drawn(COLOURS["red"], 1)[:900]
        files["blue/gone.png"] = drawn(COLOURS["blue"], 2)
        root = write_files(tmp_path / "some", files)
        manifest = by_hand.manifest(sorted(files), root=root, labels=[id.split("/")[0] for id in sorted(files)])
        (root / "blue/gone.png").unlink()
        artifact = train(of(CLASSIFIER, manifest, epochs=1), store, ONE)
        counts = artifact.card.counts
        assert (counts.n_in, counts.n_ok, dict(counts.rejected)) == (42, 40, {"missing": 1, "truncated": 1})

    @pytest.mark.slow
    def test_a_run_that_collapses_ends_with_a_reason_and_no_artifact_however_often_it_is_given(
        self, store: LocalStore, pictures: Artifact
    ) -> None:
        spec, told = of(BOTH, pictures, miner="semihard", margin=1e-7), set()
        for _ in range(2):
            with pytest.raises(TrainingCollapsed, match="expected triplets to learn from") as error:
                train(spec, store, ONE)
            assert (error.value.exit_code, error.value.reason) == (4, "no_active_triplets")
            told.add(str(error.value))
            keys = [info.key for info in store.list("encoder/")]
            assert not [key for key in keys if key.endswith("card.json")]
            (kept,) = [key for key in keys if "/checkpoint-" in key]
            assert "/checkpoint-000000-" in kept, "the epoch that failed is kept"
        assert len(told) == 1

    def test_more_workers_than_cpus_or_than_the_batch_divides_into_are_refused(
        self, store: LocalStore, pictures: Artifact
    ) -> None:
        with pytest.raises(InvalidSpec) as error:
            train(of(CLASSIFIER, pictures), store, Resources(workers=3))
        assert [problem.partition(":")[0] for problem in error.value.problems] == ["--workers 3"] * 2
        assert "divisor of --batch-size 8" in error.value.problems[1]

    def test_images_of_an_evaluation_are_never_trained_on(
        self, store: LocalStore, pictures: Artifact, folder: Path, by_hand: Any
    ) -> None:
        judged = by_hand.manifest(["red/3.png"], root=folder, roles="query")
        with pytest.raises(InvalidSpec, match=r"--never: .* found 1 of 40") as error:
            train(of(CLASSIFIER, pictures, never=(str(judged),)), store, ONE)
        assert "red/3.png" in str(error.value)


@pytest.mark.usefixtures("no_ray")
class TestRefusedBeforeTimeIsSpent:
    @pytest.fixture
    def manifest(self, by_hand: Any) -> Callable[..., Artifact]:
        def manifest(labels: list[str | None], roles: str = "train", **columns: Any) -> Artifact:
            ids = [f"{n}.png" for n in range(len(labels))]
            made: Artifact = by_hand.manifest(ids, labels=labels, roles=roles, **columns)
            return made

        return manifest

    CASES = (
        ("no labels", [None] * 20, CLASSIFIER, "no labels: expected a class for each image"),
        ("one class", ["a"] * 20, CLASSIFIER, "one class: expected two or more, found 'a' alone"),
        ("a class of one", ["a"] * 10 + ["b"] * 9 + ["c"], CLASSIFIER, "'c' \\(1\\)"),
        ("K larger than a class", ["a"] * 10 + ["b"] * 3, replace(BOTH, images_per_class=4), "'b' \\(3\\)"),
        ("batch larger than the set", ["a"] * 10 + ["b"] * 10, replace(CLASSIFIER, batch_size=64), "--batch-size 64"),
        ("empty validation", ["a"] * 3 + ["b"] * 3, replace(CLASSIFIER, batch_size=4), "empty validation"),
    )

    @pytest.mark.parametrize(("labels", "spec", "told"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
    def test_what_cannot_be_learned_from(
        self, store: LocalStore, manifest: Callable[..., Artifact], labels: Any, spec: TrainSpec, told: str
    ) -> None:
        with pytest.raises(InvalidSpec, match=told):
            train(of(spec, manifest(labels)), store, ONE)
        assert not list(store.list("encoder/"))

    def test_a_manifest_of_queries_alone(self, store: LocalStore, manifest: Callable[..., Artifact]) -> None:
        with pytest.raises(InvalidSpec, match="expected rows of role train or gallery"):
            train(of(CLASSIFIER, manifest(["a", "b"], "query")), store, ONE)

    def test_weights_that_are_not_there(
        self, store: LocalStore, manifest: Callable[..., Artifact], tmp_path: Path
    ) -> None:
        spec = TripletSpec(
            str(manifest(["a", "b"] * 20)), encoder=f"mobilenet_v2:IMAGENET1K_V1@{tmp_path}/none.pth", batch_size=10
        )
        with pytest.raises(InvalidSpec, match="expected a weights file after the @, found none"):
            train(spec, store, ONE)

    def test_what_is_no_network(self, store: LocalStore, manifest: Callable[..., Artifact]) -> None:
        spec = TripletSpec(str(manifest(["a", "b"] * 20)), encoder="color-histogram")
        with pytest.raises(InvalidSpec, match="expected a network to start from, found color-histogram"):
            train(spec, store, ONE)

    def test_a_plan_says_what_it_would_do(self, store: LocalStore, manifest: Callable[..., Artifact]) -> None:
        plan = plan_train(of(CLASSIFIER, manifest(["a", "b"] * 20)), store, ONE)
        assert plan.rows == 40
        assert "32 images of 2 classes to train on, 8 held out" in plan.note
        assert not list(store.list("encoder/"))

    @pytest.mark.parametrize(
        ("spec", "asked", "n_classes"),
        [
            (CLASSIFIER, {}, 2),
            (CLASSIFIER, {"identity": "group"}, 4),
            (BOTH, {}, 4),
            (BOTH, {"identity": "label"}, 2),
            (AUTOENCODER, {}, 4),  # learns from none, and is judged by them
            (AUTOENCODER, {"identity": "label"}, 2),
        ],
    )
    def test_classes_are_labels_or_groups(
        self, store: LocalStore, manifest: Callable[..., Artifact], spec: TrainSpec, asked: Any, n_classes: int
    ) -> None:
        labels, groups = list("aabb" * 10), list("wxyz" * 10)
        plan = plan_train(of(spec, manifest(labels, groups=groups), **asked), store, ONE)
        assert f"images of {n_classes} classes to train on" in plan.note


@pytest.mark.usefixtures("no_ray")
def test_weights_of_another_architecture_are_seen_before_ray_is_started(
    store: LocalStore, pictures: Artifact, tmp_path: Path
) -> None:
    safetensors.numpy.save_file({"features.0.weight": np.zeros(3, np.float32)}, tmp_path / "other.safetensors")
    spec = TripletSpec(
        str(pictures),
        encoder=f"squeezenet1_1:IMAGENET1K_V1@{tmp_path}/other.safetensors",
        image_size=64,
        batch_size=8,
        images_per_class=2,
    )
    with pytest.raises(CorruptArtifact, match="keys do not fit") as error:
        train(spec, store, ONE)
    assert error.value.exit_code == 5
    assert not list(store.list("encoder/"))


@pytest.fixture(scope="module")
def start_weights(module_path: Path) -> Path:
    """Weights of a small model of the zoo, as somebody may have trained them."""
    import torch
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    path = module_path / "start.pth"
    torch.save(squeezenet1_1().state_dict(), path)
    return path


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_an_encoder_is_never_worse_than_its_start_on_the_validation_classes(
    store: LocalStore, pictures: Artifact, start_weights: Path, tmp_path: Path
) -> None:
    """A rate that ruins the network: what is handed out is the start, and its weights are the start's."""
    spec = TripletSpec(
        str(pictures),
        encoder=f"squeezenet1_1:IMAGENET1K_V1@{start_weights}",
        image_size=64,
        batch_size=8,
        images_per_class=2,
        validation_share=0.5,
        epochs=1,
        steps_per_epoch=2,
        lr=1e-7,
        interpolate=(1.0,),
    )
    artifact = train(spec, store, ONE)
    history = history_of(store, artifact, tmp_path)
    assert history.best.better == max(each.better for each in history.candidates)
    metrics = artifact.card.facts["metrics"]
    assert metrics["ap_plain"]["value"] >= metrics["ap_plain_of_start"]["value"] - 1e-9
    assert artifact.card.inputs["manifest"] == str(pictures)
