"""Jobs of a sweep on a Slurm cluster: one array, submitted through submitit; what each does is read off the disk."""

import secrets
import shlex
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from arc_vae.common.errors import UserError
from arc_vae.common.files import write_json
from arc_vae.common.inside import inside
from arc_vae.configuration.trust import read_trust_argument, trust_argument
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.sweeps.job_files import SweepJob
from arc_vae.sweeps.slurm_queue import (
    IDS_FILE,
    SUBMITIT_FOLDER,
    SUBMITTING_FILE,
    largest_array,
    queued_ids,
    record_final_state,
    settle_submission,
    slurm_ids,
)
from arc_vae.sweeps.snapshot import FOLDER, WORKER, code_environment, worker_module

POLL_SECONDS = 2.0

# A requeued job may begin while its former process, or a dead node's lock on a network file system, is still there.
LOCK_WAIT_SECONDS = 300.0


class RequeueableJob:
    """What submitit runs on a node, and runs again when the job is requeued: a run goes on from its checkpoint."""

    def __init__(self, directory: Path):
        self.directory = directory.absolute()
        self.trusted = [name for words in trust_argument() for name in read_trust_argument(words)]

    def __call__(self) -> None:
        # torch is loaded where the job runs, not where the ledger is read.
        from submitit.core.utils import UncompletedJobError

        from arc_vae.sweeps.worker import run_job
        from arc_vae.training.signals import Interrupted

        try:
            # Jobs queued by an earlier version have no `trusted`.
            run_job(self.directory, wait_seconds=LOCK_WAIT_SECONDS, trusted=getattr(self, "trusted", ()))
        except UncompletedJobError as error:
            # submitit's word for: saved, but not requeued once more.
            reason = f"Slurm: {error} hydra.launcher.max_num_timeout says how often a job may run out of its time"
            RunDirectory(self.directory).set_state("failed", reason, kind="killed")
            raise
        except Interrupted as stop:
            # SIGTERM, which submitit only logs: the run is saved, Slurm's next signal would be SIGKILL.
            sys.exit(128 + stop.signal)

    def checkpoint(self) -> Any:
        """Called on submitit's signal, after the run has saved itself: the same again."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)


def submit_arrays(jobs: Sequence[SweepJob], max_num_timeout: int, parameters: dict[str, Any]) -> dict[str, SweepJob]:
    """Submit the jobs as one array, or as several where they are more than the cluster allows; each by its Slurm id.

    The ids are also kept in the sweep directory, array by array.

    Raises:
        UserError: Slurm is not there, or refuses an array; its own words are in the message.
    """
    import submitit

    sweep = jobs[0].directory.parent
    inside(sweep, sweep / SUBMITIT_FOLDER)
    if worker_module(sweep) != WORKER:
        raise UserError(
            f"{sweep / FOLDER} is a copy of an earlier arc_vae, which this one cannot submit to Slurm; "
            "give hydra/launcher=local, or delete that folder to run the jobs with the code of today"
        )
    folder = sweep / SUBMITIT_FOLDER / "%j"
    code = [f"export {name}={shlex.quote(value)}" for name, value in code_environment(sweep).items()]
    setup = {"slurm_setup": [*(parameters.get("slurm_setup") or []), *code]} if code else {}
    submitted: dict[str, SweepJob] = {}
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster="slurm", slurm_max_num_timeout=max_num_timeout)
        executor.update_parameters(**{**parameters, **setup})
        size = largest_array()
        for part in (jobs[first : first + size] for first in range(0, len(jobs), size)):
            # Whatever happens from here on, Slurm can be asked for the jobs of this token.
            token = secrets.token_hex(8)
            write_json(sweep / SUBMITTING_FILE, {"token": token, "jobs": [job.number for job in part]})
            executor.update_parameters(slurm_comment=" ".join(filter(None, [parameters.get("slurm_comment"), token])))
            handles = executor.submit_array([RequeueableJob(job.directory) for job in part])
            submitted |= {handle.job_id: job for handle, job in zip(handles, part, strict=True)}
            ids = slurm_ids(sweep) | {str(job.number): job_id for job_id, job in submitted.items()}
            write_json(sweep / IDS_FILE, ids)
            (sweep / SUBMITTING_FILE).unlink()
    except (RuntimeError, TypeError, NameError, submitit.core.utils.FailedJobError) as error:
        with suppress(UserError):  # where Slurm does not say what it took, the next launcher asks
            settle_submission(sweep)
        raise UserError(f"hydra/launcher=slurm: {' '.join(str(error).split())}") from error
    return submitted


def wait_for_jobs(submitted: dict[str, SweepJob]) -> None:
    """Until none of the jobs is in the queue any more; a job that could not say how it ended is spoken for."""
    waiting = dict(submitted)
    while waiting:
        time.sleep(POLL_SECONDS)
        queued = queued_ids()
        # A controller that restarts says nothing of any job.
        left = [] if queued is None else [job_id for job_id in waiting if job_id not in queued]
        for job_id in left:
            job = waiting.pop(job_id)
            print(f"job {job.number} {record_final_state(job.directory)}", flush=True)
