"""An experiment: the parts a configuration names, instantiated, and the checks before any work."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from arc_vae.command import RefuseMistakes
from arc_vae.config import build, refuse_foreign_targets
from arc_vae.corpus.corpus import SPLITS
from arc_vae.errors import UserError, require
from arc_vae.evaluation import Criteria
from arc_vae.evaluation.two_sample import FOLDS
from arc_vae.models import BetaVAE
from arc_vae.objective import BetaVAELoss
from arc_vae.objective.beta_schedule import BetaSchedule
from arc_vae.reporting.wandb_run import WandbRun
from arc_vae.run_directory import RunDirectory
from arc_vae.training import EarlyStopping, Trainer
from arc_vae.training import checkpoints as files
from arc_vae.training.hardware import use_machine_well

# What may differ between an interrupted run and its resumption without making another experiment of it.
RESUMABLE_DIFFERENCES = ("run_id", "wandb", "criteria", "experiment", "fallback")


@dataclass(frozen=True)
class Experiment:
    """Every part of one run; `optimizer` and `lr_scheduler` still want their model."""

    model: BetaVAE
    loss: BetaVAELoss
    beta_schedule: BetaSchedule
    optimizer: Callable[..., Optimizer]
    lr_scheduler: Callable[..., LRScheduler]
    source: Any
    trainer: Trainer
    early_stopping: EarlyStopping
    criteria: Criteria
    wandb: WandbRun


def assemble(cfg: DictConfig) -> Experiment:
    """Instantiate every group; the model's weights are drawn from `seed`."""
    require(isinstance(cfg.seed, int) and cfg.seed >= 0, "seed", cfg.seed, "an integer of at least 0")
    name = cfg.name
    require(isinstance(name, str) and re.fullmatch(r"[\w.-]+", name), "name", name, "letters, digits, '.', '_' and '-'")
    torch.manual_seed(cfg.seed)
    return Experiment(
        model=build(cfg, "model"),
        loss=build(cfg, "loss"),
        beta_schedule=build(cfg, "beta_schedule"),
        optimizer=build(cfg, "optimizer"),
        lr_scheduler=build(cfg, "lr_scheduler"),
        source=build(cfg, "data"),
        trainer=build(cfg, "training"),
        early_stopping=build(cfg, "early_stopping"),
        criteria=build(cfg, "criteria"),
        wandb=build(cfg, "wandb"),
    )


def reassemble(directory: RunDirectory, device: str = "auto") -> Experiment:
    """The parts of a run as its best checkpoint's configuration names them, the model not yet with its weights.

    Raises:
        UserError: no such checkpoint, a foreign file, or a `_target_` that `conf/` does not name.
    """
    path = directory.checkpoints / files.BEST
    config = files.load(path, {"config"}, "the vae_best.pth of an arc_vae run: run=<run directory>")["config"]
    missing = {"seed", "name", *Experiment.__annotations__} - {"source", "trainer"} - set(config)
    if missing:
        raise UserError(
            f"{path} is not the vae_best.pth of an arc_vae run: its config lacks {', '.join(sorted(missing))}"
        )
    refuse_foreign_targets(config, str(path))
    cfg = OmegaConf.create(config)
    cfg.training.device = device
    return assemble(cfg)


def complete(experiment: Experiment, steps_per_epoch: int) -> tuple[Optimizer, LRScheduler]:
    """The optimizer over the model's parameters, and its schedule."""
    try:
        optimizer = experiment.optimizer(experiment.model.parameters())
    except UserError as error:
        raise UserError(f"optimizer.{error}") from error
    except (ValueError, TypeError) as error:
        raise UserError(f"optimizer: {error}") from error
    try:
        return optimizer, experiment.lr_scheduler(optimizer, steps_per_epoch=steps_per_epoch)
    except UserError as error:
        raise UserError(f"lr_scheduler.{error}") from error


def assemble_once(cfg: DictConfig) -> Experiment:
    """Every part of an experiment built to see that it can be, before anything of a run is written.

    Raises:
        UserError: what will not do, by its key.
    """
    experiment = assemble(cfg)
    complete(experiment, steps_per_epoch=1)
    check_sizes(experiment)
    return experiment


def check_sizes(experiment: Experiment) -> None:
    """Refuse splits too small to train or to judge on."""
    sizes = experiment.source.sizes()
    batch_size = experiment.trainer.batch_size
    if sizes["train"] < batch_size:
        raise UserError(
            f"training.batch_size={batch_size}: must be at most the train split's {sizes['train']} grids; lower it"
        )
    for split in SPLITS[1:]:
        if sizes[split] < FOLDS:
            raise UserError(f"data: the {split} split holds {sizes[split]} grids; the verdict needs at least {FOLDS}")


def resumption(directory: RunDirectory, config: dict) -> dict | None:
    """The checkpoint to go on from, if the directory holds one of this same experiment.

    Raises:
        UserError: the checkpoint's configuration differs; the first difference is named.
    """
    path = directory.checkpoints / files.LAST
    if not path.exists():
        return None
    state = files.load(path, {"config", "model_state_dict", "rng"}, "an arc_vae checkpoint to resume from")
    then, now = (flat(c) for c in (state["config"], config))
    for key in sorted(then.keys() | now.keys()):
        if key.split(".")[0] not in RESUMABLE_DIFFERENCES and then.get(key) != now.get(key):
            raise UserError(
                f"{directory.path} was begun with {key}={then.get(key)}, not {now.get(key)}; resume it with the "
                "overrides in its .hydra/overrides.yaml, or choose another hydra.run.dir"
            )
    return state


def flat(config: dict, prefix: str = "") -> dict[str, Any]:
    """Nested containers as {dotted key: leaf}."""
    leaves: dict[str, Any] = {}
    for key, value in config.items():
        path = f"{prefix}{key}"
        leaves |= flat(value, f"{path}.") if isinstance(value, dict) else {path: value}
    return leaves


def plain(cfg: DictConfig) -> dict:
    """The resolved configuration as plain containers."""
    return OmegaConf.to_container(cfg, resolve=True)


class CheckExperiment(RefuseMistakes):
    """Before Hydra makes the run directory: build every part once, and look at what already stands there."""

    def check(self, cfg: DictConfig, output_dir: Path) -> None:
        directory = RunDirectory(output_dir)
        if directory.state == "finished":
            print(f"{directory.path} is finished already; its verdict is in {directory.metrics_file}")
            raise SystemExit(0)
        use_machine_well()
        assemble_once(cfg)
        resumption(directory, plain(cfg))
