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


def test_one_job_killed_one_requeued_the_others_untouched(slurm, tmp_path):
    """The requeued one goes on where it was and ends with the weights of a run that was never interrupted."""
    launch = [sys.executable, "-m", "arc_vae.train", "-m", *TINY, EPOCHS, "wandb.mode=disabled", "seed=0,1,2", *OPTIONS]
    launcher = subprocess.Popen(
        launch, cwd=tmp_path, env={**os.environ, **slurm}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    wait_for(lambda: list(tmp_path.glob("multirun_sweeps/*/*_tiny/jobs.json")))
    (sweep,) = tmp_path.glob("multirun_sweeps/*/*_tiny")
    killed, requeued, untouched = (sweep / str(number) for number in range(3))
    for job in (killed, requeued):
        wait_for(lambda job=job: (job / "metrics.jsonl").is_file())
        if job is killed:
            os.kill(status(job)["pid"], signal.SIGKILL)
        else:
            array = command(slurm, "squeue", "--noheader", "--format=%F").split()[0]
            command(slurm, "scancel", "--signal=USR2", f"{array}_1")
            wait_for(lambda: status(requeued).get("state") == "preempted")
            stopped_at = torch.load(requeued / "checkpoints" / "last.pth", weights_only=True)["step"]
            # Slurm holds a requeued job back for two minutes.
            wait_for(lambda: "PENDING" in command(slurm, "squeue", "--noheader", "--array", "--format=%i %T"))
            command(slurm, "scontrol", "update", f"JobId={array}_1", "StartTime=now")
    words, _ = launcher.communicate(timeout=300)
    assert launcher.returncode == 1, words
    assert [status(job)["state"] for job in (killed, requeued, untouched)] == ["failed", "finished", "finished"]
    assert "job 0 failed" in words and "JobState=FAILED" in command(slurm, "scontrol", "show", "job", f"{array}_0")
    assert 0 < stopped_at < 8 * 16 and "resuming" in (requeued / "train.log").read_text()
    run_command("train", *TINY, EPOCHS, "wandb.mode=disabled", "seed=1", "hydra.run.dir=alone", cwd=tmp_path)
    alone, again = weights(tmp_path / "alone"), weights(requeued)
    assert all(torch.equal(again[name], value) for name, value in alone.items())


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
