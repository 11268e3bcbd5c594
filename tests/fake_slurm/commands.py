"""The stand-in's sbatch, srun, squeue, scontrol, sacct and scancel: what arc_vae, submitit and the tests ask of them.

What it does not know it refuses, as Slurm does: no test passes because an option was taken no notice of.
"""

import os
import signal
import sys
import time

from state import QUEUED, Parser, Refused, State, find
from submission import sbatch, srun


def squeue(words: list[str]) -> str:
    """The jobs that wait or run, one a line."""
    given = Parser("squeue", "states", "format", "user", flags=("noheader", "array")).parse_args(words)
    states = (given.states or ",".join(QUEUED)).split(",")
    array = given.format in ("%i", "%i %k")
    if not given.noheader or not (array and given.array or given.format == "%F"):
        raise Refused("squeue: the stand-in tells --noheader --array --format=%i or '%i %k', or --noheader --format=%F")
    with State().is_locked() as jobs:
        found = [job for job in jobs.values() if job["state"] in states]
    told = {
        "%i": lambda job: job["id"],
        "%i %k": lambda job: f"{job['id']} {job['comment'] or '(null)'}",
        "%F": lambda job: job["array"] or job["number"],
    }
    return "".join(f"{told[given.format](job)}\n" for job in found)


def scontrol(words: list[str]) -> str:
    """The configuration, what is known of jobs, to requeue one, to have one begin now."""
    state = State()
    if words == ["show", "config"]:
        return f"MaxArraySize            = {state.cluster['max_array_size']}\n"
    with state.is_locked() as jobs:
        match words:
            case ["show", "jobs"]:
                return "".join(map(_shown, jobs.values()))
            case ["show", "job", wanted]:
                return "".join(map(_shown, find(jobs, wanted)))
            case ["requeue", wanted]:
                for job in find(jobs, wanted):
                    _ask(job, "requeue")
                return ""
            case ["update", wanted, "StartTime=now"]:
                for job in find(jobs, wanted.removeprefix("JobId=")):
                    job["begin"] = time.time()
                return ""
    raise Refused(f"scontrol: the stand-in does not know {' '.join(words)}")


def sacct(words: list[str]) -> str:
    """The state of jobs, those the controller forgot too."""
    given = Parser("sacct", "format", "jobs", flags=("allocations", "noheader", "parsable2")).parse_args(words)
    state = State()
    if not state.cluster["accounting"]:
        raise Refused("Slurm accounting storage is disabled")
    if given.format != "State" or not (given.noheader and given.parsable2 and given.allocations):
        raise Refused("sacct: the stand-in tells --allocations --noheader --parsable2 --format=State")
    with state.is_locked() as jobs:
        known = {**state.forgotten(), **{name: job["state"] for name, job in jobs.items()}}
    return "".join(f"{known[name]}\n" for name in given.jobs.split(",") if name in known)


def scancel(words: list[str]) -> str:
    """End jobs, or send their tasks a signal."""
    parser = Parser("scancel", "signal")
    parser.add_argument("wanted", nargs="+")
    given = parser.parse_args(words)
    state = State()
    with state.is_locked() as jobs:
        for job in [job for wanted in given.wanted for job in find(jobs, wanted)]:
            if given.signal and (pid := state.task_pid(job)):
                os.kill(pid, getattr(signal, f"SIG{given.signal.removeprefix('SIG')}"))
            elif job["state"] == "RUNNING" and not given.signal:
                _ask(job, "cancel")
            elif job["state"] == "PENDING" and not given.signal:
                job.update(state="CANCELLED", ended=time.time())
                if job["array"] is not None:  # Slurm has no record of a task that never ran
                    state.forget(jobs, job["id"])
    return ""


def _ask(job: dict, what: str) -> None:
    """Have the controller end a running job, then do as asked."""
    if job["state"] == "RUNNING":
        job.update(asked=what, asked_at=time.time())


def _shown(job: dict) -> str:
    array = "" if job["array"] is None else f" ArrayJobId={job['array']} ArrayTaskId={job['task']}"
    told = f"JobName={job['name']}\n   JobState={job['state']} Restarts={job['restarts']}"
    return f"JobId={job['number']}{array} {told}\n"


COMMANDS = {command.__name__: command for command in (sbatch, srun, squeue, scontrol, sacct, scancel)}

if __name__ == "__main__":
    try:
        sys.stdout.write(COMMANDS[sys.argv[1]](sys.argv[2:]))
    except Refused as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None
