"""`python -m arc_vae.sweep dir=<sweep dir>`: every job's state and the leaderboard, from the disk (and Slurm)."""

from pathlib import Path

from omegaconf import DictConfig

from arc_vae.cli.command import command


@command("sweep")
def main(cfg: DictConfig) -> None:
    """Print the ledger, rewrite leaderboard.csv and report.html; with rerun=true run what is undone first."""
    from hydra.core.hydra_config import HydraConfig

    from arc_vae.common.errors import require
    from arc_vae.sweeps.launch import rerun_unfinished
    from arc_vae.sweeps.status import report_sweep

    require(isinstance(cfg.rerun, bool), "rerun", cfg.rerun, "true or false")
    rerun = rerun_unfinished(Path(str(cfg.dir)), HydraConfig.get().launcher) if cfg.rerun else 0
    if not report_sweep(Path(str(cfg.dir))) and rerun:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
