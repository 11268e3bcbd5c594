"""`python -m arc_vae.train [overrides]`: corpus → training → verdict, in one run directory."""

from omegaconf import DictConfig

from arc_vae.cli.command import command


@command("config")
def main(cfg: DictConfig) -> float | None:
    """Train one model, evaluate it on the test split, print the verdict; returns the figure that `objective` names."""
    # torch is imported only when there is something to train: --help answers at once.
    from hydra.core.hydra_config import HydraConfig

    from arc_vae.cli.hydra_sweeps import begin_hydra_job
    from arc_vae.evaluation.catalog import DEFAULT_OBJECTIVE, objective_value
    from arc_vae.runs.run import run_training

    begin_hydra_job(cfg)
    metrics = run_training(cfg, HydraConfig.get().runtime.output_dir)
    # A run that goes on may be of before there was the key.
    return objective_value(metrics, cfg.get("objective", DEFAULT_OBJECTIVE))


if __name__ == "__main__":
    main()
