"""`python -m arc_vae.sweep dir=<sweep dir>`: every job's state and the leaderboard, from the disk (and Slurm)."""

from pathlib import Path

from omegaconf import DictConfig

from arc_vae.command import command


@command("sweep")
def main(cfg: DictConfig) -> None:
    """Print the ledger, rewrite leaderboard.csv and report.html; with rerun=true run what is undone first."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.utils import instantiate

    from arc_vae.errors import require
    from arc_vae.sweeping.launcher import register
    from arc_vae.sweeping.ledger import read_sweep, report, undone
    from arc_vae.sweeping.slurm import in_queue

    sweep = Path(str(cfg.dir))
    require(isinstance(cfg.rerun, bool), "rerun", cfg.rerun, "true or false")
    jobs = []
    if cfg.rerun:
        register()
        jobs = [entry.job for entry in undone(read_sweep(sweep), in_queue(sweep))]
        if jobs:
            instantiate(HydraConfig.get().launcher).run(jobs)
    if not report(sweep) and jobs:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
