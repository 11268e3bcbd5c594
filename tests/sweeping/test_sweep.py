"""Sweeps through the real command line."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from conftest import TINY_JOB, call_command, run_command
from omegaconf import OmegaConf


def sweep_directory(workplace):
    (directory,) = workplace.glob("multirun_sweeps/*/*_tiny_*")
    return directory


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A finished sweep of two jobs at once, and what it printed."""
    workplace = tmp_path_factory.mktemp("sweep")
    done = run_command("train", "-m", *TINY_JOB, "seed=0,1", "hydra/launcher=parallel", cwd=workplace)
    return sweep_directory(workplace), done.stdout


def test_each_job_has_a_run_directory_and_the_sweep_a_leaderboard(swept):
    directory, words = swept
    for number in (0, 1):
        assert json.loads((directory / str(number) / "status.json").read_text())["state"] == "finished"
        config = OmegaConf.load(directory / str(number) / ".hydra" / "config.yaml")
        assert config.seed == number and config.wandb.group == directory.name and f"seed={number}" in config.wandb.name
    assert (directory / "leaderboard.csv").read_text().count("finished") == 2
    assert "2 finished" in (directory / "report.html").read_text() and "2 seeds" in words


def test_a_jobs_weights_are_those_of_the_run_alone(swept, tmp_path):
    directory, _ = swept
    call_command("train", *TINY_JOB, "seed=1", f"hydra.run.dir={tmp_path}", cwd=directory.parents[2])
    alone, job = (
        torch.load(d / "checkpoints" / "vae_final.pth", weights_only=True) for d in (tmp_path, directory / "1")
    )
    for name, weights in alone["model_state_dict"].items():
        assert torch.equal(job["model_state_dict"][name], weights), name


def test_the_ledger_reads_the_disk_and_reruns_what_is_undone(swept):
    directory, _ = swept
    metrics = (directory / "1" / "metrics.json").read_text()
    for name in ("metrics.json", "status.json"):
        (directory / "1" / name).unlink()
    for checkpoint in (directory / "1" / "checkpoints").iterdir():
        checkpoint.unlink()
    before = call_command("sweep", f"dir={directory}", cwd=directory.parent)
    assert "job 1 pending: not started yet" in before.stdout and "rerun=true" in before.stdout
    untouched = (directory / "0" / "metrics.json").stat().st_mtime_ns
    call_command("sweep", f"dir={directory}", "rerun=true", cwd=directory.parents[2])
    assert (directory / "0" / "metrics.json").stat().st_mtime_ns == untouched
    again = json.loads((directory / "1" / "metrics.json").read_text())
    assert again["object_accuracy"] == json.loads(metrics)["object_accuracy"]


@pytest.mark.long
def test_from_a_snapshot_a_job_and_its_rerun_use_the_copied_code(tmp_path):
    call_command("train", "-m", *TINY_JOB, "seed=0", "hydra.launcher.snapshot=true", cwd=tmp_path)
    directory = sweep_directory(tmp_path)
    assert json.loads((directory / "0" / "status.json").read_text())["state"] == "finished"
    for name in ("status.json", "metrics.json"):
        (directory / "0" / name).unlink()
    worker = directory / "code" / "arc_vae" / "sweeps" / "worker.py"
    worker.write_text(worker.read_text().replace("def main() -> None:", 'def main() -> None:\n    print("the copy")'))
    again = call_command("sweep", f"dir={directory}", cwd=tmp_path).stdout
    assert f"PYTHONPATH={directory / 'code'}" in again and "PYTHONSAFEPATH=1" in again
    assert "the copy" in run_command("sweep", f"dir={directory}", "rerun=true", "trust=[code]", cwd=tmp_path).stdout
    assert json.loads((directory / "0" / "metrics.json").read_text())["git"] == json.loads(
        (directory / "code" / "git.json").read_text()
    )


def test_a_sites_own_defaults_win_over_ours_and_the_command_line_over_both(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "slurm.yaml").write_text("slurm_partition: theirs\nslurm_account: a_group\n")
    asked = ("--cfg", "hydra", "-p", "hydra.launcher", "hydra/launcher=slurm", f"hydra.searchpath=[file://{tmp_path}]")
    site = OmegaConf.create(call_command("train", *asked, cwd=tmp_path).stdout)
    assert (site.slurm_partition, site.slurm_account, site.max_num_timeout) == ("theirs", "a_group", 3)
    ours = OmegaConf.create(call_command("train", *asked, "hydra.launcher.slurm_partition=ours", cwd=tmp_path).stdout)
    assert (ours.slurm_partition, ours.slurm_account) == ("ours", "a_group")


def test_one_bad_variant_is_named_and_nothing_starts(tmp_path):
    done = call_command("train", "-m", *TINY_JOB, "training.batch_size=16,100000", cwd=tmp_path, check=False)
    assert done.returncode == 2 and "job 1 (" in done.stderr and "nothing was started" in done.stderr
    assert "Traceback" not in done.stderr and not list(tmp_path.glob("multirun_sweeps/*/*/*/status.json"))


@pytest.mark.slow
def test_a_killed_job_leaves_the_others_running_and_fails_the_sweep(tmp_path):
    command = [sys.executable, "-m", "arc_vae.train", "-m", *TINY_JOB, "seed=0,1", "training.max_epochs=9"]
    launcher = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (found := list(tmp_path.glob("multirun_sweeps/*/*/0/metrics.jsonl"))) and time.monotonic() < deadline:
        time.sleep(0.05)
    directory = found[0].parents[1]
    os.kill(json.loads((directory / "0" / "status.json").read_text())["pid"], signal.SIGKILL)
    words, _ = launcher.communicate(timeout=200)
    assert launcher.returncode == 1 and "job 0 failed: killed by SIGKILL" in words
    assert json.loads((directory / "1" / "status.json").read_text())["state"] == "finished"
    table = (directory / "leaderboard.csv").read_text()
    assert "killed by SIGKILL" in table and table.count("finished") == 1
