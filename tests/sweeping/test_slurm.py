"""Sweeps on Slurm: most on the stand-in of `tests/fake_slurm/` and on a real one of one node (`clusters.py`); those
that take minutes of requeued jobs on the real one alone.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from clusters import Real, StandIn, wait_for
from conftest import TINY_JOB, call_command, run_command

from arc_vae.evaluation.criteria import FALLBACK_SWEEPS
from arc_vae.sweeps.slurm_queue import final_state, queued_ids

LONG = ("training.max_epochs=24", "early_stopping.patience=null")
ON_SLURM = (
    *("hydra/launcher=slurm", "hydra.launcher.gpus_per_node=0"),
    # More than twice what a job takes: Slurm counts a process that forks double until it has begun another program.
    *("hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=2"),
)
HOLD = "hydra.launcher.slurm_additional_parameters={begin: now+1hour}"
# Takes the node for a second, which the partition low must leave.
HIGH = ("sbatch", "--partition=high", "--mem=50", "--output=/dev/null", "--wrap", "sleep 1")

STEPS = 24 * 16


def on_both(accounting: str = "") -> pytest.MarkDecorator:
    """Run the test on the stand-in and on a real Slurm."""
    kinds = (f"stand-in{accounting}", pytest.param(f"real{accounting}", marks=pytest.mark.slurm))
    return pytest.mark.parametrize("slurm", kinds, indirect=True)


def on_real(test: Callable) -> Callable:
    """Run the test on a real Slurm alone: minutes of jobs that are requeued, which `.ci/run` waits for."""
    return pytest.mark.parametrize("slurm", ["real"], indirect=True)(pytest.mark.slurm(test))


@pytest.fixture(scope="module")
def slurm(request, tmp_path_factory):
    """A running cluster: the stand-in or a real one, with accounting or without."""
    kind, _, accounting = getattr(request, "param", "stand-in").partition(", ")
    cluster = (Real if kind == "real" else StandIn)(tmp_path_factory.mktemp("slurm"), bool(accounting))
    cluster.env |= {"OMP_NUM_THREADS": "1", "WANDB_ERROR_REPORTING": "false"}
    yield cluster
    cluster.stop()


@pytest.fixture(autouse=True)
def told(slurm):
    """What Slurm says of its jobs, for pytest to show beside a test that fails."""
    yield
    print(command(slurm, "scontrol", "show", "jobs"))
    print(slurm.log())


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Callable[..., dict]:
    """The weights of a run outside of Slurm, that nothing interrupted, by its options."""

    @cache
    def train(*options: str) -> dict:
        folder = tmp_path_factory.mktemp("alone")
        call_command("train", *TINY_JOB, *options, f"hydra.run.dir={folder / 'run'}", cwd=folder)
        return weights(folder / "run")

    return train


def command(slurm, *words: str) -> str:
    return subprocess.run(words, env={**os.environ, **slurm.env}, capture_output=True, text=True, timeout=60).stdout


def status(job: Path) -> dict:
    return json.loads((job / "status.json").read_text()) if (job / "status.json").is_file() else {}


def weights(run: Path) -> dict:
    return torch.load(run / "checkpoints" / "vae_final.pth", weights_only=True)["model_state_dict"]


def pending(slurm) -> list[str]:
    """Slurm's ids of the jobs that wait."""
    return command(slurm, "squeue", "--noheader", "--array", "--states=PENDING", "--format=%i").split()


def begin_now(slurm, slurm_id: str) -> None:
    """Slurm holds a requeued job back for two minutes."""
    time.sleep(slurm.pause)
    command(slurm, "scontrol", "update", f"JobId={slurm_id}", "StartTime=now")


def requeue(slurm, job: Path, slurm_id: str, *how: str) -> int:
    """Have a running job requeued and begin anew at once; the step it had stopped at."""
    command(slurm, *how)
    wait_for(lambda: status(job).get("state") == "preempted")
    stopped_at = torch.load(job / "checkpoints" / "last.pth", weights_only=True)["step"]
    wait_for(lambda: slurm_id in pending(slurm))
    begin_now(slurm, slurm_id)
    return stopped_at


