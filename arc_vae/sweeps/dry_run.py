"""What a launch would do, told and not done: `hydra.launcher.dry_run=true`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arc_vae.common.errors import UserError
from arc_vae.sweeps.job_files import SweepJob


def describe_launch(jobs: Sequence[SweepJob], how: str) -> str:
    """The jobs, their directories and in what each differs; then `how` they would run."""
    shared = set.intersection(*(set(job.overrides) for job in jobs)) if len(jobs) > 1 else set()
    lines = [f"{len(jobs)} job{'s' if len(jobs) > 1 else ''} would run; nothing has been started or written"]
    for job in jobs:
        own = " ".join(override for override in job.overrides if override not in shared)
        lines.append(f"job {job.number}  {job.directory}  {own}".rstrip())
    if shared:
        lines.append(f"all of them: {' '.join(override for override in jobs[0].overrides if override in shared)}")
    return "\n".join([*lines, how])


def sbatch_script(jobs: Sequence[SweepJob], parameters: dict[str, Any], folder: Path) -> str:
    """What sbatch would be given, on a machine without Slurm too.

    Raises:
        UserError: an option that submitit does not know.
    """
    from submitit.slurm.slurm import SlurmExecutor, _make_sbatch_string

    class Unsubmitted(SlurmExecutor):
        @classmethod
        def affinity(cls) -> int:
            return 1  # else it looks for srun

    try:
        executor = Unsubmitted(folder)
        plain = {name.removeprefix("slurm_"): value for name, value in parameters.items()}
        executor.update_parameters(**executor._convert_parameters(plain))
        count: dict[str, Any] = {"map_count": len(jobs)} if len(jobs) > 1 else {}
        return _make_sbatch_string(executor._submitit_command_str, folder, **executor.parameters, **count)
    except (TypeError, ValueError, NameError) as error:
        raise UserError(f"hydra/launcher=slurm: {' '.join(str(error).split())}") from error
