"""`python -m arc_vae.fallback run=<run dir> [launch=true]`: what failed, by how much, and the sweep that answers it."""

from omegaconf import DictConfig

from arc_vae.cli.command import command


@command("fallback")
def main(cfg: DictConfig) -> None:
    """Explain the verdict; launch the sweeps that answer it when asked."""
    from hydra.core.hydra_config import HydraConfig

    from arc_vae.common.errors import require
    from arc_vae.sweeps.answer import answer_failures
    from arc_vae.sweeps.plan import Budget

    require(isinstance(cfg.launch, bool), "launch", cfg.launch, "true or false")
    budget = Budget(cfg.depth, cfg.max_runs, cfg.max_minutes)
    if not answer_failures(str(cfg.run), HydraConfig.get().launcher if cfg.launch else None, cfg.sweep_dir, budget):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
