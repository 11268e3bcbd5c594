"""The launchers of arc_vae's sweeps, where Hydra looks for plugins.

Every Hydra application of the environment imports this file, so it imports nothing heavy: the work is in
`arc_vae.sweeps`.
"""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from arc_vae.sweeps.job_files import SweepJob


class SweepLauncher(Launcher):
    """What both launchers do: every job is composed, checked and frozen before the first one starts.

    With `snapshot` the jobs run from a copy of the code, made now; with `dry_run` they are told and not run.
    """

    def __init__(self, snapshot: bool, dry_run: bool = False):
        self.snapshot = snapshot
        self.dry_run = dry_run

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context = hydra_context
        self.config = config
        self.task_function = task_function

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """What became of each job of a batch: its value, named by `objective`, or the error that it failed with.

        Raises:
            UserError: a job's configuration will not do; none has been started then.
        """
        from arc_vae.sweeps.launch import launch_overrides

        return launch_overrides(self, job_overrides, initial_job_idx)

    def check(self) -> None:  # noqa: B027  most launchers take what they are given
        """Raise UserError for an option that will not do, before anything of a sweep is written."""

    @abstractmethod
    def run(self, jobs: "Sequence[SweepJob]") -> None:
        """Run the frozen jobs to their ends."""

    def describe(self, jobs: "Sequence[SweepJob]") -> str:
        """How `run` would run them, for `dry_run`."""
        return f"by {type(self).__name__}"


class LocalLauncher(SweepLauncher):
    """Jobs on this machine, `jobs` at a time; `auto` is one a GPU, without any one a core."""

    def __init__(self, snapshot: bool, dry_run: bool, jobs: int | Literal["auto"]):
        super().__init__(snapshot, dry_run)
        self.jobs = jobs

    def check(self) -> None:
        from arc_vae.common.errors import require

        known = self.jobs == "auto" or (isinstance(self.jobs, int) and self.jobs >= 1)
        require(known, "hydra.launcher.jobs", self.jobs, "auto, or a number of at least 1")

    def run(self, jobs: "Sequence[SweepJob]") -> None:
        from arc_vae.sweeps.local import run_jobs

        run_jobs(jobs, self.jobs)

    def describe(self, jobs: "Sequence[SweepJob]") -> str:
        if self.jobs == "auto":
            return "on this machine, as many at a time as it has GPUs; without any, one a CPU core"
        return f"on this machine, {self.jobs} at a time"


class SlurmLauncher(SweepLauncher):
    """Jobs of an array on a Slurm cluster; the options are those of `conf/hydra/launcher/slurm.yaml`.

    Closing the terminal loses nothing: the jobs run on, and the ledger is read off the disk.
    """

    def __init__(self, snapshot: bool, dry_run: bool, detach: bool, max_num_timeout: int, **parameters: Any):
        super().__init__(snapshot, dry_run)
        self.detach = detach
        self.max_num_timeout = max_num_timeout
        plain = cast(dict[str, Any], OmegaConf.to_container(OmegaConf.create(parameters)))
        self.parameters = {name: value for name, value in plain.items() if value is not None}

    def run(self, jobs: "Sequence[SweepJob]") -> None:
        from arc_vae.common.commands import sweep_command
        from arc_vae.sweeps.slurm import submit_arrays, wait_for_jobs

        submitted = submit_arrays(jobs, self.max_num_timeout, self.parameters)
        print(f"submitted: {', '.join(submitted)}", flush=True)
        if self.detach:
            print(f"{sweep_command(Path(jobs[0].directory).parent)} tells how they fare")
            raise SystemExit(0)
        wait_for_jobs(submitted)

    def describe(self, jobs: "Sequence[SweepJob]") -> str:
        from arc_vae.sweeps.dry_run import sbatch_script
        from arc_vae.sweeps.slurm_queue import SUBMITIT_FOLDER

        folder = Path(jobs[0].directory).parent / SUBMITIT_FOLDER / "%j"
        return f"by sbatch, with this script:\n{sbatch_script(jobs, self.parameters, folder)}"
