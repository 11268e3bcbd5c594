"""Step 0 of a run: whatever can be refused is refused before anything is written, and the directory is claimed.

Commands prepare their run in a callback, before Hydra makes the run directory; what was built and read then is
what is trained. A sweep's workers prepare theirs when they start.
"""

from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from arc_vae.configuration.instantiate import to_plain
from arc_vae.runs.experiment import Experiment, check_buildable
from arc_vae.runs.frozen_config import keep_longer_config, load_frozen_config
from arc_vae.runs.resume import (
    load_initial_weights,
    load_resume_checkpoint,
    refuse_other_experiment,
    refuse_stopped_early,
)
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.training.checkpoint_files import has_last
from arc_vae.training.device import configure_process


@dataclass(frozen=True)
class PreparedRun:
    """A run that is ready to train: its directory is locked.

    config: the resolved configuration as plain containers; checkpoint: what last.pth holds, where there is one.
    """

    directory: RunDirectory
    config: dict
    experiment: Experiment
    checkpoint: dict | None


_prepared: dict[Path, PreparedRun] = {}


def prepare_run(cfg: DictConfig, directory: RunDirectory) -> PreparedRun:
    """Build every part once, claim the directory, read the checkpoint to go on from.

    Raises:
        UserError: what will not do, by its key; a directory in use; a checkpoint of another experiment.
    """
    configure_process()
    experiment = check_buildable(cfg)
    config = to_plain(cfg)
    if config.get("init_from") is not None and not has_last(directory.checkpoints):
        load_initial_weights(experiment.model, Path(str(config["init_from"])))
    directory.acquire()
    checkpoint = load_resume_checkpoint(directory, config)
    if asks_for_more_epochs(cfg, directory):
        if checkpoint:
            refuse_stopped_early(checkpoint, config, directory)
        keep_longer_config(directory, OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "resume"]))
    return PreparedRun(directory, config, experiment, checkpoint)


def is_finished(cfg: DictConfig, directory: RunDirectory) -> bool:
    """Whether the directory holds this experiment, finished, and no more epochs of it are asked for.

    Raises:
        UserError: it holds another experiment, finished, or the corpus has changed since; what differs is named.
    """
    if directory.state != "finished" or asks_for_more_epochs(cfg, directory):
        return False
    refuse_other_experiment(cfg, directory)
    return True


def asks_for_more_epochs(cfg: DictConfig, directory: RunDirectory) -> bool:
    """Whether `resume=` goes on with a run for longer than is frozen in its directory."""
    if cfg.get("resume") is None:
        return False
    return cfg.training.max_epochs > load_frozen_config(directory.path).training.max_epochs


def keep_prepared(run: PreparedRun) -> None:
    """Keep a run, built before Hydra makes its directory, for the task that trains it."""
    _prepared[run.directory.path.resolve()] = run


def take_prepared(path: Path) -> PreparedRun | None:
    """The run kept for that directory, if any."""
    return _prepared.pop(path.resolve(), None)
