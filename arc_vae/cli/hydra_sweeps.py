"""Sweeps of arc_vae.train by launchers other than arc_vae's: basic, submitit_local, joblib and the like."""

import logging
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, read_write

from arc_vae.cli.working_directory import keep_paths
from arc_vae.common.commands import sweep_command
from arc_vae.common.errors import JobFailed, UserError
from arc_vae.common.files import write_text
from arc_vae.configuration.resolvers import new_run_id
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.tracking.wandb_environment import begin_job

logger = logging.getLogger(__name__)

SUBDIR = "${hydra.job.num}"  # conf/config.yaml's
OURS = ("hydra_plugins.arc_vae_launchers", "SweepLauncher")

_sweep: Path | None = None


def remember_hydra_sweep(hydra: DictConfig) -> None:
    """Keep where a sweep's jobs will lie; arc_vae's own launchers report theirs themselves.

    Raises:
        UserError: something is asked of arc_vae's own launchers that they do not do, or Hydra's would write over the
            configurations of an earlier sweep.
    """
    global _sweep
    launcher = Plugins.instance().class_name_to_class[hydra.launcher._target_]
    # By name: Hydra's scan has loaded the module anew.
    if any((base.__module__, base.__name__) == OURS for base in launcher.__mro__):
        refuse_unsupported(hydra)
        return
    sweep = Path(hydra.sweep.dir)
    if any(sweep.rglob(".hydra/config.yaml")):
        raise UserError(
            f"{sweep} holds a sweep already, whose configurations this launcher would write over; choose another "
            f"hydra.sweep.dir, or go on with that sweep by {sweep_command(sweep)} rerun=true"
        )
    _sweep = sweep


def refuse_unsupported(hydra: DictConfig) -> None:
    """Refuse what Hydra documents of jobs and these launchers do not do, since each job is a process of its own."""
    asked = {
        "hydra.sweep.subdir": str(hydra.sweep._get_node("subdir")._value()) != SUBDIR,
        "hydra.job.chdir": bool(hydra.job.chdir),
        "hydra.job.env_set": bool(hydra.job.env_set),
    }
    remedies = {
        "hydra.sweep.subdir": "a job's folder is its number; leave it out, or give hydra/launcher=basic",
        "hydra.job.chdir": "a job runs where the command was typed; leave it out, or give hydra/launcher=basic",
        "hydra.job.env_set": "set the variables in the shell, or on a cluster in hydra.launcher.slurm_setup",
    }
    for key in (key for key, given in asked.items() if given):
        raise UserError(f"{key}: not under hydra/launcher=local, parallel or slurm: {remedies[key]}")


def begin_hydra_job(cfg: DictConfig) -> None:
    """Make a job that a launcher of Hydra's own has begun what it would be under ours in W&B, also in its `.hydra`."""
    hydra = HydraConfig.get()
    if hydra.mode != RunMode.MULTIRUN:
        return
    keep_paths(cfg, hydra)
    overrides = list(hydra.overrides.task)
    begin_job(cfg, Path(hydra.sweep.dir).name, hydra.job.num, overrides)
    # Hydra hands the sweep's on to every job: W&B would keep one of them.
    with read_write(cfg):
        cfg.run_id = new_run_id()
    if hydra.output_subdir is not None:
        write_text(Path(hydra.runtime.output_dir) / hydra.output_subdir / "config.yaml", OmegaConf.to_yaml(cfg))


def report_hydra_sweep() -> None:
    """Print and write the leaderboard of the sweep that was remembered, if it has come to any job."""
    global _sweep
    sweep, _sweep = _sweep, None
    if sweep is None or not sweep.is_dir():
        return
    from arc_vae.sweeps.status import report_sweep

    try:
        report_sweep(sweep)
    except UserError as error:  # no job of it has begun
        logger.debug(error)


def job_failed(error: Exception) -> JobFailed:
    """The sentence in which a sweep's job is given up, also in its status.json; a traceback only of what is no mistake.

    A launcher of Hydra's own then goes on with the next job.
    """
    if not isinstance(error, UserError):
        logger.error("the job failed", exc_info=error)
    hydra = HydraConfig.get()
    directory = RunDirectory(hydra.runtime.output_dir)
    # Commands without one, such as evaluate, leave no run.
    if hydra.output_subdir is not None and not directory.is_over:
        kind = "user_error" if isinstance(error, UserError) else "error"
        directory.set_state("failed", f"{type(error).__name__}: {error}", kind)
    words = str(error) or type(error).__name__
    return JobFailed(f"job {hydra.job.num} ({' '.join(hydra.overrides.task)}) failed: {words}")
