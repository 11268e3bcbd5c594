"""One optimizer step, and the records of many."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from arc_vae.common.finite import NonFinite, refuse_non_finite
from arc_vae.evaluation.accuracies import active_dims, object_accuracy, pixel_accuracy
from arc_vae.models.base import VAE, GaussianVAE, VAEOutput
from arc_vae.models.decoding import argmax_colors
from arc_vae.objective.loss import Loss, LossTerms
from arc_vae.tracking.metrics_log import MetricsLog
from arc_vae.training.device import autocast
from arc_vae.training.state import EpochProgress, TrainingState
from arc_vae.training.step_graph import StepGraph

# What a step measures, in the order of its tensor. Terms of the loss are told by `LossTerms.metrics()`.
STEP_METRICS = (
    "train/loss_total",
    "train/loss_reconstruction",
    "train/loss_kl",
    "train/reconstruction_nats",
    "train/foreground_nats",
    "train/color_nats",
    "train/kl_nats",
    "train/blank_nats",
    "train/pixel_accuracy",
    "train/object_accuracy",
    "train/active_dims",
    "train/grad_norm",
)

# Told first where several are not finite.
TOLD_FIRST = ("train/loss_reconstruction", "train/loss_kl", "train/loss_total", "train/grad_norm")

REMEDY = (
    "start a new run with a lower optimizer.lr or training.gradient_clip (checkpoints/last.pth, where there is one, "
    "holds the last whole epoch)"
)

# Of a batch's size, how many prior samples the objective looks at: a tenth of a step's time on one CPU core. Of a
# sixteenth, at a third of that, `experiment=smoke` learns less (RESULTS.md).
PRIOR_BATCH_FRACTION = 1 / 4

# Steps between two fetches of the records: on a GPU each fetch is a synchronisation.
SYNC_EVERY_STEPS = 50


class NonFiniteLoss(NonFinite):
    """The objective or its gradient is no longer a number; the last epoch's checkpoint is intact."""


