"""A run's failures explained, and the sweeps that answer them launched."""

from pathlib import Path

from omegaconf import DictConfig

from arc_vae.common.printable import printable
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.sweeps.fallback import diagnose, fallback_variants
from arc_vae.sweeps.launch import run_sweep


def answer_failures(run_path: str, launcher_config: DictConfig | None, sweep_dir: str) -> bool:
    """Print what failed and which sweep answers it; with a launcher's configuration, launch those sweeps.

    A sweep lies in `sweep_dir`, its own name in place of {sweep} or added. Returns whether all jobs finished.

    Raises:
        UserError: a run without a verdict, or whose configuration a sweep does not suit.
    """
    run = RunDirectory(run_path)
    remedies = diagnose(run)
    if not remedies:
        print(f"{run.path} passes all criteria: there is nothing to do")
        return True
    for remedy in remedies:
        print(f"{printable(remedy.finding)}\n    answered by fallback={remedy.sweep}")
    if launcher_config is None:
        print(f"\nlaunch: python -m arc_vae.fallback run={run.path} launch=true")
        return True
    from hydra.utils import instantiate

    launcher = instantiate(launcher_config)
    finished = True
    for sweep in dict.fromkeys(remedy.sweep for remedy in remedies):
        named = sweep_dir if "{sweep}" in sweep_dir else f"{sweep_dir}_{{sweep}}"
        directory = Path(named.replace("{sweep}", sweep))
        print(f"\nfallback={sweep} in {directory}", flush=True)
        finished &= run_sweep(directory, fallback_variants(run, sweep), launcher)
    return finished
