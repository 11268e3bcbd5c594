"""A run's or sweep's directory that leads out of itself is refused; what lies outside stays as it was."""

import json
import os
import shutil
from pathlib import Path

import pytest

from arc_vae.api.opening import open_networks
from arc_vae.common.errors import UserError
from arc_vae.common.files import write_json
from arc_vae.common.inside import inside, refuse_links_outside
from arc_vae.reporting.run_report import write_report
from arc_vae.runs.experiment import load_experiment
from arc_vae.runs.frozen_config import load_frozen_config
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.sweeps.job_files import JOBS_FILE, all_overrides, read_jobs
from arc_vae.sweeps.slurm_queue import slurmstepd_error
from arc_vae.sweeps.status import read_statuses
from arc_vae.sweeps.sweep_page import leaderboard_page
from arc_vae.sweeps.worker import run_job
from arc_vae.tracking.metrics_log import read_metrics

SECRET = "-----BEGIN PRIVATE KEY-----\n"
FINISHED = Path(__file__).parent / "fixtures" / "old_runs" / "finished"


@pytest.fixture
def run(tmp_path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "key").write_text(SECRET)
    return shutil.copytree(FINISHED, tmp_path / "run")


LINKS = [
    "images/samples_epoch_9.png",
    "metrics.jsonl",
    "metrics.json",
    "train.log",
    "status.json",
    "report.html",
    "checkpoints/vae_best.pth",
    ".hydra/config.yaml",
]


@pytest.mark.parametrize("name", LINKS)
def test_a_link_to_a_file_outside_is_refused_before_anything_is_read_or_written(name, run, tmp_path):
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(tmp_path / "outside" / "key")
    for ask in (write_report, run_job, lambda path: load_experiment(RunDirectory(path)), acquire):
        with pytest.raises(UserError, match=f"{name} leads out of .*nothing outside is read or written"):
            ask(run)
    assert (tmp_path / "outside" / "key").read_text() == SECRET
    assert not (run / "report.html").exists() or (run / "report.html").is_symlink()


def acquire(path: Path) -> None:
    RunDirectory(path).acquire()


@pytest.mark.parametrize("folder", ["images", "checkpoints", ".hydra", "wandb"])
def test_a_folder_outside_is_refused(folder, run, tmp_path):
    shutil.rmtree(run / folder, ignore_errors=True)
    (run / folder).symlink_to(tmp_path / "outside", target_is_directory=True)
    with pytest.raises(UserError, match=f"{folder} leads out of .*move the whole run directory .* and link that"):
        acquire(run)
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["key"]


@pytest.mark.parametrize("name", ["status.json", "checkpoints", "images/samples_epoch_9.png"])
def test_a_link_in_a_circle_is_refused(name, run):
    shutil.rmtree(run / name) if (run / name).is_dir() else (run / name).unlink(missing_ok=True)
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).symlink_to((run / name).name)
    for ask in (write_report, acquire, lambda path: load_experiment(RunDirectory(path))):
        with pytest.raises(UserError, match=f"{name} is a link that leads in a circle"):
            ask(run)


@pytest.mark.parametrize("name", ["train.log", "metrics.jsonl", "images/samples_epoch_9.png"])
def test_nobody_waits_for_a_named_pipe(name, run, tmp_path):
    (run / name).unlink(missing_ok=True)
    (run / name).parent.mkdir(exist_ok=True)
    os.mkfifo(run / name)
    for ask in (write_report, acquire, lambda path: load_experiment(RunDirectory(path))):
        with pytest.raises(UserError, match=f"{name} is neither a file nor a folder: remove it"):
            ask(run)
    write_json(tmp_path / JOBS_FILE, {"jobs": [{"number": 0, "overrides": [], "directory": "run"}]})
    assert RunDirectory(run).is_locked() in (None, False)
    assert "finished" in leaderboard_page("sweep", read_statuses(tmp_path))


