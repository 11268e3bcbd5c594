"""`python -m arc_vae.sweep dir=<sweep dir>`: every job's state and the leaderboard, from the disk (and Slurm)."""

from pathlib import Path

from omegaconf import DictConfig

from arc_vae.cli.command import command


@command("sweep")
def main(cfg: DictConfig) -> None:
    """Print the ledger, rewrite leaderboard.csv and report.html; with rerun=true run what is undone first."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.utils import instantiate

    from arc_vae.common.errors import require
    from arc_vae.sweeps.slurm_queue import queued_jobs
    from arc_vae.sweeps.status import read_statuses, report_sweep, unfinished

    sweep = Path(str(cfg.dir))
    require(isinstance(cfg.rerun, bool), "rerun", cfg.rerun, "true or false")
    jobs = []
    if cfg.rerun:
        jobs = [entry.job for entry in unfinished(read_statuses(sweep), queued_jobs(sweep))]
        if jobs:
            instantiate(HydraConfig.get().launcher).run(jobs)
    if not report_sweep(sweep) and jobs:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
