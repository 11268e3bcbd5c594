"""A sweep read from its directory alone, whatever has become of its jobs."""

import csv
import io
import json
import os
import time

import numpy as np
import pytest

from arc_vae.common.errors import UserError
from arc_vae.reporting.grid_figures import draw_reconstructions, draw_samples
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.sweeps import job_files
from arc_vae.sweeps.job_files import SweepJob, read_jobs, write_jobs
from arc_vae.sweeps.leaderboard import leaderboard_csv, leaderboard_text, ranked, seed_groups
from arc_vae.sweeps.status import SILENT_SECONDS, epochs_done, read_entry, read_statuses, unfinished
from arc_vae.sweeps.sweep_page import write_leaderboard
from arc_vae.sweeps.worker import run_job

FIGURES = {
    "object_accuracy": 0.5, "balanced_accuracy": 0.5, "perfect_rate": 0.1, "elbo_nats": 70.0, "sample_validity": 0.9,
    "interpolation_validity": 0.9, "beta_effective": 0.2, "seconds": 10.0, "kl_nats": 30.0, "reconstruction_nats": 40.0,
}  # fmt: skip


def finish(job: SweepJob, passed: bool = False, test: dict | None = None, **figures: float) -> None:
    """As a run that ended with these figures on validation, and with those of `test` on test; None: the same."""
    run = RunDirectory(job.directory)
    run.path.mkdir(exist_ok=True)
    criteria = {"pixel_accuracy": {"value": 0.9, "threshold": 0.9, "passed": passed}}
    validation = {**FIGURES, **figures, "criteria": criteria, "passed": passed}
    run.metrics_file.write_text(json.dumps({**validation, **(test or {}), "validation": validation}))
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
    monkeypatch.setattr(job_files, "git_diff", lambda: b"-old\n+\xe9\n")
    write_jobs(tmp_path, [])
    assert (tmp_path / "code.diff").read_bytes() == b"-old\n+\xe9\n"


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
    best = "1 of 3 finished jobs pass all criteria on validation; the best there is job 1 (model.latent_dim=12 seed=1)"
    assert text[4].startswith("mean") and text[5] == best + "; they trained for 0 minutes in all"


def test_test_figures_decide_nothing(sweep):
    """The job that is best on test is not the best on validation."""
    for job, accuracy in zip(read_jobs(sweep), (0.6, 0.7, 0.5), strict=True):
        finish(job, test={"object_accuracy": 1 - accuracy, "passed": True}, object_accuracy=accuracy)
    entries = read_statuses(sweep)
    assert [entry.job.number for entry in ranked(entries)] == [1, 0, 2]
    rows = list(csv.DictReader(io.StringIO(leaderboard_csv(entries))))
    assert [(row["object_accuracy"], row["test object_accuracy"]) for row in rows][0] == ("0.7", "0.30000000000000004")
    assert (rows[0]["passed"], rows[0]["test passed"]) == ("0", "1")
    text = leaderboard_text(entries)
    assert "0 of 3 finished jobs pass all criteria on validation; the best there is job 1 " in text
    assert "test object" in text and "test verdict" in text


def test_a_run_of_before_validation_was_judged_is_last_and_said_to_be(sweep):
    jobs = read_jobs(sweep)
    for job, accuracy in zip(jobs, (0.99, 0.3, 0.4), strict=True):
        finish(job, job.number == 0, object_accuracy=accuracy)
    file = jobs[0].directory / "metrics.json"
    file.write_text(json.dumps({k: v for k, v in json.loads(file.read_text()).items() if k != "validation"}))
    entries = read_statuses(sweep)
    assert [entry.job.number for entry in ranked(entries)] == [2, 1, 0]
    assert "best there is job 2" in leaderboard_text(entries)
    assert "last, unranked: 0, of before validation was judged; python -m arc_vae.evaluate" in leaderboard_text(entries)


def test_a_sweep_of_hydras_own_launchers_is_read_from_its_jobs(tmp_path):
    for number in (10, 2):
        folder = tmp_path / f"lr={number}" / ".hydra"
        folder.mkdir(parents=True)
        (folder / "hydra.yaml").write_text(f"hydra:\n  job:\n    num: {number}\n")
        (folder / "overrides.yaml").write_text(f"- optimizer.lr={number}\n")
    assert [(job.number, job.overrides, job.directory.name) for job in read_jobs(tmp_path)] == [
        (2, ["optimizer.lr=2"], "lr=2"),
        (10, ["optimizer.lr=10"], "lr=10"),
    ]


def test_the_best_job_s_failures_are_named(sweep):
    finish(read_jobs(sweep)[2])
    (said,) = (line for line in leaderboard_text(read_statuses(sweep)).splitlines() if line.startswith("0 of 1"))
    assert "the best there is job 2 (model.latent_dim=14 seed=0), which fails pixel_accuracy (0.9000);" in said


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


def test_the_best_run_is_printed_as_the_command_that_makes_it_again(sweep):
    jobs = read_jobs(sweep)
    write_jobs(sweep, jobs, base=["experiment=smoke", "name=a b"])
    finish(jobs[2])
    (jobs[2].directory / ".hydra").mkdir()
    (jobs[2].directory / ".hydra" / "overrides.yaml").write_text("- model.latent_dim=14\n- seed=0\n")
    wanted = "the best again: python -m arc_vae.train experiment=smoke 'name=a b' model.latent_dim=14 seed=0"
    assert wanted in leaderboard_text(read_statuses(sweep)).splitlines()


def test_a_job_that_cannot_be_read_says_why_in_the_ledger(sweep):
    job = read_jobs(sweep)[0]
    (job.directory / ".hydra").mkdir(parents=True)
    (job.directory / ".hydra" / "config.yaml").write_text("model:\n  _target_: os.system\n")
    with pytest.raises(UserError):
        run_job(job.directory)
    entry = read_entry(job)
    assert entry.state == "failed" and "config.yaml" in entry.reason and "os.system" in entry.reason
    RunDirectory(job.directory).set_state("finished")
    with pytest.raises(UserError, match="os.system"):
        run_job(job.directory)
    assert RunDirectory(job.directory).state == "finished", "it stays so, whatever became of its configuration"


def test_the_sweeps_page_links_its_runs_and_shows_what_they_make(sweep):
    job = read_jobs(sweep)[1]
    finish(job)
    (job.directory / "images").mkdir()
    grids = np.zeros((16, 16, 16), np.uint8)
    for epoch in (2, 10):
        draw_samples(grids, job.directory / "images" / f"samples_epoch_{epoch}.png")
        draw_reconstructions(grids, grids, job.directory / "images" / f"reconstructions_epoch_{epoch}.png")
    (job.directory / "report.html").touch()
    write_leaderboard(sweep, read_statuses(sweep))
    page = (sweep / "report.html").read_text()
    assert '<a href="1/report.html">1</a>' in page and '<a href="0/' not in page
    assert 'alt="reconstructions"' in page and 'alt="samples"' in page and len(page) < 200_000
