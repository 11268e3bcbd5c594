"""Sweeps on a real Slurm of one node, which `slurm_cluster.sh` starts and stops."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import TINY, run_command

CLUSTER = Path(__file__).parent / "slurm_cluster.sh"
EPOCHS = "training.max_epochs=8"
ON_SLURM = (
    *("hydra/launcher=slurm", "hydra.launcher.gpus_per_node=0"),
    # More than twice what a job takes: Slurm counts a process that forks double until it has begun another program.
    *("hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=2"),
)
HOLD = "hydra.launcher.slurm_additional_parameters={begin: now+1hour}"
# Takes the node for a second, which the partition low must leave.
HIGH = ("sbatch", "--partition=high", "--mem=50", "--output=/dev/null", "--wrap", "sleep 1")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def slurm(request, tmp_path_factory):
    """The environment in which Slurm's commands find the cluster; by parameter one that keeps accounting."""
    if os.geteuid() != 0:
        pytest.skip("starting a Slurm takes root")
    folder = tmp_path_factory.mktemp("slurm")
    accounting = getattr(request, "param", "without") == "accounting"
    start = [CLUSTER, "start", folder, *["accounting"] * accounting]
    started = subprocess.run(start, capture_output=True, text=True, timeout=400)
    if started.returncode:
        pytest.skip(f"no Slurm could be started here: {started.stderr.strip().splitlines()[-1]}")
    yield {"SLURM_CONF": str(folder / "slurm.conf"), "OMP_NUM_THREADS": "1", "WANDB_ERROR_REPORTING": "false"}
    subprocess.run([CLUSTER, "stop", folder], capture_output=True, timeout=60)


@pytest.fixture(autouse=True)
def told(slurm):
    """What Slurm says of its jobs, for pytest to show beside a test that fails."""
    yield
    print(command(slurm, "scontrol", "show", "jobs"))
    print(Path(slurm["SLURM_CONF"]).with_name("slurmctld.log").read_text()[-4000:])


def command(slurm: dict, *words: str) -> str:
    return subprocess.run(words, env={**os.environ, **slurm}, capture_output=True, text=True, timeout=60).stdout


def wait_for(found, seconds: float = 120):
    """Until `found()` is true; its value."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, f"nothing came of it in {seconds} s"
        time.sleep(0.2)
    return value


def status(job: Path) -> dict:
    return json.loads((job / "status.json").read_text()) if (job / "status.json").is_file() else {}


def weights(run: Path) -> dict:
    return torch.load(run / "checkpoints" / "vae_final.pth", weights_only=True)["model_state_dict"]


def pending(slurm: dict) -> list[str]:
    """Slurm's ids of the jobs that wait."""
    return command(slurm, "squeue", "--noheader", "--array", "--states=PENDING", "--format=%i").split()


def begin_now(slurm: dict, slurm_id: str) -> None:
    """Slurm holds a requeued job back for two minutes; begun in the second it was requeued in, it would be killed."""
    time.sleep(2)
    command(slurm, "scontrol", "update", f"JobId={slurm_id}", "StartTime=now")


def requeue(slurm: dict, job: Path, slurm_id: str, *how: str) -> int:
    """Have a running job requeued and begin anew at once; the step it had stopped at."""
    command(slurm, *how)
    wait_for(lambda: status(job).get("state") == "preempted")
    stopped_at = torch.load(job / "checkpoints" / "last.pth", weights_only=True)["step"]
    wait_for(lambda: slurm_id in pending(slurm))
    begin_now(slurm, slurm_id)
    return stopped_at


def detached(slurm: dict, workplace: Path, *options: str) -> tuple[Path, list[str]]:
    """Submit a sweep and return at once: its directory, its jobs' Slurm ids."""
    arguments = (*TINY, "wandb.mode=disabled", *options, *ON_SLURM, "hydra.launcher.detach=true")
    done = run_command("train", "-m", *arguments, cwd=workplace, **slurm)
    (ids,) = (line.removeprefix("submitted: ") for line in done.stdout.splitlines() if line.startswith("submitted: "))
    sweep = max(workplace.glob("multirun_sweeps/*/*_tiny"), key=lambda path: path.stat().st_mtime)
    return sweep, ids.split(", ")


def assert_as_if_alone(job: Path, workplace: Path, *options: str) -> None:
    """The job's weights are those of a run that nothing interrupted."""
    alone = workplace / f"alone{job.name}"
    run_command("train", *TINY, "wandb.mode=disabled", *options, f"hydra.run.dir={alone}", cwd=workplace)
    again, whole = weights(job), weights(alone)
    assert all(torch.equal(again[name], value) for name, value in whole.items())


