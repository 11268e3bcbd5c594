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

    With `snapshot` the jobs run from a copy of the code, made now.
    """

    def __init__(self, snapshot: bool):
        self.snapshot = snapshot

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.context = hydra_context
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch of jobs.

        Raises:
            UserError: a job's configuration will not do; none has been started then.
            SystemExit: status 1 when a job did not finish; the others went on.
        """
        from arc_vae.sweeps.launch import launch_overrides

        return launch_overrides(self, job_overrides, initial_job_idx)

    @abstractmethod
    def run(self, jobs: "Sequence[SweepJob]") -> None:
        """Run the frozen jobs to their ends."""


class LocalLauncher(SweepLauncher):
    """Jobs on this machine, `jobs` at a time; `auto` is one a GPU, without any one a core."""

    def __init__(self, snapshot: bool, jobs: int | Literal["auto"]):
        super().__init__(snapshot)
        self.jobs = jobs

    def run(self, jobs: "Sequence[SweepJob]") -> None:
        from arc_vae.sweeps.local import run_jobs

        run_jobs(jobs, self.jobs)


class SlurmLauncher(SweepLauncher):
    """Jobs of an array on a Slurm cluster; the options are those of `conf/hydra/launcher/slurm.yaml`.

    Closing the terminal loses nothing: the jobs run on, and the ledger is read off the disk.
    """

    def __init__(self, snapshot: bool, detach: bool, max_num_timeout: int, **parameters: Any):
        super().__init__(snapshot)
        self.detach = detach
        self.max_num_timeout = max_num_timeout
        plain = cast(dict[str, Any], OmegaConf.to_container(OmegaConf.create(parameters)))
        self.parameters = {name: value for name, value in plain.items() if value is not None}

    def run(self, jobs: "Sequence[SweepJob]") -> None:
        from arc_vae.sweeps.slurm import submit_arrays, wait_for_jobs

        submitted = submit_arrays(jobs, self.max_num_timeout, self.parameters)
        print(f"submitted: {', '.join(submitted)}", flush=True)
        if self.detach:
            print(f"python -m arc_vae.sweep dir={Path(jobs[0].directory).parent} tells how they fare")
            raise SystemExit(0)
        wait_for_jobs(submitted)