class TrainingStep:
    """Forward, backward, clip, update on one batch; its measurements stay on the device."""

    def __init__(
        self,
        state: TrainingState,
        loss: Loss,
        gradient_clip: float | None,
        precision: str,
        compile: bool,
        cuda_graph: bool = False,
    ):
        self.state = state
        self.loss = loss
        self.gradient_clip = math.inf if gradient_clip is None else gradient_clip
        self.precision = precision
        self.objective = torch.compile(self._objective) if compile else self._objective
        # Tensors, so that new values neither compile the objective anew nor are missed by a graph.
        device = next(state.model.parameters()).device
        self.beta, self.foreground_weight = torch.tensor(0.0, device=device), torch.tensor(1.0, device=device)
        self.told = (0.0, 1.0)
        self.update = StepGraph(self._update, state.optimizer) if cuda_graph else self._update

    def _objective(self, batch: Tensor, beta: Tensor, foreground_weight: Tensor) -> tuple[LossTerms, Tensor]:
        with autocast(batch.device, self.precision):
            output, samples = self._forward(batch)
        terms = self.loss(output.logits, batch, output.mu, output.logvar, beta, foreground_weight, samples)
        return terms, output.logits

    def _forward(self, batch: Tensor) -> tuple[VAEOutput, Tensor | None]:
        """The model's pass, and the logits of prior samples, a share of the batch's size, if the loss looks at them."""
        model = self.state.model
        if self.loss.blank_weight <= 0:
            return model(batch), None
        count = math.ceil(PRIOR_BATCH_FRACTION * len(batch))
        # A class's own pass may do more than encode, draw and decode.
        if isinstance(model, GaussianVAE) and type(model).forward is GaussianVAE.forward:
            return model.forward_with_samples(batch, count)
        output = model(batch)
        return output, model.decode(torch.randn(count, model.latent_dim, device=batch.device, dtype=output.z.dtype))

    def __call__(self, batch: Tensor, beta: float, foreground_weight: float) -> Tensor:
        """Train on integer grids (B, 16, 16) at β and the foreground's weight.

        Returns STEP_METRICS as one float tensor.
        """
        if (beta, foreground_weight) != self.told:
            self.beta.fill_(beta)
            self.foreground_weight.fill_(foreground_weight)
            self.told = (beta, foreground_weight)
        values = self.update(batch)
        self.state.scheduler.step()
        self.state.step += 1
        return values

    def _update(self, batch: Tensor) -> Tensor:
        """All of a step that the device computes."""
        state = self.state
        state.optimizer.zero_grad(set_to_none=True)
        terms, logits = self.objective(batch, self.beta, self.foreground_weight)
        state.scaler.scale(terms.total).backward()
        grad_norm = self._clip_and_update()
        with torch.no_grad():
            predicted = argmax_colors(logits)
            measured = {
                **terms.metrics(),
                "pixel_accuracy": pixel_accuracy(predicted, batch),
                "object_accuracy": object_accuracy(predicted, batch),
                "active_dims": active_dims(terms.kl_per_dim).float(),
                "grad_norm": grad_norm,
            }
            return torch.stack([measured[name.removeprefix("train/")].detach() for name in STEP_METRICS])

    def _clip_and_update(self) -> Tensor:
        """Move the weights; returns the gradient's norm before clipping, 0 where it left float16's range: that step
        is left out and the next one scaled by less. Below a scale of 1 it is the gradient itself that is not finite.
        """
        state, scaler = self.state, self.state.scaler
        scaler.unscale_(state.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(state.model.parameters(), self.gradient_clip)
        scaler.step(state.optimizer)
        if not scaler.is_enabled():
            return norm
        before = scaler.get_scale()
        scaler.update()
        left_out = scaler.get_scale() < before
        return torch.zeros_like(norm) if left_out and before > 1 else norm


class FetchedRecords:
    """Steps' records on their way from the device: number, learning rate and values of each."""

    def __init__(self, records: list[tuple[int, float, Tensor]]):
        self.steps = [(step, learning_rate) for step, learning_rate, _ in records]
        rows = torch.stack([values for _, _, values in records])
        self.rows, self.arrived = rows, None
        if rows.is_cuda:
            self.rows = torch.empty(rows.shape, pin_memory=True).copy_(rows, non_blocking=True)
            self.arrived = torch.cuda.Event()
            self.arrived.record()

    def __iter__(self) -> Iterator[tuple[int, float, list[float]]]:
        if self.arrived:
            self.arrived.synchronize()
        for (step, learning_rate), row in zip(self.steps, self.rows.tolist(), strict=True):
            yield step, learning_rate, row


class StepLog:
    """Gathers an epoch's step records on the device, writes them `SYNC_EVERY_STEPS` at a time, counting them.

    A GPU is not waited for: records are fetched while it computes the next ones, and written with these.
    """

    def __init__(self, record: MetricsLog, epoch: int, constants: dict[str, float], epoch_progress: EpochProgress):
        self.record = record
        self.epoch = epoch
        self.constants = constants
        self.pending: list[tuple[int, float, Tensor]] = []
        self.fetched: FetchedRecords | None = None
        self.latest: dict[str, float] = {}
        self.epoch_progress = epoch_progress

    def append(self, step: int, learning_rate: float, values: Tensor) -> bool:
        """Take in a step; True when records have been written and `latest` is as new as they."""
        self.pending.append((step, learning_rate, values))
        if len(self.pending) < SYNC_EVERY_STEPS:
            return False
        fetched, self.pending = FetchedRecords(self.pending), []
        due, self.fetched = (self.fetched, fetched) if values.is_cuda else (fetched, None)
        if due:
            self._write(due)
        return due is not None

    def flush(self) -> None:
        """Write what is fetched and what is pending.

        Raises:
            NonFiniteLoss: names the first step and term that are no numbers.
        """
        if self.fetched:
            self._write(self.fetched)
        if self.pending:
            self._write(FetchedRecords(self.pending))
        self.fetched, self.pending = None, []

    def _write(self, fetched: FetchedRecords) -> None:
        for step, learning_rate, row in fetched:
            self.latest = dict(zip(STEP_METRICS, row, strict=True))
            self.record.log({**self.latest, **self.constants, "train/lr": learning_rate}, step=step, epoch=self.epoch)
            refuse_diverged(self.latest, f"at step {step}")
            self.epoch_progress.loss_sum += self.latest["train/loss_total"]
        self.epoch_progress.steps += len(fetched.steps)


def refuse_diverged(metrics: dict, when: str, model: VAE | None = None) -> None:
    """Stop where a measured value, or a weight or table of the model, is not a finite number.

    Raises:
        NonFiniteLoss: names it, `when` it was met, and the remedy.
    """
    try:
        refuse_non_finite({name: metrics[name] for name in TOLD_FIRST if name in metrics} | metrics, when, REMEDY)
    except NonFinite as error:
        raise NonFiniteLoss(str(error)) from None
    held = model.state_dict() if model else {}
    floats = {name: value for name, value in held.items() if value.is_floating_point()}
    # One number for all: a device is asked once.
    if floats and not torch.stack([value.isfinite().all() for value in floats.values()]).all():
        name = next(name for name, value in floats.items() if not value.isfinite().all())
        raise NonFiniteLoss(f"the weight {name} is not finite {when}: training diverged; {REMEDY}")
