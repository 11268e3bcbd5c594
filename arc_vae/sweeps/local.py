"""Jobs of a sweep on this machine, each in a process of its own: what happens to one stays with it."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from types import FrameType
from typing import Any, Literal

from arc_vae.common.inside import inside
from arc_vae.common.printable import printable
from arc_vae.configuration.trust import trust_argument
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.sweeps.gpus import environment_of, gpu_slots
from arc_vae.sweeps.job_files import SweepJob
from arc_vae.sweeps.lifeline import Lifeline
from arc_vae.sweeps.snapshot import code_environment, worker_module
from arc_vae.training.signals import Interrupted

OUTPUT = "job.out"

# Ctrl-C, the end of a login or of an allocation, a closed terminal. Each of them is told to the jobs as one that saves.
TOLD_AS = {
    signal.SIGINT: signal.SIGINT,
    signal.SIGTERM: signal.SIGTERM,
    signal.SIGHUP: signal.SIGTERM,
}


class JobProcesses:
    """The processes of a sweep's jobs. While entered, a signal that would end this process is handed on to them.

    Each saves itself and ends; no other begins then. A second signal is handed on too, and a job ends at once of it.
    Where this process is killed without a word, they notice it themselves (`arc_vae.sweeps.lifeline`).
    """

    def __init__(self) -> None:
        self.stopped_by: int | None = None
        self._running: set[subprocess.Popen] = set()
        self._lock = threading.RLock()
        self._previous: dict[int, Any] = {}
        self._lifeline = Lifeline()

    def __enter__(self) -> "JobProcesses":
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._hand_on) for number in TOLD_AS}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._lifeline.close()

    def run(self, command: Sequence[str], env: Mapping[str, str], **options: Any) -> int | None:
        """The exit status of a command, negative for a signal; None where nothing is to begin any more."""
        with self._lock:
            if self.stopped_by is not None:
                return None
            # A group of its own: a terminal's Ctrl-C comes to it once, from here.
            process = subprocess.Popen(command, process_group=0, **self._lifeline.options(env), **options)
            self._running.add(process)
        try:
            return process.wait()
        finally:
            with self._lock:
                self._running.discard(process)

    def _hand_on(self, number: int, frame: FrameType | None) -> None:
        with self._lock:
            if self.stopped_by is None:
                name = signal.Signals(number).name
                print(f"{name}: jobs that run are saved, then this ends; once more and they end at once", flush=True)
            self.stopped_by = number
            for process in self._running:
                process.send_signal(TOLD_AS[signal.Signals(number)])


def run_jobs(jobs: Sequence[SweepJob], max_parallel: int | Literal["auto"]) -> None:
    """Run every job to its end, `max_parallel` at once, each with its share of the cores and a GPU of its own.

    "auto" is as many as GPUs, without any as cores; where more run than there are GPUs, these are dealt in turn.
    One at a time speaks on the terminal; of several, each one's words go to its `job.out`.

    Raises:
        Interrupted: a signal asked to stop; the jobs that ran have saved themselves and ended.
    """
    cores = len(os.sched_getaffinity(0))
    gpus = gpu_slots(jobs)
    at_once = min((len(gpus) or cores) if max_parallel == "auto" else max_parallel, max(len(jobs), 1))
    # Threads that wait spin: two processes that do not divide the cores take twice as long as one after the other.
    environment = {**os.environ, "OMP_NUM_THREADS": str(max(1, cores // at_once))}
    free: Queue[str | None] = Queue()
    for slot in range(at_once):
        free.put(gpus[slot % len(gpus)] if gpus else None)

    with JobProcesses() as processes, ThreadPoolExecutor(at_once) as pool:

        def run(job: SweepJob) -> str:
            gpu = free.get()
            try:
                return _run(job, processes, environment | environment_of(job, gpu), silent=at_once > 1)
            finally:
                free.put(gpu)

        for line in filter(None, pool.map(run, jobs)):
            print(line, flush=True)
    if processes.stopped_by is not None:
        raise Interrupted(processes.stopped_by)


def _run(job: SweepJob, processes: JobProcesses, environment: dict[str, str], silent: bool) -> str:
    """One job; returns what became of it in a line, nothing where it did not begin."""
    environment = environment | code_environment(job.directory.parent)
    command = [sys.executable, "-m", worker_module(job.directory.parent), str(job.directory), *trust_argument()]
    if processes.stopped_by is None:
        print(printable(f"job {job.number} begins: {' '.join(job.overrides)}"), flush=True)
    if silent:
        with inside(job.directory, job.directory / OUTPUT).open("ab") as output:
            status = processes.run(command, env=environment, stdout=output, stderr=output)
    else:
        status = processes.run(command, env=environment)
    if status is None:
        return ""
    return f"job {job.number} {record_final_state(job.directory, status, processes.stopped_by)}"


def record_final_state(directory: Path, exit_status: int, stopped_by: int | None = None) -> str:
    """The state of a job whose process has ended. A process that could not say how it ended is spoken for.

    `stopped_by` is the signal that it was told of, if any: one that had nothing to save yet dies of it.
    """
    run = RunDirectory(directory)
    if exit_status == 0:
        return run.state
    if exit_status > 0:
        how = f"exit status {exit_status}"
    else:
        how = f"killed by {signal.Signals(-exit_status).name}"
        if stopped_by is not None and -exit_status == TOLD_AS[signal.Signals(stopped_by)]:
            return run.record_end("preempted", f"stopped by {signal.Signals(-exit_status).name} outside of training")
    return run.record_end("failed", f"{how}; {directory / 'train.log'} tells how far it came")
