"""A sweep's launch: every job composed, checked and frozen before the first one starts."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.utils import JobReturn, filter_overrides
from omegaconf import DictConfig, OmegaConf, open_dict

from arc_vae.common.errors import UserError
from arc_vae.sweeps.job_files import SweepJob, write_frozen_config, write_jobs
from arc_vae.sweeps.slurm_queue import queued_jobs
from arc_vae.sweeps.snapshot import take_snapshot
from arc_vae.sweeps.status import read_statuses, report_sweep, unfinished

if TYPE_CHECKING:
    from hydra_plugins.arc_vae_launchers import SweepLauncher

SOME_FAILED = 1


def run_sweep(
    sweep: Path, variants: Sequence[tuple[list[str], DictConfig]], launcher: "SweepLauncher", first: int = 0
) -> bool:
    """Try out, freeze and launch (overrides, configuration) of each job, numbered from `first`; whether all finished.

    Raises:
        UserError: a job's configuration will not do; nothing has been written or started then.
    """
    # torch is imported only where there is something to train.
    from arc_vae.sweeps.preflight import check_job

    jobs = []
    for number, (overrides, cfg) in enumerate(variants, first):
        jobs.append(SweepJob(number, overrides, sweep / str(number)))
        try:
            check_job(copy.deepcopy(cfg))
        except UserError as error:
            raise UserError(f"job {number} ({' '.join(overrides)}): {error}; nothing was started") from error
    for job, (_, cfg) in zip(jobs, variants, strict=True):
        write_frozen_config(job, cfg)
    write_jobs(sweep, jobs)
    if launcher.snapshot:
        take_snapshot(sweep)
    launcher.run(jobs)
    return report_sweep(sweep)


def rerun_unfinished(sweep: Path, launcher_config: DictConfig) -> int:
    """Run the jobs that failed, were stopped or never started, by a launcher of this configuration; how many."""
    from hydra.utils import instantiate

    jobs = [entry.job for entry in unfinished(read_statuses(sweep), queued_jobs(sweep))]
    if jobs:
        instantiate(launcher_config).run(jobs)
    return len(jobs)


def launch_overrides(
    launcher: "SweepLauncher", job_overrides: Sequence[Sequence[str]], first: int
) -> Sequence[JobReturn]:
    """Compose each job from its overrides, numbered from `first`, and run them all by `launcher`.

    Raises:
        UserError: a job's configuration will not do; none has been started then.
        SystemExit: status 1 when a job did not finish; the others went on.
    """
    sweep = Path(launcher.config.hydra.sweep.dir)
    composed = [_compose(launcher, n, list(overrides)) for n, overrides in enumerate(job_overrides, first)]
    configs = [OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"]) for cfg in composed]
    own = [list(filter_overrides(overrides)) for overrides in job_overrides]
    if not run_sweep(sweep, list(zip(own, configs, strict=True)), launcher, first):
        raise SystemExit(SOME_FAILED)
    return []


def _compose(launcher: "SweepLauncher", number: int, overrides: list[str]) -> DictConfig:
    cfg = launcher.context.config_loader.load_sweep_config(launcher.config, overrides)
    with open_dict(cfg):
        cfg.hydra.job.id = str(number)
        cfg.hydra.job.num = number
    return cfg
