"""Jobs of a sweep on a Slurm cluster: one array, submitted through submitit; what each does is read off the disk."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arc_vae.errors import UserError
from arc_vae.files import write_json
from arc_vae.run_directory import RunDirectory
from arc_vae.sweeping.frozen import Job
from arc_vae.sweeping.snapshot import code_environment

POLL_SECONDS = 2.0
SUBMITIT_FOLDER = ".submitit"
# Of a sweep directory: each job number's Slurm id, the latest where it was submitted again.
IDS_FILE = "slurm.json"
# What Slurm calls the end of a job.
ENDS = {
    "COMPLETED": "ended",
    "FAILED": "ended with an error",
    "OUT_OF_MEMORY": "ran out of the memory it asked for",
    "TIMEOUT": "ran out of time",
    "NODE_FAIL": "lost its node",
    "CANCELLED": "was cancelled",
    "PREEMPTED": "was preempted",
}


class SlurmJob:
    """What submitit runs on a node, and runs again when the job is requeued: a run goes on from its checkpoint."""

    def __init__(self, directory: Path):
        self.directory = directory.absolute()

    def __call__(self) -> None:
        # torch is loaded where the job runs, not where the ledger is read.
        from submitit.core.utils import UncompletedJobError

        from arc_vae.sweeping.worker import work
        from arc_vae.training.interruption import Interrupted

        try:
            work(self.directory)
        except UncompletedJobError as error:
            # submitit's word for: saved, but not requeued once more.
            reason = f"Slurm: {error} hydra.launcher.max_num_timeout says how often a job may run out of its time"
            RunDirectory(self.directory).set_state("failed", reason)
            raise
        except Interrupted as stop:
            # SIGTERM, which submitit only logs: the run is saved, Slurm's next signal would be SIGKILL.
            sys.exit(128 + stop.signal)

    def checkpoint(self) -> Any:
        """Called on submitit's signal, after the run has saved itself: the same again."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)


def submit_arrays(jobs: Sequence[Job], max_num_timeout: int, parameters: dict[str, Any]) -> dict[str, Job]:
    """Submit the jobs as one array, or as several where they are more than the cluster allows; each by its Slurm id.

    The ids are also kept in the sweep directory, array by array.

    Raises:
        UserError: Slurm is not there, or refuses an array; its own words are in the message.
    """
    import submitit

    sweep = jobs[0].directory.parent
    folder = sweep / SUBMITIT_FOLDER / "%j"
    code = [f"export {name}={shlex.quote(value)}" for name, value in code_environment(sweep).items()]
    setup = {"slurm_setup": [*(parameters.get("slurm_setup") or []), *code]} if code else {}
    submitted: dict[str, Job] = {}
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster="slurm", slurm_max_num_timeout=max_num_timeout)
        executor.update_parameters(**{**parameters, **setup})
        size = largest_array()
        for part in (jobs[first : first + size] for first in range(0, len(jobs), size)):
            handles = executor.submit_array([SlurmJob(job.directory) for job in part])
            submitted |= {handle.job_id: job for handle, job in zip(handles, part, strict=True)}
            ids = slurm_ids(sweep) | {str(job.number): job_id for job_id, job in submitted.items()}
            write_json(sweep / IDS_FILE, ids)
    except (RuntimeError, TypeError, NameError, submitit.core.utils.FailedJobError) as error:
        raise UserError(f"hydra/launcher=slurm: {' '.join(str(error).split())}") from error
    return submitted


def slurm_ids(sweep: Path) -> dict[str, str]:
    """The Slurm id of each job number that was submitted."""
    return json.loads((sweep / IDS_FILE).read_text()) if (sweep / IDS_FILE).is_file() else {}


def in_queue(sweep: Path) -> dict[str, str]:
    """The Slurm id of each job number that Slurm still has pending or running; none where no Slurm answers."""
    ids = slurm_ids(sweep)
    queued = (queued_ids() if ids and shutil.which("squeue") else None) or ()
    return {number: job_id for number, job_id in ids.items() if job_id in queued}


def last_words(directory: Path) -> str:
    """What Slurm's own daemon wrote last to a job's error output, as when it kills a job for its memory."""
    job_id = slurm_ids(directory.parent).get(directory.name)
    files = sorted((directory.parent / SUBMITIT_FOLDER / job_id).glob("*_log.err")) if job_id else []
    found = [line for file in files for line in re.findall(r"^slurmstepd.*error: (.+)$", file.read_text(), re.M)]
    return found[-1].strip("* ") if found else ""


def end(directory: Path) -> str:
    """What Slurm says became of a job that has left its queue; nothing where it was never there, or no Slurm answers.

    The controller forgets a job after MinJobAge, five minutes by default; accounting, where it is kept, does not.
    """
    job_id = slurm_ids(directory.parent).get(directory.name)
    if job_id is None or shutil.which("scontrol") is None:
        return ""
    found = re.findall(r"JobState=(\w+)", _slurm("scontrol", "show", "job", job_id) or "")
    if not found and shutil.which("sacct"):
        options = ("--allocations", "--noheader", "--parsable2", "--format=State")
        found = (_slurm("sacct", *options, f"--jobs={job_id}") or "").split()
    if found and found[0] in ENDS:
        return f"Slurm job {job_id} {ENDS[found[0]]}"
    # As a task of an array that was cancelled before it began.
    return "" if found or queued_ids() is None else f"Slurm job {job_id} left the queue, and Slurm tells no more"


def largest_array() -> int:
    """The cluster's limit of jobs in one array."""
    found = re.search(r"MaxArraySize\s*=\s*(\d+)", _slurm("scontrol", "show", "config") or "")
    return int(found[1]) if found else 1001


def wait(submitted: dict[str, Job]) -> None:
    """Until none of the jobs is in the queue any more; a job that could not say how it ended is spoken for."""
    waiting = dict(submitted)
    while waiting:
        time.sleep(POLL_SECONDS)
        queued = queued_ids()
        # A controller that restarts says nothing of any job.
        left = [] if queued is None else [job_id for job_id in waiting if job_id not in queued]
        for job_id in left:
            job = waiting.pop(job_id)
            print(f"job {job.number} {settle(job.directory)}", flush=True)


def queued_ids() -> set[str] | None:
    """The user's jobs that are pending, running or on their way out; without accounting, from the queue alone. None
    where Slurm does not answer.
    """
    answer = _slurm("squeue", "--noheader", "--array", "--format=%i", f"--user={os.getuid()}")
    return None if answer is None else set(answer.split())


def settle(directory: Path) -> str:
    """The state of a job that has left the queue."""
    run = RunDirectory(directory)
    if not run.ended:
        words = [end(directory) or "ended without a word", last_words(directory)]
        directory.mkdir(parents=True, exist_ok=True)
        run.set_state("failed", "; ".join(filter(None, words)))
    return run.state


def _slurm(*command: str) -> str | None:
    """What a Slurm command prints; None where it fails or says nothing for a minute."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except FileNotFoundError as error:
        raise UserError(f"hydra/launcher=slurm needs {command[0]}, which is not on this machine") from error
    except subprocess.TimeoutExpired:
        return None
    return done.stdout if done.returncode == 0 else None
