"""What the stand-in for Slurm knows, in the folder that the variable FAKE_SLURM names.

`cluster.json` holds the settings, `jobs/<id>.json` a record of each job, and of each task of an array,
`forgotten.json` the state of those that the controller forgot, `tasks/<id>` the process that srun began.
"""

import argparse
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTITIONS = ("low", "high")  # high preempts low
QUEUED = ("PENDING", "RUNNING")
# Slurm's own: how long it holds back a job that was requeued, and leaves between SIGTERM and SIGKILL.
HOLD_SECONDS = 120.0
KILL_WAIT = 30.0


class Refused(Exception):
    """What the command prints before it exits with 1."""


class Parser(argparse.ArgumentParser):
    """Of one command; a wrong option ends it with 1, as Slurm's own do."""

    def __init__(self, command: str, *texts: str, flags: tuple[str, ...] = ()):
        super().__init__(prog=command, allow_abbrev=False, add_help=False)
        for name in texts:
            self.add_argument(f"--{name}")
        for name in flags:
            self.add_argument(f"--{name}", action="store_true")

    def error(self, message: str) -> None:
        raise Refused(f"{self.prog}: error: {message}")


class State:
    """The cluster's folder; `with state.is_locked() as jobs` changes the records {id: record} in one piece."""

    def __init__(self, folder: Path | None = None):
        self.folder = folder or Path(os.environ["FAKE_SLURM"])
        self.cluster = json.loads((self.folder / "cluster.json").read_text())

    @contextmanager
    def is_locked(self) -> Iterator[dict[str, dict]]:
        """The records; those changed are written, those taken out are deleted, when the lock is given back."""
        with (self.folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            files = sorted((self.folder / "jobs").glob("*.json"), key=lambda file: _order(file.stem))
            jobs = {file.stem: json.loads(file.read_text()) for file in files}
            before = {name: json.dumps(job) for name, job in jobs.items()}
            yield jobs
            for name, job in jobs.items():
                if before.get(name) != json.dumps(job):
                    self._write(self.folder / "jobs" / f"{name}.json", job)
            for name in before.keys() - jobs.keys():
                (self.folder / "jobs" / f"{name}.json").unlink()

    def forget(self, jobs: dict[str, dict], name: str) -> None:
        """Take a job out of the controller's memory; accounting keeps its state."""
        self._write(self.folder / "forgotten.json", {**self.forgotten(), name: jobs.pop(name)["state"]})

    def forgotten(self) -> dict[str, str]:
        """The state of each job that the controller forgot."""
        file = self.folder / "forgotten.json"
        return json.loads(file.read_text()) if file.is_file() else {}

    def task_pid(self, job: dict) -> int | None:
        """The process that srun began for the job."""
        file = self.folder / "tasks" / str(job["number"])
        return int(file.read_text()) if file.is_file() else None

    def _write(self, file: Path, content: object) -> None:
        partial = file.with_suffix(".partial")
        partial.write_text(json.dumps(content))
        partial.replace(file)


def new_job(number: int, array: int | None, task: int | None, **fields: object) -> tuple[str, dict]:
    """A pending job's id, "7" or "7_1", and its record."""
    name = str(number) if array is None else f"{array}_{task}"
    blank = {"state": "PENDING", "restarts": 0, "asked": None, "asked_at": None, "pid": None, "ended": None}
    return name, {"id": name, "number": number, "array": array, "task": task, **blank, "time": time.time(), **fields}


def find(jobs: dict[str, dict], wanted: str) -> list[dict]:
    """The job of that id, or all tasks of that array.

    Raises:
        Refused: there is none.
    """
    found = [jobs[wanted]] if wanted in jobs else [job for job in jobs.values() if str(job["array"]) == wanted]
    if not found:
        raise Refused(f"slurm_load_jobs error: Invalid job id specified: {wanted}")
    return found


def _order(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.split("_"))
