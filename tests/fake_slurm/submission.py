"""The stand-in's sbatch and srun."""

import argparse
import json
import os
import re
import shlex
import time
from pathlib import Path

from state import PARTITIONS, Parser, Refused, State, new_job

SECONDS = {"": 1, "second": 1, "minute": 60, "hour": 3600, "day": 86400}
MEGABYTES = {"": 1, "M": 1, "MB": 1, "G": 1024, "GB": 1024}
# Options of sbatch: those that it heeds, those that it takes no notice of (output is always appended to).
HEEDED = (
    "array",
    "begin",
    "chdir",
    "comment",
    "error",
    "job-name",
    "mem",
    "output",
    "partition",
    "signal",
    "time",
    "wrap",
)
IDLE = (
    "account",
    "constraint",
    "cpus-per-task",
    "gpus-per-node",
    "nodes",
    "ntasks-per-node",
    "open-mode",
    "qos",
    "wckey",
)


def sbatch(words: list[str]) -> str:
    """Queue a script, or an array of it."""
    parser = Parser("sbatch", *HEEDED, *IDLE)
    parser.add_argument("script", nargs="?")
    script = parser.parse_args(words).script
    text = Path(script).read_text() if script else ""
    own = [shlex.split(line)[1] for line in text.splitlines() if line.startswith("#SBATCH ")]
    given = parser.parse_args([*own, *words])
    state = State()
    if given.partition not in (None, *PARTITIONS):
        raise Refused(f"sbatch: error: invalid partition specified: {given.partition}")
    tasks, at_a_time = _tasks(given.array, state.cluster["max_array_size"])
    fields = {
        "folder": given.chdir or str(Path.cwd()),
        "name": given.job_name or "wrap",
        "comment": given.comment,
        "partition": given.partition or PARTITIONS[0],
        "at_a_time": at_a_time,
        "begin": time.time() + _delay(given.begin),
        "output": given.output or "slurm-%j.out",
        "error": given.error,
        "memory_mb": _megabytes(given.mem) if given.mem else None,
        "limit": 60.0 * int(given.time) if given.time else None,
        "signal": given.signal,
    }
    with state.is_locked() as jobs:
        file = state.folder / "next_id"
        first = int(file.read_text()) if file.is_file() else 1
        for offset, task in enumerate(tasks):
            name, job = new_job(first + offset, None if task is None else first, task, **fields)
            spooled = {"script": text or f"#!/bin/sh\n{given.wrap}\n", "env": dict(os.environ)}
            (state.folder / "spool" / f"{job['number']}.json").write_text(json.dumps(spooled))
            jobs[name] = job
        file.write_text(str(first + len(tasks)))
    return f"Submitted batch job {first}\n"


def srun(words: list[str]) -> str:
    """Run the task of a job in this process."""
    parser = Parser("srun", "output", "error", flags=("unbuffered",))
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args(words)
    number = os.environ["SLURM_JOB_ID"]
    for stream, pattern in ((1, given.output), (2, given.error)):
        if pattern:
            path = pattern.replace("%j", number).replace("%t", "0")
            path = path.replace("%A", os.environ.get("SLURM_ARRAY_JOB_ID", number))
            path = path.replace("%a", os.environ.get("SLURM_ARRAY_TASK_ID", "4294967294"))
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666), stream)
    (State().folder / "tasks" / number).write_text(str(os.getpid()))
    os.environ.update(SLURM_PROCID="0", SLURM_LOCALID="0", SLURM_NODEID="0", SLURM_NTASKS="1")
    os.execvp(given.command[0], given.command)


def _tasks(array: str | None, largest: int) -> tuple[list[int | None], int]:
    """The numbers of an array's tasks, and how many run at a time: of "0-3%2", [0, 1, 2, 3] and 2."""
    if array is None:
        return [None], 1
    first, last, at_a_time = re.fullmatch(r"(\d+)-(\d+)(?:%(\d+))?", array).groups()
    if int(last) >= largest:
        raise Refused("sbatch: error: Batch job submission failed: Invalid job array specification")
    return list(range(int(first), int(last) + 1)), int(at_a_time or largest)


def _delay(begin: str | None) -> float:
    """Seconds of "now+1hour"."""
    number, unit = re.fullmatch(r"now\+(\d+)(\w*?)s?", begin or "now+0").groups()
    return float(number) * SECONDS[unit]


def _megabytes(memory: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(\w*)", memory).groups()
    return float(number) * MEGABYTES[unit]
