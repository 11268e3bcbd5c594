"""Sweeps on a real Slurm of one node, which `slurm_cluster.sh` starts and stops."""

import json
import os
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
OPTIONS = ("hydra/launcher=slurm", "hydra.launcher.gpus_per_node=0", "hydra.launcher.cpus_per_task=1")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """The environment in which Slurm's commands find the cluster."""
    if os.geteuid() != 0:
        pytest.skip("starting a Slurm takes root")
    folder = tmp_path_factory.mktemp("slurm")
    started = subprocess.run([CLUSTER, "start", folder], capture_output=True, text=True, timeout=400)
    if started.returncode:
        pytest.skip(f"no Slurm could be started here: {started.stderr.strip().splitlines()[-1]}")
    yield {"SLURM_CONF": str(folder / "slurm.conf"), "OMP_NUM_THREADS": "1", "WANDB_ERROR_REPORTING": "false"}
    subprocess.run([CLUSTER, "stop", folder], capture_output=True, timeout=60)


def command(slurm: dict, *words: str) -> str:
    return subprocess.run(words, env={**os.environ, **slurm}, capture_output=True, text=True, timeout=60).stdout


def wait_for(found, seconds: float = 120):
    """Until `found()` is true; its value."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, "nothing came of it"
        time.sleep(0.2)
    return value


def status(job: Path) -> dict:
    return json.loads((job / "status.json").read_text()) if (job / "status.json").is_file() else {}


def weights(run: Path) -> dict:
    return torch.load(run / "checkpoints" / "vae_final.pth", weights_only=True)["model_state_dict"]


def requeue(slurm: dict, job: Path, slurm_id: str, *how: str) -> int:
    """Have a running job requeued and begin anew at once; the step it had stopped at."""
    command(slurm, *how, slurm_id)
    wait_for(lambda: status(job).get("state") == "preempted")
    stopped_at = torch.load(job / "checkpoints" / "last.pth", weights_only=True)["step"]
    # Slurm holds a requeued job back for two minutes.
    listed = ("squeue", "--noheader", "--array", "--states=PENDING", "--format=%i")
    wait_for(lambda: slurm_id in command(slurm, *listed).split())
    command(slurm, "scontrol", "update", f"JobId={slurm_id}", "StartTime=now")
    return stopped_at


def test_one_job_killed_two_requeued_the_others_untouched(slurm, tmp_path):
    """The requeued ones go on where they were and end with the weights of runs that were never interrupted."""
    options = (*TINY, EPOCHS, "wandb.mode=disabled")
    launch = [sys.executable, "-m", "arc_vae.train", "-m", *options, "seed=0,1,2,3", *OPTIONS]
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
        stopped_at[number] = requeue(slurm, jobs[number], f"{array}_{number}", *how)
    words, _ = launcher.communicate(timeout=300)
    assert launcher.returncode == 1, words
    assert [status(job)["state"] for job in jobs] == ["failed", "finished", "finished", "finished"]
    assert "job 0 failed" in words and "JobState=FAILED" in command(slurm, "scontrol", "show", "job", f"{array}_0")
    for number, step in stopped_at.items():
        assert 0 < step < 8 * 16 and "resuming" in (jobs[number] / "train.log").read_text()
        alone = tmp_path / f"alone{number}"
        run_command("train", *options, f"seed={number}", f"hydra.run.dir={alone}", cwd=tmp_path)
        again, whole = weights(jobs[number]), weights(alone)
        assert all(torch.equal(again[name], value) for name, value in whole.items()), f"job {number}"


def test_the_launcher_may_die_after_submission(slurm, tmp_path):
    launch = [sys.executable, "-m", "arc_vae.train", "-m", *TINY, "wandb.mode=disabled", "seed=0,1", *OPTIONS]
    launcher = subprocess.Popen(
        launch, cwd=tmp_path, env={**os.environ, **slurm}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    for line in launcher.stdout:
        if line.startswith("submitted: "):
            break
    launcher.kill()
    (sweep,) = tmp_path.glob("multirun_sweeps/*/*_tiny")
    wait_for(lambda: all(status(sweep / number).get("state") == "finished" for number in "01"))
    assert run_command("sweep", f"dir={sweep}", cwd=tmp_path).stdout.count("finished") == 2


def test_detached_it_returns_at_once_and_the_ledger_tells_the_rest(slurm, tmp_path):
    options = (*TINY, "training.max_epochs=1", "wandb.mode=disabled", "seed=0", *OPTIONS, "hydra.launcher.detach=true")
    done = run_command("train", "-m", *options, cwd=tmp_path, **slurm)
    (sweep,) = tmp_path.glob("multirun_sweeps/*/*_tiny")
    assert "submitted: " in done.stdout and status(sweep / "0").get("state") != "finished"
    wait_for(lambda: status(sweep / "0").get("state") == "finished")
    ledger = run_command("sweep", f"dir={sweep}", cwd=tmp_path)
    assert "finished" in ledger.stdout and (sweep / "leaderboard.csv").is_file()


def test_what_slurm_refuses_is_said_in_its_words(slurm, tmp_path):
    options = (*TINY, "seed=0,1", *OPTIONS, "hydra.launcher.slurm_partition=nowhere")
    done = run_command("train", "-m", *options, cwd=tmp_path, check=False, **slurm)
    assert done.returncode == 2 and "invalid partition specified: nowhere" in done.stderr
    assert "Traceback" not in done.stderr
