"""The training loop: epochs of steps, a validation after each, and what is kept of them."""

import logging
import os
import shutil
import time
from collections.abc import Callable
from typing import Literal

import torch
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from arc_vae.common.errors import require
from arc_vae.corpus.corpus import Corpus
from arc_vae.evaluation.measure import epoch_validity
from arc_vae.evaluation.reconstruction import validation_metrics
from arc_vae.objective.beta_schedule import BetaSchedule
from arc_vae.objective.loss import Loss
from arc_vae.tracking.metrics_log import MetricsLog
from arc_vae.training.batches import Batches
from arc_vae.training.checkpoint_files import CheckpointWriter
from arc_vae.training.device import autocast, resolve_compile, resolve_device, resolve_precision
from arc_vae.training.short_runs import BaselineWatch, Length, longest_warmup
from arc_vae.training.signals import DeferredSignals, Interrupted
from arc_vae.training.state import TrainingState
from arc_vae.training.step import StepLog, TrainingStep, refuse_diverged
from arc_vae.training.step_graph import hindrance, resolve_cuda_graph

logger = logging.getLogger(__name__)
EPOCH_LINE = (
    "epoch {epoch}/{of}: val loss {val/loss_total:.3f}{best}, pixel {val/pixel_accuracy:.4f} "
    "(all-background {val/baseline_accuracy:.4f}), object {val/object_accuracy:.4f}, perfect {val/perfect_rate:.4f}, "
    "{val/active_dims} active dims, {val/reconstruction_nats:.2f} + {val/kl_nats:.2f} nats, {seconds:.0f} s{left}"
)


def time_left(seconds: float, epoch: int, epochs: int) -> str:
    """How long the epochs after `epoch` take, going by the `seconds` of those before; nothing after the last."""
    left = seconds / epoch * (epochs - epoch)
    if left <= 0:
        return ""
    return f", about {left / 60:.0f} min left" if left >= 90 else f", about {left:.0f} s left"


