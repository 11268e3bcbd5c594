"""Jobs of a sweep on this machine, each in a process of its own: what happens to one stays with it."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import Literal

from arc_vae.common.errors import require
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.sweeps.gpus import environment_of, gpu_slots
from arc_vae.sweeps.job_files import SweepJob
from arc_vae.sweeps.snapshot import code_environment, worker_module

OUTPUT = "job.out"


def run_jobs(jobs: Sequence[SweepJob], max_parallel: int | Literal["auto"]) -> None:
    """Run every job to its end, `max_parallel` at once, each with its share of the cores and a GPU of its own.

    "auto" is as many as GPUs, without any as cores; where more run than there are GPUs, these are dealt in turn.
    One at a time speaks on the terminal; of several, each one's words go to its `job.out`.
    """
    cores = len(os.sched_getaffinity(0))
    wanted = "auto, or a number of at least 1"
    require(
        max_parallel == "auto" or (isinstance(max_parallel, int) and max_parallel >= 1), "jobs", max_parallel, wanted
    )
    gpus = gpu_slots(jobs)
    at_once = min((len(gpus) or cores) if max_parallel == "auto" else max_parallel, max(len(jobs), 1))
    # Threads that wait spin: two processes that do not divide the cores take twice as long as one after the other.
    environment = {**os.environ, "OMP_NUM_THREADS": str(max(1, cores // at_once))}
    free: Queue[str | None] = Queue()
    for slot in range(at_once):
        free.put(gpus[slot % len(gpus)] if gpus else None)

    def run(job: SweepJob) -> str:
        gpu = free.get()
        try:
            return _run(job, environment | environment_of(job, gpu), silent=at_once > 1)
        finally:
            free.put(gpu)

    with ThreadPoolExecutor(at_once) as pool:
        for line in pool.map(run, jobs):
            print(line, flush=True)


def _run(job: SweepJob, environment: dict[str, str], silent: bool) -> str:
    """One job; returns what became of it in a line."""
    environment = environment | code_environment(job.directory.parent)
    command = [sys.executable, "-m", worker_module(job.directory.parent), str(job.directory)]
    print(f"job {job.number} begins: {' '.join(job.overrides)}", flush=True)
    if silent:
        with (job.directory / OUTPUT).open("ab") as output:
            status = subprocess.run(command, env=environment, stdout=output, stderr=output).returncode
    else:
        status = subprocess.run(command, env=environment).returncode
    return f"job {job.number} {record_final_state(job.directory, status)}"


def record_final_state(directory: Path, exit_status: int) -> str:
    """The state of a job whose process has ended. A process that could not say how it ended is spoken for."""
    run = RunDirectory(directory)
    if exit_status != 0 and run.state not in ("failed", "preempted"):
        how = f"killed by {signal.Signals(-exit_status).name}" if exit_status < 0 else f"exit status {exit_status}"
        run.set_state("failed", f"{how}; {directory / 'train.log'} tells how far it came", kind="killed")
    return run.state
