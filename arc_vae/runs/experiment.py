"""An experiment: the parts a configuration names, instantiated, and the checks before any work."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from arc_vae.common.errors import InvalidValue, UserError, require
from arc_vae.common.inside import refuse_links_outside
from arc_vae.common.torch_files import load_checkpoint
from arc_vae.configuration.foreign import open_foreign_config
from arc_vae.configuration.instantiate import instantiate_group
from arc_vae.corpus.corpus import SPLITS, Corpus, CorpusSource
from arc_vae.corpus.subset import first_batches, one_batch
from arc_vae.evaluation.catalog import DEFAULT_OBJECTIVE, OBJECTIVES
from arc_vae.evaluation.criteria import Judge
from arc_vae.evaluation.two_sample import FOLDS
from arc_vae.models import VAE
from arc_vae.models.float64 import refuse_without_float64
from arc_vae.models.outsized import limited_to, limited_to_memory
from arc_vae.objective import Loss
from arc_vae.objective.beta_schedule import BetaSchedule
from arc_vae.runs.own_classes import refuse_incomplete, try_own_classes
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.tracking.wandb_logger import WandbLogger
from arc_vae.training import EarlyStopping, Trainer
from arc_vae.training.checkpoint_files import BEST
from arc_vae.training.short_runs import Length

# Part of a folder's name, beside a date and an id.
NAME = re.compile(r"[\w.-]{1,100}")
# numpy's generators take seeds of 32 bits everywhere.
MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class Experiment:
    """Every part of one run; `optimizer` and `lr_scheduler` still want their model."""

    model: VAE
    loss: Loss
    beta_schedule: BetaSchedule
    optimizer: Callable[..., Optimizer]
    lr_scheduler: Callable[..., LRScheduler]
    source: CorpusSource
    trainer: Trainer
    early_stopping: EarlyStopping
    criteria: Judge
    wandb: WandbLogger

    def load_corpus(self) -> Corpus:
        """The corpus, of which `debug=` leaves a few batches."""
        return trained_part(self.source.load(), self.trainer)

    def length(self, train_grids: int) -> Length:
        """How long a run over so many grids is."""
        return Length(train_grids, self.trainer.batch_size, self.trainer.max_epochs)


def trained_part(corpus: Corpus, training: "Trainer | DictConfig") -> Corpus:
    """What a run trains on and is judged by: of the corpus all, or as few batches as `training` says."""
    if training.overfit_steps:
        return one_batch(corpus, training.batch_size, training.overfit_steps)
    if training.limit_batches:
        return first_batches(corpus, training.limit_batches * training.batch_size)
    return corpus


# The group of each part, in the order in which they are built: the model draws its weights first.
GROUPS = {name: name for name in Experiment.__annotations__} | {"source": "data", "trainer": "training"}


def build_experiment(cfg: DictConfig) -> Experiment:
    """Instantiate every group; the model's weights are drawn from `seed`.

    Raises:
        UserError: a line for each value that will not do, by its key.
    """
    faults = faults_of_settings(cfg)
    torch.manual_seed(0 if faults else cfg.seed)
    parts = {}
    for name, group in GROUPS.items():
        try:
            with limited_to_memory(group):
                parts[name] = instantiate_group(cfg, group)
        except UserError as fault:
            faults.append(fault)
    if faults:
        raise UserError("\n".join(map(str, faults))) from faults[0]
    experiment = Experiment(**parts)
    for group, built in (("model", experiment.model), ("loss", experiment.loss), ("data", experiment.source)):
        refuse_incomplete(built, group)
    refuse_without_float64(experiment.model, experiment.trainer.device)
    return experiment


def faults_of_settings(cfg: DictConfig) -> list[UserError]:
    """A sentence for each setting outside of the groups that will not do: the seed, the name, the objective."""
    faults: list[UserError] = []
    for name, fits, wanted in (
        ("seed", lambda seed: type(seed) is int and seed >= 0, "an integer of at least 0"),
        ("seed", lambda seed: not isinstance(seed, int) or seed <= MAX_SEED, f"at most {MAX_SEED}"),
        (
            "name",
            lambda name: isinstance(name, str) and NAME.fullmatch(name),
            "letters, digits, '.', '_' and '-', 100 at most",
        ),
        ("objective", lambda objective: objective in OBJECTIVES, f"one of {', '.join(OBJECTIVES)}"),
    ):
        # Runs of before there was an objective have none.
        value = cfg.get(name, DEFAULT_OBJECTIVE) if name == "objective" else cfg[name]
        if not fits(value):
            faults.append(InvalidValue(name, value, wanted))
    return faults


def load_experiment(directory: RunDirectory, device: str = "auto", places: dict[str, str] | None = None) -> Experiment:
    """The parts of a run as its best checkpoint's configuration names them, the model not yet with its weights.

    `places` are values in place of those keys of the run's own `data`: where its corpus lies by now. None leaves that
    corpus alone.

    Raises:
        UserError: no such checkpoint, a foreign file, a `_target_` that `conf/` does not name, a place that the
            run's `data` does not have, or where nothing is.
    """
    refuse_links_outside(directory.path)
    path = directory.checkpoints / BEST
    what = "the vae_best.pth of an arc_vae run: run=<run directory>"
    state = load_checkpoint(path, {"config", "model_state_dict"}, what)
    config = state["config"]
    missing = {"seed", "name", *Experiment.__annotations__} - {"source", "trainer"} - set(config)
    if missing:
        raise UserError(
            f"{path} is not the vae_best.pth of an arc_vae run: its config lacks {', '.join(sorted(missing))}"
        )
    cfg = open_foreign_config(config, str(path))
    # What is judged is judged eagerly in float32: the run's own machine may have had what this one lacks.
    cfg.training.device, cfg.training.compile, cfg.training.precision = device, False, "float32"
    for key, value in (places or {}).items():
        if key not in cfg.data:
            raise UserError(f"data.{key}={value}: the corpus of {directory.path} has no data.{key}; leave it out")
        cfg.data[key] = value
    if places is not None and (place := cfg.data.get("path")) and not Path(place).expanduser().exists():
        raise UserError(
            f"{place} does not exist, the corpus that {directory.path} was trained on; give data.path=<its place>"
        )
    with limited_to(state["model_state_dict"], str(path)):
        return build_experiment(cfg)


def build_optimizer(experiment: Experiment, steps_per_epoch: int) -> tuple[Optimizer, LRScheduler]:
    """The optimizer over the model's parameters, and its schedule."""
    try:
        optimizer = experiment.optimizer(experiment.model.parameters())
    except UserError as error:
        raise UserError(f"optimizer.{error}") from error
    except (ValueError, TypeError) as error:
        raise UserError(f"optimizer: {error}") from error
    for group in optimizer.param_groups:
        require(
            0 < group["lr"] < math.inf,
            "optimizer.lr",
            group["lr"],
            "above 0 and finite" if group["lr"] > 0 else "above 0",
        )
    try:
        return optimizer, experiment.lr_scheduler(optimizer, steps_per_epoch=steps_per_epoch)
    except UserError as error:
        raise UserError(f"lr_scheduler.{error}") from error


def check_buildable(cfg: DictConfig) -> Experiment:
    """Every part of an experiment built to see that it can be, before anything of a run is written.

    Raises:
        UserError: what will not do, by its key.
    """
    experiment = build_experiment(cfg)
    try_own_classes(cfg, experiment.model, experiment.loss, experiment.beta_schedule.final_beta)
    build_optimizer(experiment, steps_per_epoch=1)
    check_split_sizes(experiment.source.sizes(), experiment.trainer.batch_size)
    return experiment


def check_split_sizes(sizes: dict[str, int], batch_size: int) -> None:
    """Refuse splits too small to train or to judge on."""
    if sizes["train"] < batch_size:
        raise UserError(
            f"training.batch_size={batch_size}: must be at most the train split's {sizes['train']} grids; lower it"
        )
    for split in SPLITS[1:]:
        if sizes[split] < FOLDS:
            raise UserError(f"data: the {split} split holds {sizes[split]} grids; the verdict needs at least {FOLDS}")
