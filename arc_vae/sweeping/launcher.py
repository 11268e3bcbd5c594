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
from arc_vae.sweeping.snapshot import take_snapshot

SOME_FAILED = 1
# As `conf/hydra/launcher/` names this module.
PLUGIN_NAME = "hydra_plugins.arc_vae"


def submit(
    sweep: Path, variants: Sequence[tuple[list[str], DictConfig]], launcher: "SweepLauncher", first: int = 0
) -> bool:
    """Try out, freeze and launch (overrides, configuration) of each job, numbered from `first`; whether all finished.

    Raises:
        UserError: a job's configuration will not do; nothing has been written or started then.
    """
    # torch is imported only where there is something to train.
    from arc_vae.sweeping.preflight import try_out

    jobs = []
    for number, (overrides, cfg) in enumerate(variants, first):
        jobs.append(Job(number, overrides, sweep / str(number)))
        try:
            try_out(copy.deepcopy(cfg))
        except UserError as error:
            raise UserError(f"job {number} ({' '.join(overrides)}): {error}; nothing was started") from error
    for job, (_, cfg) in zip(jobs, variants, strict=True):
        freeze(job, cfg)
    write_jobs(sweep, jobs)
    if launcher.snapshot:
        take_snapshot(sweep)
    launcher.run(jobs)
    return report(sweep)


class SweepLauncher(Launcher):
    """Freezes a sweep's jobs, runs them by whatever means a subclass has, and reports from the disk.

    With `snapshot` they run from a copy of the code, made now.
    """

    def __init__(self, snapshot: bool):
        self.snapshot = snapshot

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
        configs = [OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"]) for cfg in composed]
        own = [list(filter_overrides(overrides)) for overrides in job_overrides]
        if not submit(sweep, list(zip(own, configs, strict=True)), self, initial_job_idx):
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


class LocalLauncher(SweepLauncher):
    """Jobs on this machine, `jobs` at a time; `auto` is one a core."""

    def __init__(self, snapshot: bool, jobs: int | Literal["auto"]):
        super().__init__(snapshot)
        self.jobs = jobs

    def run(self, jobs: Sequence[Job]) -> None:
        from arc_vae.sweeping.local import run_jobs

        run_jobs(jobs, self.jobs)


class SlurmLauncher(SweepLauncher):
    """Jobs of an array on a Slurm cluster; the options are those of `conf/hydra/launcher/slurm.yaml`.

    Closing the terminal loses nothing: the jobs run on, and the ledger is read off the disk.
    """

    def __init__(self, snapshot: bool, detach: bool, max_num_timeout: int, **parameters: Any):
        super().__init__(snapshot)
        self.detach = detach
        self.max_num_timeout = max_num_timeout
        plain = OmegaConf.to_container(OmegaConf.create(parameters))
        self.parameters = {name: value for name, value in plain.items() if value is not None}

    def run(self, jobs: Sequence[Job]) -> None:
        from arc_vae.sweeping.slurm import submit_arrays, wait

        submitted = submit_arrays(jobs, self.max_num_timeout, self.parameters)
        print(f"submitted: {', '.join(submitted)}", flush=True)
        if self.detach:
            print(f"python -m arc_vae.sweep dir={jobs[0].directory.parent} tells how they fare")
            raise SystemExit(0)
        wait(submitted)


def register() -> None:
    """Make the launchers known to Hydra, which takes them from the package `hydra_plugins` only."""
    sys.modules[PLUGIN_NAME] = sys.modules[__name__]
    for launcher in (LocalLauncher, SlurmLauncher):
        launcher.__module__ = PLUGIN_NAME
        Plugins.instance().register(launcher)
