"""What Slurm says of jobs: its queue, its ends, its own words."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from arc_vae.common.errors import UserError
from arc_vae.common.files import write_json
from arc_vae.common.inside import inside
from arc_vae.common.json_files import read_json_object
from arc_vae.runs.run_directory import RunDirectory

SUBMITIT_FOLDER = ".submitit"

# Of a sweep directory: each job number's Slurm id, the latest where it was submitted again.
IDS_FILE = "slurm.json"

# Of a sweep directory while jobs are being submitted: the token that Slurm keeps as their comment, and their numbers.
SUBMITTING_FILE = "slurm_submitting.json"

# An array's job and its task, or a job alone.
JOB_ID = re.compile(r"\d+(_\d+)?", re.ASCII)
IDS_REMEDY = "if squeue lists none of the sweep's jobs, remove it"

# The user's own jobs, a line each.
SQUEUE = ("squeue", "--noheader", "--array", f"--user={os.getuid()}")

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


def slurm_ids(sweep: Path) -> dict[str, str]:
    """The Slurm id of each job number that was submitted.

    Raises:
        UserError: the file that keeps them is damaged.
    """
    file = sweep / IDS_FILE
    ids = read_json_object(inside(sweep, file), IDS_REMEDY) if file.is_file() else {}
    for number, job_id in ids.items():
        if not (isinstance(job_id, str) and JOB_ID.fullmatch(job_id)):
            raise UserError(f"{file} is damaged (job {number[:20]}: {str(job_id)[:40]}); {IDS_REMEDY}")
    return ids


def queued_jobs(sweep: Path) -> dict[str, str]:
    """The Slurm id of each job number that Slurm still has pending or running; none where no Slurm answers."""
    ids = slurm_ids(sweep) | (submitted_unnoted(sweep) or {})
    queued = (queued_ids_if_any() if ids else None) or ()
    return {number: job_id for number, job_id in ids.items() if job_id in queued}


def submitted_unnoted(sweep: Path) -> dict[str, str] | None:
    """The Slurm id of each job number that a launcher submitted and was killed before it noted; None where there was
    such a launcher and no Slurm answers.
    """
    file = sweep / SUBMITTING_FILE
    if not file.is_file():
        return {}
    if not shutil.which("squeue") or (answer := _slurm(*SQUEUE, "--format=%i %k")) is None:
        return None
    begun = _begun(sweep, file)
    found = [line.split()[0] for line in answer.splitlines() if begun["token"] in line]
    # A task of an array has its place in what was submitted after the underscore; a job alone has none.
    places = {job_id: int(job_id.partition("_")[2] or 0) for job_id in found if JOB_ID.fullmatch(job_id)}
    return {str(begun["jobs"][at]): job_id for job_id, at in places.items() if at < len(begun["jobs"])}


def _begun(sweep: Path, file: Path) -> dict[str, Any]:
    """What a launcher noted before it submitted: a token and the numbers of the jobs."""
    match begun := read_json_object(inside(sweep, file), IDS_REMEDY):
        case {"token": str(token), "jobs": [*numbers]} if token and all(isinstance(number, int) for number in numbers):
            return begun
    raise UserError(f"{file} is damaged: it holds no token and jobs; {IDS_REMEDY}")


def settle_submission(sweep: Path) -> None:
    """Note the ids that a launcher, killed while it submitted, did not. For who keeps the sweep directory.

    Raises:
        UserError: Slurm does not answer, so that it would be a guess whether those jobs are queued.
    """
    file = sweep / SUBMITTING_FILE
    found = submitted_unnoted(sweep)
    if found is None:
        raise UserError(
            f"{file} says that a launcher ended while it submitted jobs, and Slurm does not tell now whether they are "
            "queued; try again when squeue answers, or delete that file if none of them is"
        )
    if found:
        write_json(sweep / IDS_FILE, slurm_ids(sweep) | found)
    file.unlink(missing_ok=True)


def slurmstepd_error(directory: Path) -> str:
    """What Slurm's own daemon wrote last to a job's error output, as when it kills a job for its memory."""
    job_id = slurm_ids(directory.parent).get(directory.name)
    folder = directory.parent / SUBMITIT_FOLDER / (job_id or "")
    files = sorted(inside(directory.parent, file) for file in folder.glob("*_log.err")) if job_id else []
    found = [
        line
        for file in files
        for line in re.findall(r"^slurmstepd.*error: (.+)$", file.read_text(encoding="utf-8", errors="replace"), re.M)
    ]
    return found[-1].strip("* ") if found else ""


def final_state(directory: Path) -> str:
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


def queued_ids() -> set[str] | None:
    """The user's jobs that are pending, running or on their way out; without accounting, from the queue alone. None
    where Slurm does not answer.
    """
    answer = _slurm(*SQUEUE, "--format=%i")
    return None if answer is None else set(answer.split())


def queued_ids_if_any() -> set[str] | None:
    """The same; None also on a machine without Slurm."""
    return queued_ids() if shutil.which("squeue") else None


def record_final_state(directory: Path) -> str:
    """The state of a job that has left the queue."""
    run = RunDirectory(directory)
    if run.is_over:
        return run.state
    words = [final_state(directory) or "ended without a word", slurmstepd_error(directory)]
    return run.record_end("failed", "; ".join(filter(None, words)), over=("finished", "failed"))


def _slurm(*command: str) -> str | None:
    """What a Slurm command prints; None where it fails or says nothing for a minute."""
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=60)
    except FileNotFoundError as error:
        raise UserError(f"hydra/launcher=slurm needs {command[0]}, which is not on this machine") from error
    except subprocess.TimeoutExpired:
        return None
    return done.stdout if done.returncode == 0 else None
