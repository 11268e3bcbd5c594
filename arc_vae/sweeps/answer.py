"""A run's failures explained, and the sweeps that answer them launched."""

from pathlib import Path

from omegaconf import DictConfig

from arc_vae.common.printable import printable
from arc_vae.reporting.verdict_text import fallback_command
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.sweeps.fallback import diagnose, fallback_variants
from arc_vae.sweeps.job_files import all_overrides
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
    sweeps = dict.fromkeys(remedy.sweep for remedy in remedies)
    variants = {sweep: fallback_variants(run, sweep) for sweep in sweeps}
    print(f"\n{describe_cost(run, variants)}")
    if launcher_config is None:
        print(f"launch: {fallback_command(run.path)}")
        return True
    from hydra.utils import instantiate

    launcher = instantiate(launcher_config)
    finished = True
    base = all_overrides(run.path)
    for sweep in sweeps:
        named = sweep_dir if "{sweep}" in sweep_dir else f"{sweep_dir}_{{sweep}}"
        directory = Path(named.replace("{sweep}", sweep))
        print(f"\nfallback={sweep} in {directory}", flush=True)
        finished &= run_sweep(directory, variants[sweep], launcher, base=base)
    return finished


def describe_cost(run: RunDirectory, variants: dict[str, list[tuple[list[str], DictConfig]]]) -> str:
    """How many jobs answer a run, and about how long they take, going by the run's own epochs."""
    jobs = [cfg for found in variants.values() for _, cfg in found]
    counted = f"{len(jobs)} job{'s' if len(jobs) > 1 else ''} in all"
    metrics = run.metrics() if run.metrics_file.is_file() else {}
    if not metrics.get("epochs"):
        return f"{counted}, each about as long as this run would have taken"
    minutes = sum(cfg.training.max_epochs for cfg in jobs) * metrics["seconds"] / metrics["epochs"] / 60
    return (
        f"{counted}, about {minutes:.0f} minutes of training one after the other "
        f"(this run took {metrics['seconds'] / 60:.0f}); hydra/launcher=parallel or slurm runs several at a time"
    )
