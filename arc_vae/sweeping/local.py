"""Jobs of a sweep on this machine, each in a process of its own: what happens to one stays with it."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

from arc_vae.errors import require
from arc_vae.run_directory import RunDirectory
from arc_vae.sweeping.frozen import Job
from arc_vae.sweeping.snapshot import code_environment

OUTPUT = "job.out"


def run_jobs(jobs: Sequence[Job], at_a_time: int | Literal["auto"]) -> None:
    """Run every job to its end, `at_a_time` at once, each with its share of the cores.

    One at a time speaks on the terminal; of several, each one's words go to its `job.out`.
    """
    cores = len(os.sched_getaffinity(0))
    wanted = "auto, or a number of at least 1"
    require(at_a_time == "auto" or (isinstance(at_a_time, int) and at_a_time >= 1), "jobs", at_a_time, wanted)
    at_a_time = min(cores if at_a_time == "auto" else at_a_time, max(len(jobs), 1))
    # Threads that wait spin: two processes that do not divide the cores take twice as long as one after the other.
    environment = {**os.environ, "OMP_NUM_THREADS": str(max(1, cores // at_a_time))}
    with ThreadPoolExecutor(at_a_time) as pool:
        for line in pool.map(lambda job: _run(job, environment, silent=at_a_time > 1), jobs):
            print(line, flush=True)


def _run(job: Job, environment: dict[str, str], silent: bool) -> str:
    """One job; returns what became of it in a line."""
    environment = environment | code_environment(job.directory.parent)
    command = [sys.executable, "-m", "arc_vae.sweeping.worker", str(job.directory)]
    print(f"job {job.number} begins: {' '.join(job.overrides)}", flush=True)
    if silent:
        with (job.directory / OUTPUT).open("ab") as output:
            status = subprocess.run(command, env=environment, stdout=output, stderr=output).returncode
    else:
        status = subprocess.run(command, env=environment).returncode
    return f"job {job.number} {settle(job.directory, status)}"


def settle(directory: Path, exit_status: int) -> str:
    """The state of a job whose process has ended. A process that could not say how it ended is spoken for."""
    run = RunDirectory(directory)
    if exit_status != 0 and run.state not in ("failed", "preempted"):
        how = f"killed by {signal.Signals(-exit_status).name}" if exit_status < 0 else f"exit status {exit_status}"
        run.set_state("failed", f"{how}; {directory / 'train.log'} tells how far it came")
    return run.state
