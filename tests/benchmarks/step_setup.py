"""One training step, made as a run makes it: the only place in the benchmarks that knows how."""

import itertools
from collections.abc import Callable

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from torch import Tensor

from arc_vae.common.grids import SIZE
from arc_vae.configuration.instantiate import to_plain
from arc_vae.configuration.paths import conf_dir
from arc_vae.corpus import Corpus
from arc_vae.evaluation.reconstruction import validation_metrics
from arc_vae.runs.experiment import build_experiment
from arc_vae.runs.run import build_training_state
from arc_vae.training.batches import Batches
from arc_vae.training.device import autocast, configure_process
from arc_vae.training.step import TrainingStep

BETA = 2.0


def configuration(*overrides: str) -> DictConfig:
    """The default experiment's configuration with `overrides`."""
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return compose("config", list(overrides))


def make_step(
    corpus: Corpus, *overrides: str, device: str = "cpu", compile: bool = False, cuda_graph: bool = False
) -> TrainingStep:
    """A step of the default experiment with `overrides`, precision resolved as in a run."""
    configure_process()
    cfg = configuration(f"training.device={device}", *overrides)
    experiment = build_experiment(cfg)
    training_state = build_training_state(experiment, corpus, to_plain(cfg))
    trainer = experiment.trainer
    return TrainingStep(training_state, experiment.loss, trainer.gradient_clip, trainer.precision, compile, cuda_graph)


def train_on(step: TrainingStep, grids: np.ndarray, batch_size: int) -> Callable[[], Tensor]:
    """A call that prepares the next batch of `grids`, uint8 (N, 16, 16), and trains on it, epoch after epoch."""
    device = next(step.state.model.parameters()).device
    batches = Batches(torch.from_numpy(grids).to(device), batch_size, augment=True)
    endless = itertools.chain.from_iterable(itertools.repeat(batches))

    def call() -> Tensor:
        step.state.model.train()
        return step(next(endless), BETA, 1.0)

    return call


def first_batch_of(grids: np.ndarray, batch_size: int) -> Callable[[], Tensor]:
    """A call that begins an epoch: it draws the order of all `grids` and prepares one batch."""
    batches = Batches(torch.from_numpy(grids), batch_size, augment=True)
    return lambda: next(iter(batches))


def validate_on(step: TrainingStep, grids: np.ndarray) -> Callable[[], dict]:
    """A call that is one epoch's validation on `grids`, uint8 (N, 16, 16)."""
    val_grids = torch.from_numpy(grids)

    def call() -> dict:
        with autocast(val_grids.device, step.precision):
            return validation_metrics(step.state.model, step.loss, BETA, val_grids)

    return call


def counted_bytes(batch_size: int, precision: str) -> tuple[str, dict[str, int]]:
    """The resolved precision, and what one step must hold in bytes, by kind.

    Activations are the storages that autograd saves for the backward pass, each counted once, the
    parameters' own left out; each floating one has a gradient of the same size.
    """
    grids = np.zeros((batch_size, SIZE, SIZE), dtype=np.uint8)
    step = make_step(Corpus("none", grids, grids, grids), f"training.precision={precision}")
    parameters = list(step.state.model.parameters())
    own = {parameter.untyped_storage().data_ptr() for parameter in parameters}
    saved: dict[int, tuple[int, bool]] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = (storage.nbytes(), tensor.is_floating_point())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        train_on(step, grids, batch_size)()
    weights = sum(parameter.nbytes for parameter in parameters)
    moments = step.state.optimizer.state.values()
    return step.precision, {
        "parameters": weights,
        "gradients": weights,
        "optimizer's moments": sum(
            tensor.nbytes for state in moments for tensor in state.values() if torch.is_tensor(tensor)
        ),
        "activations": sum(size for size, _ in saved.values()),
        "their gradients": sum(size for size, floating in saved.values() if floating),
    }
