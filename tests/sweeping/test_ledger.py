"""A sweep read from its directory alone, whatever has become of its jobs."""

import csv
import io
import json
import os
import time

import pytest

from arc_vae.common.errors import UserError
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.sweeps import job_files
from arc_vae.sweeps.job_files import SweepJob, read_jobs, write_jobs
from arc_vae.sweeps.leaderboard import leaderboard_csv, leaderboard_text, seed_groups, write_leaderboard
from arc_vae.sweeps.status import SILENT_SECONDS, epochs_done, read_entry, read_statuses, unfinished

FIGURES = {
    "object_accuracy": 0.5, "balanced_accuracy": 0.5, "perfect_rate": 0.1, "elbo_nats": 70.0, "sample_validity": 0.9,
    "interpolation_validity": 0.9, "beta_effective": 0.2, "seconds": 10.0, "kl_nats": 30.0, "reconstruction_nats": 40.0,
}  # fmt: skip


def finish(job: SweepJob, passed: bool = False, **figures: float) -> None:
    run = RunDirectory(job.directory)
    run.path.mkdir(exist_ok=True)
    criteria = {"pixel_accuracy": {"value": 0.9, "threshold": 0.9, "passed": passed}}
    run.metrics_file.write_text(json.dumps({**FIGURES, **figures, "criteria": criteria, "passed": passed}))
    run.set_state("finished")


@pytest.fixture
def sweep(tmp_path):
    """Two seeds of d = 12, one of d = 14."""
    overrides = [
        ["model.latent_dim=12", "seed=0"],
        ["model.latent_dim=12", "seed=1"],
        ["model.latent_dim=14", "seed=0"],
    ]
    write_jobs(tmp_path, [SweepJob(number, own, tmp_path / str(number)) for number, own in enumerate(overrides)])
    return tmp_path


def test_what_was_changed_since_the_commit_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(job_files, "git_diff", lambda: "-old\n+new")
    write_jobs(tmp_path, [])
    assert (tmp_path / "code.diff").read_text() == "-old\n+new\n"


def test_what_slurm_said_of_a_job_it_killed_is_its_reason(sweep):
    job = read_jobs(sweep)[1]
    job.directory.mkdir()
    RunDirectory(job.directory).set_state("running")
    (sweep / "slurm.json").write_text('{"1": "7_1"}')
    (sweep / ".submitit" / "7_1").mkdir(parents=True)
    words = "srun: error: vm: task 0: Killed\nslurmstepd-vm: error: Exceeded job memory limit\nsrun: Job step aborted\n"
    (sweep / ".submitit" / "7_1" / "7_1_0_log.err").write_text(words)
    assert read_entry(job).reason.endswith("; Slurm: Exceeded job memory limit")


def test_nothing_has_begun(sweep):
    entries = read_statuses(sweep)
    assert [entry.state for entry in entries] == ["pending"] * 3 and unfinished(entries) == entries
    assert leaderboard_text(entries).count("pending") == 3
    write_leaderboard(sweep, entries)
    assert "3 pending" in (sweep / "report.html").read_text()


def test_a_failed_job_keeps_its_reason_and_its_command(sweep):
    jobs = read_jobs(sweep)
    finish(jobs[0])
    jobs[1].directory.mkdir()
    RunDirectory(jobs[1].directory).set_state("failed", "RuntimeError: out of luck, twice")
    rows = {row["job"]: row for row in csv.DictReader(io.StringIO(leaderboard_csv(read_statuses(sweep))))}
    assert [rows[n]["state"] for n in "012"] == ["finished", "failed", "pending"]
    assert rows["1"]["reason"] == "RuntimeError: out of luck, twice" and rows["1"]["command"].endswith("/1")
    assert rows["1"]["object_accuracy"] == "" and rows["0"]["object_accuracy"] == "0.5"


