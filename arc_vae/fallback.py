"""`python -m arc_vae.fallback run=<run dir> [launch=true]`: what failed, by how much, and the sweep that answers it."""

from pathlib import Path

from omegaconf import DictConfig

from arc_vae.cli.command import command


@command("fallback")
def main(cfg: DictConfig) -> None:
    """Explain the verdict; launch the sweeps that answer it when asked."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.utils import instantiate

    from arc_vae.common.errors import require
    from arc_vae.runs.run_directory import RunDirectory
    from arc_vae.sweeps.fallback import diagnose, fallback_variants
    from arc_vae.sweeps.launch import run_sweep

    require(isinstance(cfg.launch, bool), "launch", cfg.launch, "true or false")
    run = RunDirectory(str(cfg.run))
    answers = diagnose(run)
    if not answers:
        print(f"{run.path} passes all criteria: there is nothing to do")
        return
    for answer in answers:
        print(f"{answer.finding}\n    answered by fallback={answer.sweep}")
    if not cfg.launch:
        print(f"\nlaunch: python -m arc_vae.fallback run={run.path} launch=true")
        return
    launcher = instantiate(HydraConfig.get().launcher)
    finished = True
    for sweep in dict.fromkeys(answer.sweep for answer in answers):
        directory = Path(f"{cfg.sweep_dir}_{sweep}")
        print(f"\nfallback={sweep} in {directory}", flush=True)
        finished &= run_sweep(directory, fallback_variants(run, sweep), launcher)
    if not finished:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
