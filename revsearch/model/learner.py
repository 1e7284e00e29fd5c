"""One training step: views in, weights changed; on a CPU or a GPU, alone or among peers."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from revsearch.errors import InvalidSpec, TrainingDiverged
from revsearch.model.loader import Batch
from revsearch.model.objective import Measured, Objective
from revsearch.model.peers import Peers
from revsearch.model.schedule import LearningRate
from revsearch.model.trainee import Output, Trainee
from revsearch.specs import Precision
from revsearch.train_specs import SiameseSpec, TrainSpec

_OBJECTIVE_RATE = 10.0  # proxies and class weights begin at random: they learn so many times faster than the network
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class Step:
    """What one step gave.

    Attributes:
        embeddings: float32 `[B, dim]`, of the whole global batch.
        measured: the loss and its terms.
        gradient_norm: before clipping.
    """

    embeddings: Tensor
    measured: Measured
    gradient_norm: float
    lr: float


class Learner:
    """A network that learns: with its objective, its optimizer (AdamW) and its place in the schedule.

    Attributes:
        trainee: the network, not yet replicated: what is saved.
        start: a frozen copy of the network before its first step, which candidates are mixed with.
        step: steps done.
    """

    def __init__(
        self, trainee: Trainee, objective: Objective, spec: TrainSpec, *, n_steps: int, device: str, peers: Peers
    ) -> None:
        """Put everything on its device; the trainee's weights are the start's.

        Args:
            n_steps: steps of the whole run, for the schedule.
            device: torch's name of it.
        """
        self.trainee, self.objective = trainee.to(device), objective.to(device)
        self.start = copy.deepcopy(self.trainee).eval().requires_grad_(False)
        self.peers, self.device, self.step = peers, device, 0
        self._clip_norm, self._precision = spec.clip_norm, spec.precision
        self._distils = isinstance(spec, SiameseSpec) and spec.distil > 0
        self._rate = LearningRate(spec.lr, n_steps, spec.schedule, spec.warmup)
        self._optimizer = torch.optim.AdamW(_groups(self.trainee, self.objective, spec.weight_decay))
        self._scaler = torch.amp.GradScaler(device, enabled=spec.precision == "fp16" and device.startswith("cuda"))
        self._replica = peers.replicate(self.trainee.train(), device)

    def learn(self, batch: Batch) -> Step:
        """Do one step on this worker's share of a global batch.

        Raises:
            TrainingDiverged: where the loss or its gradient is no number.
            InvalidSpec: where the batch does not fit the device's memory.
        """
        try:
            return self._learn(batch)
        except torch.OutOfMemoryError as error:
            raise InvalidSpec(
                f"--batch-size: {len(batch.views)} views of {batch.views.shape[-1]} px a worker do not fit the memory "
                "of its GPU; lower it, take more --workers, a smaller --image-size, or --precision bf16"
            ) from error

    def _learn(self, batch: Batch) -> Step:
        views = batch.views.to(self.device, non_blocking=True)
        lr = self._rate.at(self.step)
        for group in self._optimizer.param_groups:
            group["lr"] = lr * group["rate"]
        with _arithmetic(self._precision, self.device):
            output: Output = self._replica(views)
            start = self.start(views).embeddings if self._distils else None
        embeddings = self.peers.gather(output.embeddings.float())
        measured = self.objective(
            embeddings,
            self.peers.gather(batch.classes.to(self.device)),
            rebuilt=None if output.rebuilt is None else output.rebuilt.float(),
            views=views,
            start=None if start is None else self.peers.gather(start.float()),
        )
        norm = self._update(measured.loss)
        self.step += 1
        return Step(embeddings.detach(), measured, norm, lr)

    def tensors(self) -> dict[str, Tensor]:
        """Return everything that learning goes on from, by name."""
        found = {f"network/{name}": value for name, value in self.trainee.state_dict().items()}
        found |= {f"objective/{name}": value for name, value in self.objective.state_dict().items()}
        for number, state in self._optimizer.state_dict()["state"].items():
            found |= {f"optimizer/{number}/{name}": torch.as_tensor(value) for name, value in state.items()}
        if scale := self._scaler.state_dict():
            found["scaler/scale"] = torch.tensor(scale["scale"])
            found["scaler/_growth_tracker"] = torch.tensor(scale["_growth_tracker"])
        if self.device.startswith("cuda"):
            found["random/cuda"] = torch.cuda.get_rng_state(self.device)
        return found | {"random/cpu": torch.get_rng_state()}

    def load(self, tensors: Mapping[str, Tensor], step: int) -> None:
        """Go on from what `tensors` returned after `step` steps of an equal learner."""
        self.trainee.load_state_dict(_under("network/", tensors))
        self.objective.load_state_dict(_under("objective/", tensors))
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in _under("optimizer/", tensors).items():
            number, _, field = name.partition("/")
            state.setdefault(int(number), {})[field] = value
        self._optimizer.load_state_dict({"state": state, "param_groups": self._optimizer.state_dict()["param_groups"]})
        if self._scaler.is_enabled():
            kept = {name: value.item() for name, value in _under("scaler/", tensors).items()}
            self._scaler.load_state_dict(self._scaler.state_dict() | kept)
        torch.set_rng_state(tensors["random/cpu"])
        if "random/cuda" in tensors and self.device.startswith("cuda"):
            torch.cuda.set_rng_state(tensors["random/cuda"], self.device)
        self.step = step

    def _update(self, loss: Tensor) -> float:
        _require_number("loss", loss.item(), self.step)
        self._optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch declares no types here
        self._scaler.unscale_(self._optimizer)
        limit = self._clip_norm or float("inf")
        norm = nn.utils.clip_grad_norm_(_learning(self.trainee, self.objective), limit).item()
        if not self._scaler.is_enabled():  # which meets overflows by a smaller scale, and skips the step
            _require_number("gradient norm", norm, self.step)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return norm


def _groups(trainee: Trainee, objective: Objective, weight_decay: float) -> list[dict[str, object]]:
    """Return AdamW's groups: no decay of biases and norms, which are no directions to forget."""
    groups = []
    for module, rate in ((trainee, 1.0), (objective, _OBJECTIVE_RATE)):
        learning = list(_learning(module))
        for some, decay in (
            ([p for p in learning if p.ndim > 1], weight_decay),
            ([p for p in learning if p.ndim < 2], 0.0),
        ):
            if some:
                groups.append({"params": some, "weight_decay": decay, "rate": rate})
    return groups


def _learning(*modules: nn.Module) -> Iterator[nn.Parameter]:
    return (parameter for module in modules for parameter in module.parameters() if parameter.requires_grad)


def _arithmetic(precision: Precision, device: str) -> torch.autocast:
    kind = torch.device(device).type
    return torch.autocast(kind, _DTYPES.get(precision), enabled=precision != "fp32")


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _require_number(what: str, value: float, step: int) -> None:
    if not torch.isfinite(torch.tensor(value)):
        raise TrainingDiverged(
            f"step {step + 1}: expected a finite {what}, found {value}; lower --lr, raise --warmup, lower --clip-norm, "
            "or train in --precision fp32"
        )