def detached(slurm, workplace: Path, *options: str) -> tuple[Path, list[str]]:
    """Submit a sweep and return at once: its directory, its jobs' Slurm ids."""
    options = (*TINY_JOB, *options, *ON_SLURM, "hydra.launcher.detach=true")
    done = call_command("train", "-m", *options, cwd=workplace, **slurm.env)
    (ids,) = (line.removeprefix("submitted: ") for line in done.stdout.splitlines() if line.startswith("submitted: "))
    sweep = max(workplace.glob("multirun_sweeps/*/*_tiny_*"), key=lambda path: path.stat().st_mtime)
    return sweep, ids.split(", ")


def launched(slurm, workplace: Path, *options: str, **env: str) -> subprocess.Popen:
    """The process that submits a sweep and waits for it."""
    return subprocess.Popen(
        [sys.executable, "-m", "arc_vae.train", "-m", *TINY_JOB, *options, *ON_SLURM],
        cwd=workplace,
        env={**os.environ, **slurm.env, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@on_both()
def test_each_end_of_a_job_is_told_in_words(slurm, tmp_path, monkeypatch):
    """What `end` makes of it; a job that is told nothing to do runs until it is cancelled."""
    for name, value in slurm.env.items():
        monkeypatch.setenv(name, value)
    scripts = {"ended": "exit 0", "ended with an error": "exit 3", "was cancelled": "sleep 100"}
    ids = {}
    for words, script in scripts.items():
        options = ("--output=/dev/null", f"--chdir={tmp_path}", "--mem=50", "--wrap", script)
        ids[words] = command(slurm, "sbatch", *options).split()[-1]
    running = ("squeue", "--noheader", "--array", "--states=RUNNING", "--format=%i")
    wait_for(lambda: ids["was cancelled"] in command(slurm, *running).split())
    command(slurm, "scancel", ids["was cancelled"])
    wait_for(lambda: not set(ids.values()) & queued_ids())
    (tmp_path / "slurm.json").write_text(json.dumps({words: slurm_id for words, slurm_id in ids.items()}))
    assert [final_state(tmp_path / words) for words in ids] == [f"Slurm job {ids[words]} {words}" for words in ids]


@on_real
def test_one_job_killed_two_requeued_the_others_untouched(slurm, alone, tmp_path):
    """The requeued ones go on where they were and end with the weights of runs that were never interrupted."""
    launcher = launched(slurm, tmp_path, *LONG, "seed=0,1", "training.checkpoint_every=100,101")
    wait_for(lambda: list(tmp_path.glob("multirun_sweeps/*/*_tiny_*/jobs.json")))
    (sweep,) = tmp_path.glob("multirun_sweeps/*/*_tiny_*")
    jobs = [sweep / str(number) for number in range(4)]
    wait_for(lambda: (jobs[0] / "metrics.jsonl").is_file())
    array = command(slurm, "squeue", "--noheader", "--format=%F").split()[0]
    os.kill(status(jobs[0])["pid"], signal.SIGKILL)
    stopped_at = {}
    for number, how in ((1, ("scancel", "--signal=USR2")), (2, ("scontrol", "requeue"))):
        wait_for(lambda job=jobs[number]: (job / "metrics.jsonl").is_file())
        stopped_at[number] = requeue(slurm, jobs[number], f"{array}_{number}", *how, f"{array}_{number}")
    words, _ = launcher.communicate(timeout=300)
    assert launcher.returncode == 1, words
    assert [status(job)["state"] for job in jobs] == ["failed", "finished", "finished", "finished"]
    assert "job 0 failed" in words and "JobState=FAILED" in command(slurm, "scontrol", "show", "job", f"{array}_0")
    for number, step in stopped_at.items():
        assert 0 < step < STEPS and "resuming" in (jobs[number] / "train.log").read_text()
    # Jobs 0 and 2 have seed 0, jobs 1 and 3 seed 1.
    assert same(weights(jobs[2]), alone(*LONG, "seed=0"))
    assert same(weights(jobs[1]), weights(jobs[3])) and not same(weights(jobs[2]), weights(jobs[3]))


@on_real
def test_preempted_by_the_other_partition_a_job_goes_on(slurm, alone, tmp_path):
    sweep, (slurm_id,) = detached(slurm, tmp_path, *LONG, "seed=0")
    wait_for(lambda: (sweep / "0" / "metrics.jsonl").is_file())
    step = requeue(slurm, sweep / "0", slurm_id, *HIGH)
    wait_for(lambda: status(sweep / "0").get("state") == "finished")
    assert 0 < step < STEPS
    assert "python -m arc_vae.sweeps.worker" in (sweep / "0" / "train.log").read_text()
    assert same(weights(sweep / "0"), alone(*LONG, "seed=0"))


@on_real
@pytest.mark.timeout(900)  # on a real Slurm, beside other work, a job of a minute is requeued many times
def test_out_of_time_a_job_is_requeued_as_often_as_allowed(slurm, alone, tmp_path):
    # Slurm looks at its clock twice a minute, and warns half a minute early: this job 15 to 45 seconds after it began,
    # which leaves time to start up (a signal before Python listens kills) and is less than the training takes.
    long = (f"training.max_epochs={slurm.epochs_beyond_a_minute}", *LONG[1:])
    limit = ("hydra.launcher.timeout_min=1", "hydra.launcher.slurm_signal_delay_s=15")
    often, (often_id,) = detached(slurm, tmp_path, *long, *limit, "hydra.launcher.max_num_timeout=20", "seed=0")
    never, (never_id,) = detached(slurm, tmp_path, *long, *limit, "hydra.launcher.max_num_timeout=0", "seed=7")
    requeued = 0
    for sweep, slurm_id in ((often, often_id), (never, never_id)):
        wait_for(lambda job=sweep / "0": (job / "metrics.jsonl").is_file())
        slurm.let_time_run_out(slurm_id)

    def both_ended() -> bool:
        nonlocal requeued
        if often_id in pending(slurm):
            begin_now(slurm, often_id)
            wait_for(lambda: often_id not in pending(slurm))
            requeued += 1
        # Not what the jobs say of themselves: one that is killed says nothing, and would be waited for in vain.
        shown = [command(slurm, "scontrol", "show", "job", job_id) for job_id in (often_id, never_id)]
        return all(re.search(r"JobState=(COMPLETED|FAILED|TIMEOUT|CANCELLED)\b", job) for job in shown)

    wait_for(both_ended, seconds=800)
    assert status(often / "0")["state"] == "finished" and requeued > 0
    assert same(weights(often / "0"), alone(*long, "seed=0"))
    assert "timed-out too many times" in status(never / "0")["reason"]
    assert "hydra.launcher.max_num_timeout" in status(never / "0")["reason"]
    assert "JobState=FAILED" in command(slurm, "scontrol", "show", "job", never_id)


@on_real
def test_out_of_memory_a_job_fails_for_that_reason_and_runs_again_with_more(slurm, tmp_path):
    options = (*TINY_JOB, "seed=0", *ON_SLURM, "hydra.launcher.mem_gb=0.2")
    done = call_command("train", "-m", *options, cwd=tmp_path, check=False, **slurm.env)
    assert done.returncode == 1 and "emory limit" in done.stdout and "job 0 failed" in done.stdout
    (sweep,) = tmp_path.glob("multirun_sweeps/*/*_tiny_*")
    assert "emory limit" in (sweep / "leaderboard.csv").read_text()
    call_command("sweep", f"dir={sweep}", "rerun=true", *ON_SLURM, cwd=tmp_path, **slurm.env)
    assert status(sweep / "0")["state"] == "finished"


@on_both()
@pytest.mark.long
def test_a_job_that_raises_is_failed_to_slurm_too_and_waited_for_while_slurm_does_not_answer(slurm, tmp_path):
    down, deaf = tmp_path / "down", tmp_path / "bin" / "squeue"
    down.touch()
    deaf.parent.mkdir()
    path = slurm.env.get("PATH", os.environ["PATH"])
    deaf.write_text(f'#!/bin/sh\n[ -e {down} ] && exit 1\nexec {shutil.which("squeue", path=path)} "$@"\n')
    deaf.chmod(0o755)
    launcher = launched(slurm, tmp_path, "optimizer.lr=1e-3,1e18", PATH=f"{deaf.parent}:{path}")
    wait_for(lambda: list(tmp_path.glob("multirun_sweeps/*/*_tiny_*/0/metrics.jsonl")))
    time.sleep(3)
    down.unlink()
    words, _ = launcher.communicate(timeout=200)
    assert launcher.returncode == 1 and "job 0 finished" in words and "job 1 failed: NonFiniteLoss" in words
    (sweep,) = tmp_path.glob("multirun_sweeps/*/*_tiny_*")
    ids = json.loads((sweep / "slurm.json").read_text())
    shown = [command(slurm, "scontrol", "show", "job", ids[number]) for number in "01"]
    assert "JobState=COMPLETED" in shown[0] and "JobState=FAILED" in shown[1]
    assert status(sweep / "0")["state"] == "finished"


@on_both()
def test_more_jobs_than_an_array_may_have_none_submitted_twice_and_one_cancelled(slurm, tmp_path):
    sweep, ids = detached(slurm, tmp_path, "seed=0,1,2,3,4", HOLD)
    assert len(ids) == 5 and len({slurm_id.partition("_")[0] for slurm_id in ids}) == 2
    words = call_command("sweep", f"dir={sweep}", "rerun=true", *ON_SLURM, cwd=tmp_path, **slurm.env).stdout
    assert words.count("is in Slurm's queue") == 5 and "submitted" not in words
    # As if the launcher had been killed after the first sbatch, before it noted the ids.
    lost = [number for number, slurm_id in enumerate(ids) if slurm_id.startswith(f"{ids[0].partition('_')[0]}_")]
    comments = command(slurm, "squeue", "--noheader", "--array", "--format=%i %k").splitlines()
    token = dict(line.split() for line in comments)[ids[0]]
    (sweep / "slurm.json").write_text(json.dumps({str(n): ids[n] for n in range(5) if n not in lost}))
    (sweep / "slurm_submitting.json").write_text(json.dumps({"token": token, "jobs": lost}))
    words = call_command("sweep", f"dir={sweep}", "rerun=true", *ON_SLURM, cwd=tmp_path, **slurm.env).stdout
    assert words.count("is in Slurm's queue") == 5 and "submitted" not in words and len(lost) > 1
    assert json.loads((sweep / "slurm.json").read_text()) == {str(n): ids[n] for n in range(5)}
    command(slurm, "scancel", ids[1])
    words = call_command("sweep", f"dir={sweep}", cwd=tmp_path, **slurm.env).stdout
    assert f"job 1 failed: Slurm job {ids[1]} left the queue" in words and "job 0 is in Slurm's queue" in words
    command(slurm, "scancel", *ids)


@on_both()
def test_what_slurm_refuses_is_said_in_its_words(slurm, tmp_path):
    options = (*TINY_JOB, "seed=0,1", *ON_SLURM, "hydra.launcher.slurm_partition=nowhere")
    done = call_command("train", "-m", *options, cwd=tmp_path, check=False, **slurm.env)
    assert done.returncode == 2 and "invalid partition specified: nowhere" in done.stderr
    assert "Traceback" not in done.stderr


@on_real
def test_detached_it_returns_at_once_and_the_ledger_tells_the_rest(slurm, tmp_path):
    """From a snapshot too, in which the code is the sweep's own; and on to the sweep that answers the verdict."""
    sweep, (slurm_id,) = detached(slurm, tmp_path, "seed=0", "hydra.launcher.snapshot=true", HOLD)
    assert status(sweep / "0").get("state") != "finished"
    (sweep / "code" / "git.json").write_text('{"commit": "the copy", "dirty": false}')
    begin_now(slurm, slurm_id)
    wait_for(lambda: status(sweep / "0").get("state") == "finished")
    assert json.loads((sweep / "0" / "metrics.json").read_text())["git"]["commit"] == "the copy"
    ledger = run_command("sweep", f"dir={sweep}", cwd=tmp_path)
    assert "finished" in ledger.stdout and (sweep / "leaderboard.csv").is_file()

    assert json.loads((sweep / "0" / "metrics.json").read_text())["fallback"] == ["trained_too_little"]
    fail_only(sweep / "0", "low_accuracy")
    options = (f"run={sweep / '0'}", "launch=true", f"sweep_dir={tmp_path / 'answer'}")
    words = call_command("fallback", *options, *ON_SLURM, cwd=tmp_path, **slurm.env).stdout
    rows = (tmp_path / "answer_low_accuracy" / "leaderboard.csv").read_text()
    assert "fallback=low_accuracy" in words and rows.count("finished") == 3


@on_real
def test_a_fallback_whose_variants_are_killed_and_preempted_still_answers(slurm, tmp_path):
    run, answer = tmp_path / "run", tmp_path / "answer_low_accuracy"
    call_command("train", *TINY_JOB, *LONG, f"hydra.run.dir={run}", cwd=tmp_path)
    fail_only(run, "low_accuracy")
    options = (f"run={run}", "launch=true", f"sweep_dir={tmp_path / 'answer'}", *ON_SLURM)
    launcher = subprocess.Popen(
        [sys.executable, "-m", "arc_vae.fallback", *options],
        cwd=tmp_path,
        env={**os.environ, **slurm.env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    killed, preempted, untouched = (answer / str(number) for number in range(3))
    wait_for(lambda: (killed / "metrics.jsonl").is_file())
    array = command(slurm, "squeue", "--noheader", "--format=%F").split()[0]
    os.kill(status(killed)["pid"], signal.SIGKILL)
    wait_for(lambda: (preempted / "metrics.jsonl").is_file())
    step = requeue(slurm, preempted, f"{array}_1", "scontrol", "requeue", f"{array}_1")
    words, _ = launcher.communicate(timeout=300)
    assert launcher.returncode == 1, words
    assert [status(job)["state"] for job in (killed, preempted, untouched)] == ["failed", "finished", "finished"]
    assert 0 < step < STEPS and "resuming" in (preempted / "train.log").read_text()
    assert "job 0 failed" in words
    # What could be judged is judged all the same.
    rows = (answer / "leaderboard.csv").read_text()
    assert rows.count("finished") == 2 and rows.count("failed") == 1


def fail_only(run: Path, sweep: str) -> None:
    """Have the run's verdict fail in that alone which the sweep answers."""
    metrics = json.loads((run / "metrics.json").read_text()) | {"trained_too_little": None}
    for name, verdict in metrics["criteria"].items():
        verdict["passed"] = FALLBACK_SWEEPS[name] != sweep
    (run / "metrics.json").write_text(json.dumps(metrics))


def test_the_launcher_may_die_after_submission(slurm, tmp_path):
    launcher = launched(slurm, tmp_path, "seed=0,1")
    for line in launcher.stdout:
        if line.startswith("submitted: "):
            break
    launcher.kill()
    (sweep,) = tmp_path.glob("multirun_sweeps/*/*_tiny_*")
    wait_for(lambda: all(status(sweep / number).get("state") == "finished" for number in "01"))
    assert "of 2 finished jobs" in call_command("sweep", f"dir={sweep}", cwd=tmp_path).stdout


@on_both(", accounting")
def test_what_the_controller_forgot_is_told_by_accounting(slurm, tmp_path):
    sweep, (slurm_id,) = detached(slurm, tmp_path, *LONG, "seed=0")
    wait_for(lambda: (sweep / "0" / "metrics.jsonl").is_file())
    os.kill(status(sweep / "0")["pid"], signal.SIGKILL)
    # A real one does so once a minute.
    wait_for(lambda: "JobState" not in command(slurm, "scontrol", "show", "job", slurm_id))
    words = call_command("sweep", f"dir={sweep}", cwd=tmp_path, **slurm.env).stdout
    assert "ended without a word" in words and f"Slurm job {slurm_id} ended with an error" in words
