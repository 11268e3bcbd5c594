"""A sweep's launch: every job composed, checked and frozen before the first one starts."""

import copy
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from omegaconf import DictConfig, OmegaConf, open_dict

from arc_vae.common.errors import JobFailed, UserError
from arc_vae.evaluation.catalog import objective_value
from arc_vae.sweeps.claim import claim_sweep, leave_as_it_was, refuse_other_configuration, undone_when_refused
from arc_vae.sweeps.dry_run import describe_launch
from arc_vae.sweeps.job_files import FLAG, SweepJob, frozen_config, read_jobs, write_frozen_config, write_jobs
from arc_vae.sweeps.slurm_queue import queued_jobs, settle_submission
from arc_vae.sweeps.snapshot import take_snapshot
from arc_vae.sweeps.status import JobStatus as JobEntry
from arc_vae.sweeps.status import read_statuses, report_sweep, unfinished
from arc_vae.tracking.wandb_environment import refuse_one_id_for_a_sweep
from arc_vae.training.signals import Interrupted

if TYPE_CHECKING:
    from hydra_plugins.arc_vae_launchers import SweepLauncher


def run_sweep(
    sweep: Path,
    variants: Sequence[tuple[list[str], DictConfig]],
    launcher: "SweepLauncher",
    first: int = 0,
    base: Sequence[str] = (),
) -> bool:
    """Try out, freeze and launch (overrides, configuration) of each job, numbered from `first`; whether all finished.

    Jobs that an earlier launch has finished, or left running or queued, are not run again.

    `base` are the overrides of the run whose configuration the jobs change.

    Raises:
        UserError: a job's configuration will not do, or the sweep directory is another's; nothing has been started.
    """
    refuse_one_id_for_a_sweep()
    claim_sweep(sweep)
    settle_submission(sweep)
    jobs = [SweepJob(number, overrides, sweep / str(number)) for number, (overrides, _) in enumerate(variants, first)]
    with undone_when_refused(sweep):
        launcher.check()
        frozen = [try_out(job, cfg, base) for job, (_, cfg) in zip(jobs, variants, strict=True)]
    if launcher.dry_run:
        leave_as_it_was(sweep)
        print(describe_launch(jobs, launcher.describe(jobs)))
        return True
    for job, cfg in zip(jobs, frozen, strict=True):
        write_frozen_config(job, cfg)
    write_jobs(sweep, jobs, base)
    if launcher.snapshot:
        take_snapshot(sweep)
    numbers = {job.number for job in jobs}
    left = [e.job for e in unfinished(read_statuses(sweep), queued_jobs(sweep)) if e.job.number in numbers]
    run_to_the_end(sweep, launcher, left)
    return report_sweep(sweep)


def try_out(job: SweepJob, cfg: DictConfig, base: Sequence[str] = ()) -> DictConfig:
    """The job's configuration as it is to be frozen: it builds, a batch goes through, and it is what stands there.

    `base` are the overrides of the run that the sweep changes, where there is one.
    """
    # torch is imported only where there is something to train.
    from arc_vae.sweeps.preflight import check_job

    try:
        corpus_sha256 = check_job(copy.deepcopy(cfg))
    except UserError as error:
        raise UserError(f"job {job.number} ({' '.join(job.overrides)}): {error}; nothing was started") from error
    frozen = frozen_config(job, cfg, base)
    refuse_other_configuration(job, frozen, corpus_sha256)
    return frozen


def rerun_unfinished(sweep: Path, launcher_config: DictConfig) -> int:
    """Run the jobs that failed, were stopped or never started, by a launcher of this configuration; how many.

    Raises:
        UserError: another launcher works in the sweep directory.
    """
    from hydra.utils import instantiate

    read_jobs(sweep)  # a sweep directory, before anything is written there
    claim_sweep(sweep)
    settle_submission(sweep)
    jobs = [entry.job for entry in unfinished(read_statuses(sweep), queued_jobs(sweep))]
    if not jobs:
        return 0
    launcher = instantiate(launcher_config)
    launcher.check()
    if launcher.dry_run:
        print(describe_launch(jobs, launcher.describe(jobs)))
        return 0
    run_to_the_end(sweep, launcher, jobs)
    return len(jobs)


def run_to_the_end(sweep: Path, launcher: "SweepLauncher", jobs: Sequence[SweepJob]) -> None:
    """Run frozen jobs by a launcher; where a signal ends it, print the ledger and end the process.

    Raises:
        SystemExit: 128 and the signal's number, as a shell has it.
    """
    if not jobs:
        return
    try:
        launcher.run(jobs)
    except (Interrupted, KeyboardInterrupt) as stop:
        number = stop.signal if isinstance(stop, Interrupted) else signal.SIGINT
        print(f"\nstopped by {number.name}")
        report_sweep(sweep)
        raise SystemExit(128 + number) from None


def launch_overrides(
    launcher: "SweepLauncher", job_overrides: Sequence[Sequence[str]], first: int
) -> Sequence[JobReturn]:
    """What became of each job, composed from its overrides and numbered from `first`: its value, or why it failed.

    Raises:
        UserError: a job's configuration will not do; none has been started then.
    """
    sweep = Path(launcher.config.hydra.sweep.dir)
    with undone_when_refused(sweep):
        composed = [_compose(launcher, n, list(overrides)) for n, overrides in enumerate(job_overrides, first)]
    configs = [OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"]) for cfg in composed]
    own = [list(filter_overrides(overrides)) for overrides in job_overrides]
    callbacks = launcher.context.callbacks
    if not launcher.dry_run:
        for cfg in composed:
            callbacks.on_job_start(config=cfg, task_function=launcher.task_function)
    hydra = launcher.config.hydra
    sources = [f"--config-dir={source.path}" for source in hydra.runtime.config_sources if source.provider == FLAG]
    searched = [word for word in hydra.overrides.hydra if word.startswith("hydra.searchpath=")]
    run_sweep(sweep, list(zip(own, configs, strict=True)), launcher, first, base=[*sources, *searched])
    if launcher.dry_run:
        raise SystemExit(0)
    entries = {entry.job.number: entry for entry in read_statuses(sweep)}
    ends = [_job_return(entries[number], cfg) for number, cfg in enumerate(composed, first)]
    for cfg, end in zip(composed, ends, strict=True):
        callbacks.on_job_end(config=cfg, job_return=end)
    return ends


def _job_return(entry: JobEntry, composed: DictConfig) -> JobReturn:
    """A job's end as Hydra's sweepers know it; asking a failed one for its value raises JobFailed."""
    finished = entry.state == "finished"
    value = objective_value(entry.metrics, composed.objective) if finished else None
    words = f"job {entry.job.number} ({' '.join(entry.job.overrides)}) {entry.state}: {entry.reason or 'not started'}"
    return JobReturn(
        overrides=entry.job.overrides,
        cfg=OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"]),
        hydra_cfg=OmegaConf.masked_copy(composed, ["hydra"]),
        working_dir=str(entry.job.directory),
        task_name=composed.hydra.job.name,
        status=JobStatus.COMPLETED if finished else JobStatus.FAILED,
        _return_value=value if finished else JobFailed(words),
    )


def _compose(launcher: "SweepLauncher", number: int, overrides: list[str]) -> DictConfig:
    cfg = launcher.context.config_loader.load_sweep_config(launcher.config, overrides)
    with open_dict(cfg):
        cfg.hydra.job.id = str(number)
        cfg.hydra.job.num = number
    return cfg
