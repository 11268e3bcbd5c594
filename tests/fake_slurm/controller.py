"""`python controller.py <folder>`: starts the stand-in's jobs as processes of this machine, watches and ends them."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from state import HOLD_SECONDS, KILL_WAIT, State

POLL_SECONDS = 0.2
PAGE_MB = resource.getpagesize() / 2**20
ENDS = {"cancel": "CANCELLED", "timeout": "TIMEOUT", "memory": "OUT_OF_MEMORY"}


class Controller:
    """The running jobs' processes, by id."""

    def __init__(self, folder: Path):
        self.state = State(folder)
        self.running: dict[str, subprocess.Popen] = {}
        for name in ("jobs", "tasks", "late", "spool"):
            (folder / name).mkdir(exist_ok=True)

    def look(self) -> None:
        """Once round all jobs."""
        with self.state.is_locked() as jobs:
            now = time.time()
            for job in jobs.values():
                if job["state"] == "RUNNING":
                    self._watch(job, now)
            high = [job for job in jobs.values() if job["partition"] == "high" and self._wants(job, now)]
            low = [job for job in jobs.values() if job["partition"] == "low" and job["state"] == "RUNNING"]
            if high:
                for job in low:
                    self._ask(job, "requeue", now)
            for job in high or jobs.values():
                if self._wants(job, now) and job["state"] == "PENDING" and self._fits(job, jobs, alone=bool(high)):
                    self._start(job, now)
            for name in [job["id"] for job in jobs.values() if job["ended"]]:
                if now - jobs[name]["ended"] > self.state.cluster["min_job_age"]:
                    self.state.forget(jobs, name)

    def stop(self) -> None:
        """Kill what runs."""
        for process in self.running.values():
            _signal(process.pid, signal.SIGKILL)
            process.wait()

    def _wants(self, job: dict, now: float) -> bool:
        return job["state"] == "RUNNING" or (job["state"] == "PENDING" and job["begin"] <= now)

    def _fits(self, job: dict, jobs: dict, alone: bool) -> bool:
        """Whether the node has room, as of an array's tasks no more run than it allows."""
        running = [other for other in jobs.values() if other["state"] == "RUNNING"]
        of_array = [other for other in running if job["array"] is not None and other["array"] == job["array"]]
        if not all(
            Path(job["folder"], name).parent.is_dir() for name in (_path(job["output"], job), self._errors(job))
        ):
            return False  # submitit makes it a moment after sbatch has returned
        return len(running) < (1 if alone else self.state.cluster["jobs"]) and len(of_array) < job["at_a_time"]

    def _start(self, job: dict, now: float) -> None:
        spooled = json.loads((self.state.folder / "spool" / f"{job['number']}.json").read_text())
        script = self.state.folder / "spool" / f"{job['number']}.sh"
        script.write_text(spooled["script"])
        output = _path(job["output"], job)
        own = {
            "SLURM_JOB_ID": str(job["number"]),
            "SLURM_JOB_NODELIST": socket.gethostname(),
            "SLURM_JOB_NUM_NODES": "1",
        }
        if job["array"] is not None:
            own |= {"SLURM_ARRAY_JOB_ID": str(job["array"]), "SLURM_ARRAY_TASK_ID": str(job["task"])}
        if job["restarts"]:
            own["SLURM_RESTART_COUNT"] = str(job["restarts"])
        (self.state.folder / "tasks" / str(job["number"])).unlink(missing_ok=True)
        with Path(job["folder"], output).open("ab") as out, Path(job["folder"], self._errors(job)).open("ab") as errors:
            process = subprocess.Popen(
                ["bash", script], cwd=job["folder"], env=spooled["env"] | own, stdin=subprocess.DEVNULL,
                stdout=out, stderr=errors, start_new_session=True,
            )  # fmt: skip
        self.running[job["id"]] = process
        job.update(state="RUNNING", pid=process.pid, started=now, warned=None, asked=None, asked_at=None, told=False)

    def _watch(self, job: dict, now: float) -> None:
        process = self.running[job["id"]]
        if process.poll() is not None:
            _signal(process.pid, signal.SIGKILL)  # what the script left behind
            return self._end(job, process.returncode, now)
        self._check_limits(job, now)
        if job["asked"] and not job["told"]:
            job["told"] = True
            if not self._signal_task(job, signal.SIGTERM):
                _signal(process.pid, signal.SIGTERM)
        if job["asked"] == "memory" or (job["asked"] and now - job["asked_at"] > KILL_WAIT):
            _signal(process.pid, signal.SIGKILL)
        return None

    def _check_limits(self, job: dict, now: float) -> None:
        if job["limit"]:
            name, _, before = (job["signal"] or "KILL@0").partition("@")
            late = (self.state.folder / "late" / job["id"]).exists()  # a test would not wait for the minute to pass
            if not job["warned"] and (late or now - job["started"] >= job["limit"] - float(before)):
                job["warned"] = now
                self._signal_task(job, getattr(signal, f"SIG{name}"))
                (self.state.folder / "late" / job["id"]).unlink(missing_ok=True)
            if job["warned"] and now - job["warned"] >= float(before):
                self._ask(job, "timeout", now)
        if job["memory_mb"] and _memory_mb(job["pid"]) > job["memory_mb"] and job["asked"] != "memory":
            self._ask(job, "memory", now)
            with Path(job["folder"], self._errors(job)).open("a") as errors:
                errors.write(f"slurmstepd-{socket.gethostname()}: error: Exceeded job memory limit\n")

    def _signal_task(self, job: dict, number: signal.Signals) -> bool:
        """Signal what srun began; whether there is such a process."""
        task = self.state.task_pid(job)
        if task is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(task, number)
        return True

    def _ask(self, job: dict, what: str, now: float) -> None:
        if not job["asked"]:
            job.update(asked=what, asked_at=now)

    def _end(self, job: dict, status: int, now: float) -> None:
        del self.running[job["id"]]
        if job["asked"] == "requeue":
            job.update(state="PENDING", asked=None, restarts=job["restarts"] + 1, begin=now + HOLD_SECONDS)
        else:
            job.update(state=ENDS.get(job["asked"]) or ("FAILED" if status else "COMPLETED"), ended=now)

    def _errors(self, job: dict) -> str:
        return _path(job["error"] or job["output"], job)


def _path(pattern: str, job: dict) -> str:
    names = {"%j": job["number"], "%A": job["array"] or job["number"], "%a": job["task"]}
    for name, value in names.items():
        pattern = pattern.replace(name, str(value))
    return pattern


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def _memory_mb(session: int) -> float:
    """What the processes of a session hold in memory."""
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) == session:
                total += int((folder / "statm").read_text().split()[1]) * PAGE_MB
        except (OSError, ValueError, IndexError):
            continue
    return total


def main() -> None:
    controller = Controller(Path(sys.argv[1]))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        while True:
            controller.look()
            time.sleep(POLL_SECONDS)
    finally:
        controller.stop()


if __name__ == "__main__":
    main()
