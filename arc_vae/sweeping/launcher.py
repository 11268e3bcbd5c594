"""Hydra's launcher of sweeps: every job composed, checked and frozen before the first one starts."""

import copy
import sys
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, filter_overrides
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from arc_vae.errors import UserError
from arc_vae.sweeping.frozen import Job, freeze, write_jobs
from arc_vae.sweeping.ledger import report

SOME_FAILED = 1
# As `conf/hydra/launcher/` names this module.
PLUGIN_NAME = "hydra_plugins.arc_vae"


class SweepLauncher(Launcher):
    """Freezes a sweep's jobs, runs them by whatever means a subclass has, and reports from the disk."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context = hydra_context
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch of jobs.

        Raises:
            UserError: a job's configuration will not do; none has been started then.
            SystemExit: status 1 when a job did not finish; the others went on.
        """
        sweep = Path(self.config.hydra.sweep.dir)
        composed = [self._compose(n, list(overrides)) for n, overrides in enumerate(job_overrides, initial_job_idx)]
        jobs = [
            Job(cfg.hydra.job.num, list(filter_overrides(overrides)), sweep / str(cfg.hydra.sweep.subdir))
            for cfg, overrides in zip(composed, job_overrides, strict=True)
        ]
        configs = [OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"]) for cfg in composed]
        self._preflight(jobs, configs)
        for job, cfg in zip(jobs, configs, strict=True):
            freeze(job, cfg)
        write_jobs(sweep, jobs)
        self.run(jobs)
        if not report(sweep):
            raise SystemExit(SOME_FAILED)
        return []

    @abstractmethod
    def run(self, jobs: Sequence[Job]) -> None:
        """Run the frozen jobs to their ends."""

    def _compose(self, number: int, overrides: list[str]) -> DictConfig:
        cfg = self.context.config_loader.load_sweep_config(self.config, overrides)
        with open_dict(cfg):
            cfg.hydra.job.id = str(number)
            cfg.hydra.job.num = number
        return cfg

    def _preflight(self, jobs: Sequence[Job], configs: Sequence[DictConfig]) -> None:
        """Every part of every job built, one batch pushed through its model; here, whatever it will train on."""
        # torch is imported only where there is something to train.
        from arc_vae.sweeping.preflight import try_out

        for job, cfg in zip(jobs, configs, strict=True):
            try:
                try_out(copy.deepcopy(cfg))
            except UserError as error:
                raise UserError(
                    f"job {job.number} ({' '.join(job.overrides)}): {error}; nothing was started"
                ) from error


class LocalLauncher(SweepLauncher):
    """Jobs on this machine, `jobs` at a time; `auto` is one a core."""

    def __init__(self, jobs: int | Literal["auto"] = 1, **unused: Any):
        self.jobs = jobs

    def run(self, jobs: Sequence[Job]) -> None:
        from arc_vae.sweeping.local import run_jobs

        run_jobs(jobs, self.jobs)


def register() -> None:
    """Make the launchers known to Hydra, which takes them from the package `hydra_plugins` only."""
    sys.modules[PLUGIN_NAME] = sys.modules[__name__]
    for launcher in (LocalLauncher,):
        launcher.__module__ = PLUGIN_NAME
        Plugins.instance().register(launcher)
