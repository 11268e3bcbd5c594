"""A launcher killed while it submits to Slurm: nothing is submitted twice. Slurm is a stand-in."""

import json
import threading
from types import SimpleNamespace

import pytest

from arc_vae.common import locks
from arc_vae.common.errors import UserError
from arc_vae.runs import run as run_module
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.sweeps import slurm, slurm_queue
from arc_vae.sweeps.job_files import SweepJob, write_jobs
from arc_vae.sweeps.launch import rerun_unfinished
from arc_vae.sweeps.slurm import submit_arrays
from arc_vae.sweeps.slurm_queue import IDS_FILE, SUBMITTING_FILE, queued_jobs

METRICS = {"criteria": {}, "passed": True, "seconds": 1, "kl_nats": 1.0, "reconstruction_nats": 1.0}


class Killed(BaseException):
    pass


class Cluster:
    """What sbatch takes is in the queue, with its comment; `answers` says whether squeue does."""

    def __init__(self, monkeypatch, sweep):
        self.sweep, self.queue, self.fails, self.answers = sweep, {}, None, True
        self.comment = ""
        monkeypatch.setattr("submitit.AutoExecutor", lambda **_: self)
        monkeypatch.setattr(slurm, "largest_array", lambda: 1000)
        monkeypatch.setattr(slurm_queue.shutil, "which", lambda name: f"/bin/{name}")
        monkeypatch.setattr(slurm_queue, "_slurm", self.command)

    def update_parameters(self, slurm_comment="", **_):
        self.comment = slurm_comment

    def submit_array(self, jobs):
        token = json.loads((self.sweep / SUBMITTING_FILE).read_text())["token"]
        assert token in self.comment.split()
        if not isinstance(self.fails, RuntimeError):
            self.queue |= {f"7_{place}": self.comment for place in range(len(jobs))}
        if self.fails:
            raise self.fails
        return [SimpleNamespace(job_id=f"7_{place}") for place in range(len(jobs))]

    def command(self, name, *options):
        if name != "squeue" or not self.answers:
            return None
        shown = "--format=%i %k" in options
        return "".join(f"{job_id} {comment}\n" if shown else f"{job_id}\n" for job_id, comment in self.queue.items())


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """A finished job, two that are not, and the cluster."""
    jobs = [SweepJob(number, [], tmp_path / str(number)) for number in range(3)]
    write_jobs(tmp_path, jobs)
    RunDirectory(tmp_path / "0").record_end("finished", "")
    (tmp_path / "0" / "metrics.json").write_text(json.dumps(METRICS))
    return tmp_path, jobs[1:], Cluster(monkeypatch, tmp_path)


def test_ids_are_kept_and_the_token_is_removed(sweep):
    folder, jobs, _ = sweep
    submit_arrays(jobs, 3, {"slurm_comment": "mine"})
    assert json.loads((folder / IDS_FILE).read_text()) == {"1": "7_0", "2": "7_1"}
    assert not (folder / SUBMITTING_FILE).exists()


def test_killed_before_the_ids_are_kept_nothing_is_submitted_twice(sweep):
    folder, jobs, cluster = sweep
    cluster.fails = Killed()
    with pytest.raises(Killed):
        submit_arrays(jobs, 3, {})
    assert not (folder / IDS_FILE).exists()
    assert queued_jobs(folder) == {"1": "7_0", "2": "7_1"}, "a look asks Slurm"
    cluster.answers = False
    with pytest.raises(UserError, match="Slurm does not tell now whether they are queued"):
        rerun_unfinished(folder, None)
    cluster.answers = True
    assert rerun_unfinished(folder, None) == 0
    assert json.loads((folder / IDS_FILE).read_text()) == {"1": "7_0", "2": "7_1"}
    assert not (folder / SUBMITTING_FILE).exists()


def test_what_slurm_refuses_leaves_no_token(sweep):
    folder, jobs, cluster = sweep
    cluster.fails = RuntimeError("invalid partition")
    with pytest.raises(UserError, match="invalid partition"):
        submit_arrays(jobs, 3, {})
    assert not (folder / SUBMITTING_FILE).exists() and queued_jobs(folder) == {}


def test_a_requeued_job_waits_for_its_former_process(tmp_path, monkeypatch):
    run = RunDirectory(tmp_path)
    run.acquire()
    # As another process's: this one does not know of it.
    held = locks._kept.pop((tmp_path / "train.log").resolve())
    monkeypatch.setattr(run_module, "prepare_run", lambda *given: None)
    monkeypatch.setattr(run_module, "train_and_evaluate", lambda run: {})
    monkeypatch.setattr(run_module, "write_report", lambda path: None)
    monkeypatch.setattr(run_module, "format_summary", lambda metrics, run: "")
    with pytest.raises(UserError, match="in use"):
        run_module.run_training({}, tmp_path)
    threading.Timer(0.5, held.close).start()
    run_module.run_training({}, tmp_path, wait_seconds=30)
    assert run.state == "finished"


@pytest.mark.parametrize(("queued", "state"), [({"7_0": "x"}, "running"), ({}, "failed")])
def test_of_a_job_on_another_machine_slurm_says_whether_it_lives(sweep, queued, state):
    """Whatever its clock says: it wrote a moment ago."""
    folder, jobs, cluster = sweep
    cluster.queue = queued
    (folder / IDS_FILE).write_text('{"1": "7_0"}')
    RunDirectory(jobs[0].directory).set_state("running")
    file = jobs[0].directory / "status.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "host": "another"}))
    from arc_vae.sweeps.status import read_entry

    assert read_entry(jobs[0]).state == state