class Trainer:
    """How long, in what portions, on what and in which precision to train.

    Args:
        max_epochs: epochs at most; early stopping may end sooner.
        batch_size: grids a step.
        gradient_clip: largest norm of the gradient; None clips nothing.
        device: auto, cpu, cuda, cuda:N or mps; auto is a CUDA GPU where there is one, else the CPU.
        precision: float32, or bfloat16 or float16 autocast of the model (weights and losses stay float32; float16
            gradients are scaled); auto is bfloat16 where the device has instructions for it, else float32.
        compile: whether torch.compile fuses the forward pass and the objective; auto does on a GPU in long runs.
        cuda_graph: whether a step is recorded once and replayed; auto does on a CUDA GPU, but for float16 and for
            classes of one's own.
        checkpoint_every: epochs between two numbered checkpoints.
        image_every: epochs between two sets of pictures.
        criteria_every: epochs between two judgements of samples and paths on validation; the last epoch has one too.
        limit_batches: batches of each split that are used; None is all of them.
        overfit_steps: steps an epoch on the first batch, which then stands for every split; None trains on them all.
        profile: whether to take the time of training's parts.
    """

    def __init__(
        self,
        max_epochs: int = 50,
        batch_size: int = 128,
        gradient_clip: float | None = 1.0,
        device: str = "auto",
        precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
        compile: bool | Literal["auto"] = "auto",
        cuda_graph: bool | Literal["auto"] = "auto",
        checkpoint_every: int = 10,
        image_every: int = 5,
        criteria_every: int = 10,
        limit_batches: int | None = None,
        overfit_steps: int | None = None,
        profile: bool | None = None,
    ):
        require(max_epochs >= 1, "max_epochs", max_epochs, "at least 1")
        require(batch_size >= 1, "batch_size", batch_size, "at least 1")
        require(gradient_clip is None or gradient_clip > 0, "gradient_clip", gradient_clip, "above 0, or null for none")
        require(compile in (True, False, "auto"), "compile", compile, "auto, true or false")
        require(cuda_graph in (True, False, "auto"), "cuda_graph", cuda_graph, "auto, true or false")
        require(checkpoint_every >= 1, "checkpoint_every", checkpoint_every, "at least 1 epoch")
        require(image_every >= 1, "image_every", image_every, "at least 1 epoch")
        require(criteria_every >= 1, "criteria_every", criteria_every, "at least 1 epoch")
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.gradient_clip = gradient_clip
        self.device = resolve_device(device)
        if compile is True and self.device.type == "cpu":
            compiler = os.environ.get("CXX", "g++")
            require(shutil.which(compiler) is not None, "compile", compile, f"false, or install {compiler} first")
        self.precision = resolve_precision(precision, self.device)
        if cuda_graph is True:
            refused = hindrance(self.device, self.precision)
            require(refused is None, "cuda_graph", cuda_graph, f"auto or false: {refused}")
        self.compile, self.cuda_graph = compile, cuda_graph
        self.checkpoint_every = checkpoint_every
        self.image_every = image_every
        self.criteria_every = criteria_every
        for name, value in (("limit_batches", limit_batches), ("overfit_steps", overfit_steps)):
            require(value is None or value >= 1, name, value, "at least 1, or null")
        self.limit_batches, self.overfit_steps, self.profile = limit_batches, overfit_steps, profile

    def fit(
        self,
        state: TrainingState,
        loss: Loss,
        beta_schedule: BetaSchedule,
        corpus: Corpus,
        augment: bool,
        record: MetricsLog,
        checkpoints: CheckpointWriter,
        draw: Callable[[int], None],
    ) -> None:
        """Train from where the state stands to the last epoch, or until early stopping.

        `draw(epoch)` is called every `image_every` epochs and after the last.

        Raises:
            NonFiniteLoss: names the step and the term; the checkpoints are those of the epoch before.
            Interrupted: a signal asked to stop; last.pth holds the last step, and training goes on from there.
        """
        batches = Batches(torch.from_numpy(corpus.train).to(self.device), self.batch_size, augment)
        val_grids = torch.from_numpy(corpus.val).to(self.device)
        total = self.max_epochs * len(batches)
        step = self._build_step(state, loss, total)
        length = Length(len(corpus.train), self.batch_size, self.max_epochs)
        effective = loss.effective_beta(beta_schedule.final_beta, state.model.latent_dim)
        watch = BaselineWatch(state.model, length, longest_warmup(state.scheduler, loss, total), effective)
        # disable=None: no bar where the output is no terminal, the log has a line an epoch there.
        bar = tqdm(total=total, initial=state.step, unit="step", disable=None, dynamic_ncols=True)
        with bar as progress, logging_redirect_tqdm(), DeferredSignals() as interruption:
            while not self._is_finished(state):
                started = time.perf_counter() - (state.epoch_progress.seconds if state.epoch_progress else 0)
                try:
                    train_loss = self._train_epoch(step, beta_schedule, batches, record, progress, interruption)
                except Interrupted:
                    state.begun_epoch.seconds = time.perf_counter() - started
                    record.flush()
                    refuse_diverged({}, f"after step {state.step}", state.model)
                    checkpoints.save_last(state.state_dict())
                    raise
                metrics = self._validate(state, loss, beta_schedule.final_beta, val_grids)
                state.end_epoch(train_loss, metrics, seconds=time.perf_counter() - started)
                if state.epoch % self.criteria_every == 0 or self._is_finished(state):
                    metrics |= epoch_validity(state.model, corpus, val_grids)
                self._log_and_save(state, metrics, record, checkpoints, draw)
                watch.look(state.step, metrics)
        checkpoints.save_final(state.state_dict())

    def _build_step(self, state: TrainingState, loss: Loss, total: int) -> TrainingStep:
        """The step of a run of `total` steps, compiled or recorded as this device does it best."""
        if self.device.index is not None:
            # What takes no device of its own, such as a replayed graph, then runs there too.
            torch.cuda.set_device(self.device)
        compile = resolve_compile(self.compile, self.device, total)
        graph = resolve_cuda_graph(self.cuda_graph, self.device, self.precision, state.model, loss, state.optimizer)
        ways = f"{'compiled' if compile else 'eager'}{', replayed as a CUDA graph' if graph else ''}"
        logger.info("device %s, precision %s, %s", self.device, self.precision, ways)
        return TrainingStep(state, loss, self.gradient_clip, self.precision, compile, graph)

    def _validate(self, state: TrainingState, loss: Loss, final_beta: float, val_grids: torch.Tensor) -> dict:
        """The epoch's validation record; a model that has diverged is refused before anything is saved of it."""
        when = f"after epoch {state.epoch + 1}"
        refuse_diverged({}, when, state.model)
        with autocast(self.device, self.precision):
            metrics = validation_metrics(state.model, loss, final_beta, val_grids)
        refuse_diverged(metrics, when)
        return metrics

    def _is_finished(self, state: TrainingState) -> bool:
        return state.epoch >= self.max_epochs or state.early_stopping.should_stop

    def _train_epoch(
        self,
        step: TrainingStep,
        beta_schedule: BetaSchedule,
        batches: Batches,
        record: MetricsLog,
        progress: tqdm,
        interruption: DeferredSignals,
    ) -> float:
        """One pass over the batches, or the rest of one; returns the mean objective."""
        state = step.state
        epoch = state.epoch + 1
        plan = state.epoch_order(batches)
        state.model.train()
        beta = beta_schedule(epoch)
        effective = step.loss.effective_beta(beta, state.model.latent_dim)
        constants = {"train/beta": beta, "train/beta_effective": effective}
        records = StepLog(record, epoch, constants, state.begun_epoch)
        for batch in batches.iterate(plan, skip=state.begun_epoch.steps):
            learning_rate = float(state.scheduler.get_last_lr()[0])
            values = step(batch, beta, step.loss.foreground_weight(state.step))
            fetched = records.append(state.step, learning_rate, values)
            progress.update()
            if fetched:
                latest = records.latest
                progress.set_description(f"epoch {epoch}", refresh=False)
                progress.set_postfix(
                    loss=f"{latest['train/loss_total']:.2f}",
                    object=f"{latest['train/object_accuracy']:.3f}",
                    refresh=False,
                )
            if interruption.wanted:
                records.flush()
                interruption.raise_pending()
        records.flush()
        return state.begun_epoch.loss_sum / state.begun_epoch.steps

    def _log_and_save(
        self,
        state: TrainingState,
        metrics: dict,
        record: MetricsLog,
        checkpoints: CheckpointWriter,
        draw: Callable[[int], None],
    ) -> None:
        """Log, draw, save: the record is on disk before the checkpoint that says it is."""
        epoch, improved = state.epoch, state.early_stopping.best_epoch == state.epoch
        record.log(metrics, step=state.step, epoch=epoch)
        if improved:
            record.best(metrics, epoch)
        best = " (best)" if improved else ""
        left = time_left(state.seconds, epoch, self.max_epochs)
        words = {"epoch": epoch, "of": self.max_epochs, "best": best, "seconds": state.seconds, "left": left}
        logger.info(EPOCH_LINE.format(**words, **metrics))
        if epoch % self.image_every == 0 or self._is_finished(state):
            draw(epoch)
        record.flush()
        for path in checkpoints.save_epoch(state.state_dict(), state.model, improved):
            record.artifact(path, name=path.stem.rsplit("_epoch_", 1)[0], type="model")
        if state.early_stopping.should_stop:
            watched = state.early_stopping
            logger.info("early stopping: %s is best since epoch %d", watched.monitor, watched.best_epoch)
