"""Everything that changes while a model trains, and so all that exact resumption needs."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from arc_vae.common.legacy import FORMAT
from arc_vae.models.base import VAE
from arc_vae.models.saved import load_weights
from arc_vae.training import checkpoint_keys as keys
from arc_vae.training.batches import Batches, EpochOrder
from arc_vae.training.device import gradient_scaler
from arc_vae.training.early_stopping import EarlyStopping


@dataclass
class EpochProgress:
    """How far an epoch has come that was stopped between two steps.

    `rng` is the state of the random numbers from which it drew its plan; `loss_sum` the objective, summed over its
    `steps`; `seconds` the time spent in it.
    """

    rng: dict
    steps: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0


@dataclass
class TrainingState:
    """Model, optimizer, scheduler, early stopping and how far they have come.

    `config` is the run's resolved configuration as plain containers; `corpus_sha256` and `run_id` tie a
    checkpoint to its corpus and its W&B run; `precision` is the one trained at. `seconds` is the time spent
    in whole epochs, over all resumptions; `epoch_progress` is there only within an epoch. `scaler` does nothing but in
    float16. `arithmetic` is the oldest version by which its steps were computed.
    """

    model: VAE
    optimizer: Optimizer
    scheduler: LRScheduler
    early_stopping: EarlyStopping
    config: dict
    corpus_sha256: str
    run_id: str
    precision: str
    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    epoch_progress: EpochProgress | None = None
    last_metrics: dict = field(default_factory=dict)
    scaler: torch.amp.GradScaler = field(init=False)
    arithmetic: int = field(init=False, default=keys.ARITHMETIC_VERSION)

    def __post_init__(self) -> None:
        self.scaler = gradient_scaler(next(self.model.parameters()).device, self.precision)

    def epoch_order(self, batches: Batches) -> EpochOrder:
        """The order of the epoch that begins, or that of the one stopped within, drawn again."""
        if self.epoch_progress is None:
            self.epoch_progress = EpochProgress(rng_state())
            return batches.sample_order()
        now = rng_state()
        set_rng_state(self.epoch_progress.rng)
        plan = batches.sample_order()
        set_rng_state(now)
        return plan

    @property
    def begun_epoch(self) -> EpochProgress:
        """How far the epoch has come; there is one between `epoch_order` and `end_epoch`."""
        assert self.epoch_progress is not None, "no epoch has begun"
        return self.epoch_progress

    def end_epoch(self, train_loss: float, metrics: dict, seconds: float) -> None:
        """Take in a finished epoch's validation metrics."""
        self.epoch += 1
        self.epoch_progress = None
        self.seconds += seconds
        self.last_metrics = {"train/loss_total": train_loss, **metrics}
        self.early_stopping.update(self.epoch, metrics)

    def state_dict(self) -> dict:
        """A checkpoint: the specification's keys first, then what exact resumption needs besides.

        Plain containers and tensors only, so that `torch.load(weights_only=True)` reads it.
        """
        return {
            keys.EPOCH: self.epoch,
            keys.MODEL: self.model.state_dict(),
            keys.OPTIMIZER: self.optimizer.state_dict(),
            keys.SCHEDULER: self.scheduler.state_dict(),
            **{key: self.last_metrics.get(metric) for key, metric in keys.MEASURED.items()},
            keys.CONFIG: self.config,
            keys.FORMAT: FORMAT,
            keys.STEP: self.step,
            keys.SECONDS: self.seconds,
            keys.EPOCH_PROGRESS: vars(self.epoch_progress) if self.epoch_progress else None,
            keys.EARLY_STOPPING: self.early_stopping.state_dict(),
            keys.RNG: rng_state(),
            keys.CORPUS_SHA256: self.corpus_sha256,
            keys.RUN_ID: self.run_id,
            keys.ARITHMETIC: self.arithmetic,
            keys.PRECISION: self.precision,
            keys.SCALER: self.scaler.state_dict(),
        }

    def load_state_dict(self, state: dict, path: Path) -> None:
        """Continue from the checkpoint read from `path`. The random numbers come last, since loading may draw some."""
        load_weights(self.model, state[keys.MODEL], path)
        self.optimizer.load_state_dict(state[keys.OPTIMIZER])
        self.scheduler.load_state_dict(state[keys.SCHEDULER])
        self.early_stopping.load_state_dict(state[keys.EARLY_STOPPING])
        if state.get(keys.SCALER):
            self.scaler.load_state_dict(state[keys.SCALER])
        self.epoch, self.step, self.seconds = state[keys.EPOCH], state[keys.STEP], state[keys.SECONDS]
        self.epoch_progress = EpochProgress(**state[keys.EPOCH_PROGRESS]) if state.get(keys.EPOCH_PROGRESS) else None
        self.arithmetic = min(state.get(keys.ARITHMETIC, 1), keys.ARITHMETIC_VERSION)
        self.last_metrics = {metric: state[key] for key, metric in keys.MEASURED.items()}
        set_rng_state(state[keys.RNG])


def rng_state() -> dict:
    """torch's global generators: the CPU's and, where there is one, each GPU's."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    mps = {"mps": torch.mps.get_rng_state()} if torch.backends.mps.is_available() else {}
    return {"cpu": torch.get_rng_state(), "cuda": cuda, **mps}


def set_rng_state(state: dict) -> None:
    """Set them; of GPUs that the state tells of, those that this machine has."""
    torch.set_rng_state(state["cpu"])
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    for number, own in enumerate(state["cuda"][:gpus]):
        torch.cuda.set_rng_state(own, number)
    if torch.backends.mps.is_available() and "mps" in state:
        torch.mps.set_rng_state(state["mps"])