def test_one_job_killed_two_requeued_the_others_untouched(slurm, tmp_path):
    """The requeued ones go on where they were and end with the weights of runs that were never interrupted."""
    options = (*TINY, EPOCHS, "wandb.mode=disabled")
    launch = [sys.executable, "-m", "arc_vae.train", "-m", *options, "seed=0,1,2,3", *ON_SLURM]
    launcher = subprocess.Popen(
        launch, cwd=tmp_path, env={**os.environ, **slurm}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    wait_for(lambda: list(tmp_path.glob("multirun_sweeps/*/*_tiny/jobs.json")))
    (sweep,) = tmp_path.glob("multirun_sweeps/*/*_tiny")
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
        assert 0 < step < 8 * 16 and "resuming" in (jobs[number] / "train.log").read_text()
        assert_as_if_alone(jobs[number], tmp_path, EPOCHS, f"seed={number}")


def test_preempted_by_the_other_partition_a_job_goes_on(slurm, tmp_path):
    sweep, (slurm_id,) = detached(slurm, tmp_path, EPOCHS, "seed=5")
    wait_for(lambda: (sweep / "0" / "metrics.jsonl").is_file())
    step = requeue(slurm, sweep / "0", slurm_id, *HIGH)
    wait_for(lambda: status(sweep / "0").get("state") == "finished")
    assert 0 < step < 8 * 16
    assert "python -m arc_vae.sweeps.worker" in (sweep / "0" / "train.log").read_text()
    assert_as_if_alone(sweep / "0", tmp_path, EPOCHS, "seed=5")


@pytest.mark.timeout(900)  # beside other work a job of a minute is requeued many times
def test_out_of_time_a_job_is_requeued_as_often_as_allowed(slurm, tmp_path):
    # Slurm looks at its clock twice a minute, and warns half a minute early: this job 15 to 45 seconds after it began,
    # which leaves time to start up (a signal before Python listens kills) and is less than the training takes.
    long = ("training.max_epochs=90", "training.image_every=90", "early_stopping.patience=null")
    limit = ("hydra.launcher.timeout_min=1", "hydra.launcher.slurm_signal_delay_s=15")
    often, (often_id,) = detached(slurm, tmp_path, *long, *limit, "hydra.launcher.max_num_timeout=20", "seed=6")
    never, (never_id,) = detached(slurm, tmp_path, *long, *limit, "hydra.launcher.max_num_timeout=0", "seed=7")
    requeued = 0

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
    assert_as_if_alone(often / "0", tmp_path, *long, "seed=6")
    assert "timed-out too many times" in status(never / "0")["reason"]
    assert "hydra.launcher.max_num_timeout" in status(never / "0")["reason"]
    assert "JobState=FAILED" in command(slurm, "scontrol", "show", "job", never_id)


def test_out_of_memory_a_job_fails_for_that_reason_and_runs_again_with_more(slurm, tmp_path):
    arguments = (
        *TINY,
        "training.max_epochs=1",
        "wandb.mode=disabled",
        "seed=0",
        *ON_SLURM,
        "hydra.launcher.mem_gb=0.2",
    )
    done = run_command("train", "-m", *arguments, cwd=tmp_path, check=False, **slurm)
    assert done.returncode == 1 and "emory limit" in done.stdout and "job 0 failed" in done.stdout
    (sweep,) = tmp_path.glob("multirun_sweeps/*/*_tiny")
    assert "emory limit" in (sweep / "leaderboard.csv").read_text()
    run_command("sweep", f"dir={sweep}", "rerun=true", *ON_SLURM, cwd=tmp_path, **slurm)
    assert status(sweep / "0")["state"] == "finished"


def test_a_job_that_raises_is_failed_to_slurm_too(slurm, tmp_path):
    arguments = (*TINY, "training.max_epochs=1", "wandb.mode=disabled", "optimizer.lr=1e-3,1e18", *ON_SLURM)
    done = run_command("train", "-m", *arguments, cwd=tmp_path, check=False, **slurm)
    assert done.returncode == 1 and "job 1 failed: NonFiniteLoss" in done.stdout
    (sweep,) = tmp_path.glob("multirun_sweeps/*/*_tiny")
    ids = json.loads((sweep / "slurm.json").read_text())
    shown = [command(slurm, "scontrol", "show", "job", ids[number]) for number in "01"]
    assert "JobState=COMPLETED" in shown[0] and "JobState=FAILED" in shown[1]
    assert status(sweep / "0")["state"] == "finished"


def test_from_a_failed_verdict_to_leaderboards(slurm, tmp_path):
    sweep, _ = detached(slurm, tmp_path, "training.max_epochs=1", "seed=0")
    wait_for(lambda: status(sweep / "0").get("state") == "finished")
    answers = json.loads((sweep / "0" / "metrics.json").read_text())["fallback"]
    options = (f"run={sweep / '0'}", "launch=true", f"sweep_dir={tmp_path / 'answer'}")
    words = run_command("fallback", *options, *ON_SLURM, cwd=tmp_path, **slurm).stdout
    assert "low_accuracy" in answers
    for name in answers:
        rows = (tmp_path / f"answer_{name}" / "leaderboard.csv").read_text()
        assert f"fallback={name}" in words and rows.count("finished") == 3


def test_more_jobs_than_an_array_may_have_and_none_submitted_twice(slurm, tmp_path):
    sweep, ids = detached(slurm, tmp_path, "training.max_epochs=1", "seed=0,1,2,3,4", HOLD)
    assert len(ids) == 5 and len({slurm_id.partition("_")[0] for slurm_id in ids}) == 2
    words = run_command("sweep", f"dir={sweep}", "rerun=true", *ON_SLURM, cwd=tmp_path, **slurm).stdout
    assert words.count("is in Slurm's queue") == 5 and "submitted" not in words
    command(slurm, "scancel", *ids)


def test_what_became_of_a_cancelled_job_is_told_by_slurm(slurm, tmp_path):
    sweep, ids = detached(slurm, tmp_path, "training.max_epochs=1", "seed=0,1", HOLD)
    command(slurm, "scancel", ids[1])
    words = run_command("sweep", f"dir={sweep}", cwd=tmp_path, **slurm).stdout
    assert f"job 1 failed: Slurm job {ids[1]} left the queue" in words and "job 0 is in Slurm's queue" in words
    command(slurm, "scancel", ids[0])


def test_while_slurm_does_not_answer_its_jobs_are_waited_for(slurm, tmp_path):
    down, stand_in = tmp_path / "down", tmp_path / "bin" / "squeue"
    down.touch()
    stand_in.parent.mkdir()
    stand_in.write_text(f'#!/bin/sh\n[ -e {down} ] && exit 1\nexec {shutil.which("squeue")} "$@"\n')
    stand_in.chmod(0o755)
    deaf = {**os.environ, **slurm, "PATH": f"{stand_in.parent}:{os.environ['PATH']}"}
    launch = [sys.executable, "-m", "arc_vae.train", "-m", *TINY, EPOCHS, "wandb.mode=disabled", "seed=0", *ON_SLURM]
    launcher = subprocess.Popen(launch, cwd=tmp_path, env=deaf, stdout=subprocess.PIPE, text=True)
    wait_for(lambda: list(tmp_path.glob("multirun_sweeps/*/*_tiny/0/metrics.jsonl")))
    time.sleep(3)
    down.unlink()
    words, _ = launcher.communicate(timeout=120)
    assert launcher.returncode == 0 and "job 0 finished" in words


def test_from_a_snapshot_the_code_is_the_sweeps_own(slurm, tmp_path):
    options = ("training.max_epochs=1", "seed=0", "hydra.launcher.snapshot=true", HOLD)
    sweep, (slurm_id,) = detached(slurm, tmp_path, *options)
    (sweep / "code" / "git.json").write_text('{"commit": "the copy", "dirty": false}')
    begin_now(slurm, slurm_id)
    wait_for(lambda: status(sweep / "0").get("state") == "finished")
    assert json.loads((sweep / "0" / "metrics.json").read_text())["git"]["commit"] == "the copy"


def test_the_launcher_may_die_after_submission(slurm, tmp_path):
    launch = [sys.executable, "-m", "arc_vae.train", "-m", *TINY, "wandb.mode=disabled", "seed=0,1", *ON_SLURM]
    launcher = subprocess.Popen(
        launch, cwd=tmp_path, env={**os.environ, **slurm}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    for line in launcher.stdout:
        if line.startswith("submitted: "):
            break
    launcher.kill()
    (sweep,) = tmp_path.glob("multirun_sweeps/*/*_tiny")
    wait_for(lambda: all(status(sweep / number).get("state") == "finished" for number in "01"))
    assert "of 2 finished jobs" in run_command("sweep", f"dir={sweep}", cwd=tmp_path).stdout


def test_detached_it_returns_at_once_and_the_ledger_tells_the_rest(slurm, tmp_path):
    sweep, _ = detached(slurm, tmp_path, "training.max_epochs=1", "seed=0")
    assert status(sweep / "0").get("state") != "finished"
    wait_for(lambda: status(sweep / "0").get("state") == "finished")
    ledger = run_command("sweep", f"dir={sweep}", cwd=tmp_path)
    assert "finished" in ledger.stdout and (sweep / "leaderboard.csv").is_file()


def test_what_slurm_refuses_is_said_in_its_words(slurm, tmp_path):
    options = (*TINY, "seed=0,1", *ON_SLURM, "hydra.launcher.slurm_partition=nowhere")
    done = run_command("train", "-m", *options, cwd=tmp_path, check=False, **slurm)
    assert done.returncode == 2 and "invalid partition specified: nowhere" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("slurm", ["accounting"], indirect=True)
def test_what_the_controller_forgot_is_told_by_accounting(slurm, tmp_path):
    sweep, (slurm_id,) = detached(slurm, tmp_path, EPOCHS, "seed=0")
    wait_for(lambda: (sweep / "0" / "metrics.jsonl").is_file())
    os.kill(status(sweep / "0")["pid"], signal.SIGKILL)
    # It does so once a minute.
    wait_for(lambda: "JobState" not in command(slurm, "scontrol", "show", "job", slurm_id))
    words = run_command("sweep", f"dir={sweep}", cwd=tmp_path, **slurm).stdout
    assert "ended without a word" in words and f"Slurm job {slurm_id} ended with an error" in words
