"""A sweep as its directory tells it: works while it runs, afterwards, and without the process that launched it."""

import json
import os
import shlex
import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from arc_vae.common.commands import sweep_command, worker_command
from arc_vae.common.errors import UserError
from arc_vae.common.inside import inside
from arc_vae.common.printable import printable
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.sweeps.job_files import SweepJob, all_overrides, read_jobs
from arc_vae.sweeps.slurm_queue import final_state, queued_ids_if_any, queued_jobs, slurm_ids, slurmstepd_error
from arc_vae.sweeps.snapshot import code_environment
from arc_vae.tracking.metrics_log import METRICS_LOG

# A running job writes metrics.jsonl every few seconds, while judging every minute or so.
SILENT_SECONDS = 600
TAIL_BYTES = 1 << 16
# Slurm's ids of the jobs that it has pending or running; None where none answers. Asked only where it must be.
Queue = Callable[[], set[str] | None]
UNFINISHED = ("pending", "failed", "preempted")


@dataclass(frozen=True)
class JobStatus:
    """What is known of a job: its state (pending, running, preempted, failed, finished) and reason, the epochs
    validated, and metrics.json or {}.
    """

    job: SweepJob
    state: str
    reason: str
    epochs: int
    metrics: dict

    @property
    def command(self) -> str:
        """What runs the job again, or goes on with it, with the code it was submitted with where that was copied."""
        code = code_environment(self.job.directory.parent, refuse=False).items()
        setting = "".join(f"{name}={shlex.quote(value)} " for name, value in code)
        return f"{setting}{worker_command(self.job.directory)}"

    @property
    def validation(self) -> dict:
        """What the best epoch was judged to be on validation; {} in a run of before that was recorded."""
        return self.metrics.get("validation", {})

    @property
    def reproduction(self) -> str:
        """What trains the same again, in a directory of its own."""
        return f"python -m arc_vae.train {shlex.join(all_overrides(self.job.directory))}".rstrip()

    @property
    def settings(self) -> list[str]:
        """The job's overrides but for the seed."""
        return [override for override in self.job.overrides if not override.startswith("seed=")]


def read_statuses(sweep: Path) -> list[JobStatus]:
    """Every job of the sweep, in order.

    Raises:
        UserError: no sweep directory.
    """
    queue = cache(queued_ids_if_any)
    return [read_entry_or_damage(job, queue) for job in read_jobs(sweep)]


def read_entry_or_damage(job: SweepJob, queue: Queue) -> JobStatus:
    """A job as its directory tells it; one whose files are damaged as failed by that, so that the others are told."""
    try:
        return read_entry(job, queue)
    except UserError as error:
        return JobStatus(job, "failed", str(error), 0, {})


def read_entry(job: SweepJob, queue: Queue = queued_ids_if_any) -> JobStatus:
    """A job as its directory tells it; nothing is written there, and its lock stays free for whoever begins it."""
    run = RunDirectory(job.directory)
    status = run.status()
    state, reason = status.get("state", "pending"), status.get("reason") or ""
    epochs = epochs_done(job.directory / METRICS_LOG)
    if state == "running" and not _alive(run, status, queue):
        state = "failed"
        words = [f"process {status['pid']} on {status['host']} ended without a word, after epoch {epochs}"]
        reason = "; Slurm: ".join([*words, *filter(None, [slurmstepd_error(job.directory)])])
    metrics = run.metrics() if run.metrics_file.is_file() else {}
    return JobStatus(job, state, reason, epochs, metrics if state == "finished" else {})


def epochs_done(file: Path) -> int:
    """Epochs validated, from the end of metrics.jsonl: a long run's is megabytes."""
    if not file.is_file():
        return 0
    with inside(file.parent, file).open("rb") as records:
        records.seek(max(0, file.stat().st_size - TAIL_BYTES))
        lines = records.read().split(b"\n")[:-1]
    for line in reversed(lines):
        try:
            record = json.loads(line)
        except ValueError:
            break  # the tail begins within this line
        if not isinstance(record, dict) or not isinstance(record.get("epoch"), int):
            raise UserError(f"{file} is damaged: its last line is no record; remove that line")
        return record["epoch"] if "val/loss_total" in record else record["epoch"] - 1
    return 0


def _alive(run: RunDirectory, status: dict, queue: Queue) -> bool:
    """Whether a running job's process lives.

    Its lock tells, on most network file systems from another machine too; else Slurm; else what it wrote a moment ago.
    """
    locked = run.is_locked()
    if locked:
        return True
    if status["host"] == os.uname().nodename:
        return locked is None and process_lives(status["pid"])
    job_id = slurm_ids(run.path.parent).get(run.path.name)
    if job_id is not None and (queued := queue()) is not None:
        return job_id in queued
    files = [file for file in (run.path / METRICS_LOG, run.status_file) if file.is_file()]
    return time.time() - max(file.stat().st_mtime for file in files) < SILENT_SECONDS


def process_lives(pid: int) -> bool:
    """Whether this machine has a process of that number: where a lock cannot be asked about."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    return True


def _as_slurm_tells(entry: JobStatus) -> JobStatus:
    """A job that left Slurm's queue without a word, as one cancelled before it began: what Slurm says of its end."""
    ended = RunDirectory(entry.job.directory).is_over
    told = "" if ended or entry.state == "running" else final_state(entry.job.directory)
    if not told:
        return entry
    reason = "; ".join(filter(None, [entry.reason, told]))
    return replace(entry, state="failed" if entry.state == "pending" else entry.state, reason=reason)


def report_sweep(sweep: Path) -> bool:
    """Write the sweep's leaderboard and print what became of it; whether every job finished.

    Of a sweep that is another's, or that cannot be written to, it is printed only.
    """
    from arc_vae.sweeps.leaderboard import leaderboard_text
    from arc_vae.sweeps.sweep_page import write_leaderboard

    waiting = queued_jobs(sweep)
    entries = [e if str(e.job.number) in waiting else _as_slurm_tells(e) for e in read_statuses(sweep)]
    print(leaderboard_text(entries))
    left = unfinished(entries, waiting)
    for number, job_id in waiting.items():
        print(f"job {number} is in Slurm's queue as {job_id}")
    for entry in left:
        told = f"job {entry.job.number} {entry.state}: {entry.reason or 'not started yet'}\n    again: {entry.command}"
        print(printable(told))
    if left:
        print(f"again, all of these: {sweep_command(sweep)} rerun=true")
    if is_own(sweep):
        write_leaderboard(sweep, entries)
        print(f"leaderboard.csv and report.html lie in {sweep}")
    else:
        print(f"{sweep} is another's or cannot be written to: leaderboard.csv and report.html stay as they are")
    return all(entry.state == "finished" for entry in entries)


def is_own(sweep: Path) -> bool:
    """Whether the sweep directory is this user's, and on a disk that takes writes."""
    return sweep.stat().st_uid == os.geteuid() and os.access(sweep, os.W_OK)


def unfinished(entries: Sequence[JobStatus], waiting: Container[str] = ()) -> list[JobStatus]:
    """The jobs that are neither finished nor running, nor by their number in a cluster's queue."""
    return [entry for entry in entries if entry.state in UNFINISHED and str(entry.job.number) not in waiting]
