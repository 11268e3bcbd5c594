"""`python -m arc_vae.sweep dir=<sweep dir>`: the state of every job and the leaderboard, from the disk alone."""

from pathlib import Path

from omegaconf import DictConfig

from arc_vae.command import command


@command("sweep")
def main(cfg: DictConfig) -> None:
    """Print the ledger, rewrite leaderboard.csv and report.html; with rerun=true run what is undone first."""
    from arc_vae.errors import require
    from arc_vae.sweeping.ledger import read_sweep, report, undone
    from arc_vae.sweeping.local import run_jobs

    sweep = Path(str(cfg.dir))
    require(isinstance(cfg.rerun, bool), "rerun", cfg.rerun, "true or false")
    if cfg.rerun:
        run_jobs([entry.job for entry in undone(read_sweep(sweep))], cfg.jobs)
    if not report(sweep) and cfg.rerun:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