def test_links_within_and_the_link_to_a_run_itself_are_fine(run, tmp_path):
    (run / "wandb").mkdir()
    (run / "wandb" / "latest-run").symlink_to("offline-run")
    (run / "checkpoints" / "newest.pth").symlink_to("vae_best.pth")
    (tmp_path / "latest").symlink_to(run)
    refuse_links_outside(tmp_path / "latest")
    assert RunDirectory(tmp_path / "latest").status()["state"] == "finished"


@pytest.mark.parametrize("name", ["../outside", "/etc", "..", "0/../../outside", "link"])
def test_a_job_elsewhere_is_refused(name, run, tmp_path):
    sweep = tmp_path / "sweep"
    sweep.mkdir()
    (sweep / "link").symlink_to(tmp_path / "outside")
    write_json(sweep / JOBS_FILE, {"jobs": [{"number": 0, "overrides": [], "directory": name}]})
    with pytest.raises(UserError, match="leads out of"):
        read_jobs(sweep)
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["key"]


@pytest.mark.parametrize(
    "content",
    [
        '{"jobs": [{"number": 0, "overrides": [], "directory": "."}]}',
        "[]",
        "{}",
        '{"jobs": 3}',
        '{"jobs": [3]}',
        '{"jobs": [{"number": "0"}]}',
        "{",
        "",
    ],
)
def test_a_damaged_list_of_jobs_is_refused(content, tmp_path):
    (tmp_path / JOBS_FILE).write_text(content)
    with pytest.raises(UserError, match="jobs.json is damaged") as error:
        read_jobs(tmp_path)
    assert "\n" not in str(error.value)


def test_a_look_at_a_sweep_reads_nothing_outside(run, tmp_path):
    sweep = tmp_path / "sweep"
    shutil.copytree(run, sweep / "0")
    shutil.copytree(run, sweep / "1")
    entries = [{"number": number, "overrides": [], "directory": str(number)} for number in (0, 1)]
    write_json(sweep / JOBS_FILE, {"jobs": entries})
    (tmp_path / "outside" / "status.json").write_text(json.dumps({"state": "failed", "reason": SECRET}))
    (sweep / "1" / "status.json").unlink()
    (sweep / "1" / "status.json").symlink_to(tmp_path / "outside" / "status.json")
    fine, linked = read_statuses(sweep)
    assert fine.state == "finished" and "PRIVATE" not in linked.reason and "leads out of" in linked.reason
    (sweep / "0" / ".hydra" / "config.yaml").unlink()
    (sweep / "0" / ".hydra" / "config.yaml").symlink_to(tmp_path / "outside" / "key")
    with pytest.raises(UserError, match="leads out of"):
        load_frozen_config(sweep / "0")
    with pytest.raises(UserError, match="leads out of"):
        inside(sweep, sweep / "0" / ".." / ".." / "run")
    (tmp_path / "outside" / "words").write_text(f"- {SECRET}")
    (sweep / "1" / ".hydra").mkdir(exist_ok=True)
    (sweep / "1" / ".hydra" / "overrides.yaml").unlink(missing_ok=True)
    (sweep / "1" / ".hydra" / "overrides.yaml").symlink_to(tmp_path / "outside" / "words")
    (sweep / "1" / "metrics.jsonl").unlink()
    (sweep / "1" / "metrics.jsonl").symlink_to(tmp_path / "outside" / "key")
    (sweep / "1" / "checkpoints" / "operators.pth").symlink_to(tmp_path / "outside" / "key")
    for ask in (
        lambda: all_overrides(sweep / "1"),
        lambda: read_metrics(sweep / "1" / "metrics.jsonl"),
        lambda: open_networks(sweep / "1", ()),
    ):
        with pytest.raises(UserError, match="leads out of"):
            ask()
    write_json(sweep / "slurm.json", {"1": "../../outside"})
    with pytest.raises(UserError, match="slurm.json is damaged .job 1: ../../outside."):
        slurmstepd_error(sweep / "1")