def test_best_first_by_criteria_then_by_object_accuracy(sweep):
    for job, passed, accuracy in zip(read_jobs(sweep), (False, True, False), (0.9, 0.3, 0.95), strict=True):
        finish(job, passed, object_accuracy=accuracy)
    text = leaderboard_text(read_statuses(sweep)).splitlines()
    assert [line.split()[0] for line in text[1:4]] == ["1", "2", "0"]
    best = "1 of 3 finished jobs pass all criteria; the best is job 1 (model.latent_dim=12 seed=1); "
    assert text[4].startswith("mean") and text[5] == best + "they trained for 0 minutes in all"


def test_the_best_job_s_failures_are_named(sweep):
    finish(read_jobs(sweep)[2])
    (said,) = (line for line in leaderboard_text(read_statuses(sweep)).splitlines() if line.startswith("0 of 1"))
    assert "the best is job 2 (model.latent_dim=14 seed=0), which fails pixel_accuracy (0.9000);" in said


def test_jobs_that_differ_by_seed_only_are_averaged(sweep):
    for job, accuracy in zip(read_jobs(sweep), (0.4, 0.6, 0.9), strict=True):
        finish(job, object_accuracy=accuracy)
    entries = read_statuses(sweep)
    assert {name: len(group) for name, group in seed_groups(entries).items()} == {"model.latent_dim=12": 2}
    (mean,) = (line for line in leaderboard_text(entries).splitlines() if line.startswith("mean"))
    assert "0.5 ± 0.14" in mean and "2 seeds" in mean and "model.latent_dim=12" in mean


def test_effective_beta_stands_beside_d(sweep):
    for job, dimensions in zip(read_jobs(sweep), (12, 12, 14), strict=True):
        finish(job, latent_dim=dimensions, beta_effective=2 / dimensions)
    text = " ".join(leaderboard_text(read_statuses(sweep)).split())
    for words in ("d eff. β", " 12 0.1667 ", " 14 0.1429 ", " 12 ± 0 0.1667 ± 0 "):
        assert words in text, text


def test_a_run_that_is_locked_runs_and_one_that_is_not_was_killed(sweep):
    job = read_jobs(sweep)[0]
    job.directory.mkdir()
    run = RunDirectory(job.directory)
    run.acquire()
    run.set_state("running")
    # The lock is this process's own: the ledger opens the file anew, as another process would.
    assert read_entry(job).state == "running"
    run.release()
    killed = read_entry(job)
    assert killed.state == "failed" and f"process {os.getpid()}" in killed.reason and "after epoch 0" in killed.reason


def test_on_another_machine_a_run_lives_as_long_as_it_writes(sweep, monkeypatch):
    job = read_jobs(sweep)[0]
    job.directory.mkdir()
    RunDirectory(job.directory).set_state("running")
    status = json.loads((job.directory / "status.json").read_text())
    (job.directory / "status.json").write_text(json.dumps({**status, "host": "another"}))
    (job.directory / "metrics.jsonl").write_text("")
    assert read_entry(job).state == "running"
    long_ago = time.time() - SILENT_SECONDS - 1
    for name in ("status.json", "metrics.jsonl"):
        os.utime(job.directory / name, (long_ago, long_ago))
    assert read_entry(job).state == "failed"


@pytest.mark.parametrize(
    ("records", "epochs"),
    [
        ([], 0),
        ([{"step": 1, "epoch": 1}], 0),
        ([{"step": 4, "epoch": 1}, {"step": 4, "epoch": 1, "val/loss_total": 1.0}], 1),
        ([{"step": 4, "epoch": 1, "val/loss_total": 1.0}] + [{"step": 5, "epoch": 2, "pad": "x" * 60}] * 2000, 1),
    ],
)
def test_epochs_are_read_off_the_end_of_the_record(tmp_path, records, epochs):
    file = tmp_path / "metrics.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records) + '{"torn')
    assert epochs_done(file) == epochs


def test_no_sweep_directory(tmp_path):
    with pytest.raises(UserError, match="give a sweep directory"):
        read_statuses(tmp_path)
