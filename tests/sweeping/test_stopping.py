"""A sweep whose launcher is stopped: jobs are told, save themselves and are waited for; the ledger is printed."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from arc_vae.common.provenance import ROOT
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.sweeps import local
from arc_vae.sweeps.job_files import SweepJob, write_jobs
from arc_vae.sweeps.launch import run_to_the_end
from arc_vae.sweeps.lifeline import VARIABLE, stop_without_launcher

# In a worker's place: saves itself when told, which takes a while; or has nothing to save yet.
SAVES = """
import json, signal, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
def save(number, frame):
    time.sleep(0.5)
    status = {"state": "preempted", "reason": f"stopped by {signal.Signals(number).name}", "host": "h", "pid": 1}
    (folder / "status.json").write_text(json.dumps(status))
    sys.exit(130)
signal.signal(signal.SIGTERM, save)
signal.signal(signal.SIGINT, save)
(folder / "begun").touch()
time.sleep(60)
"""
EARLY = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.SIG_DFL)
(Path(sys.argv[1]) / "begun").touch()
time.sleep(60)
"""


class Launcher:
    def __init__(self, jobs: int):
        self.jobs = jobs

    def check(self):
        pass

    def run(self, jobs):
        local.run_jobs(jobs, self.jobs)


def stop_when_begun(folders: list[Path], number: int) -> None:
    while not all((folder / "begun").is_file() for folder in folders):
        time.sleep(0.01)
    os.kill(os.getpid(), number)


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    jobs = [SweepJob(number, [f"seed={number}"], tmp_path / str(number)) for number in range(3)]
    for job in jobs:
        job.directory.mkdir()
    write_jobs(tmp_path, jobs)
    monkeypatch.setattr(local, "gpu_slots", lambda jobs: [])
    monkeypatch.setattr(local, "environment_of", lambda job, gpu: {"PYTHONPATH": str(tmp_path)})
    monkeypatch.setattr(local, "worker_module", lambda sweep: "stand_in")
    return tmp_path, jobs


@pytest.mark.parametrize("at_once", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_jobs_save_themselves_and_the_ledger_says_how_to_go_on(number, at_once, sweep, capsys):
    folder, jobs = sweep
    (folder / "stand_in.py").write_text(SAVES)
    before = signal.getsignal(signal.SIGTERM)
    stopper = threading.Thread(target=stop_when_begun, args=([job.directory for job in jobs[:at_once]], number))
    stopper.start()
    with pytest.raises(SystemExit) as end:
        run_to_the_end(folder, Launcher(at_once), jobs)
    stopper.join()
    assert end.value.code == 128 + number and signal.getsignal(signal.SIGTERM) is before
    told = "SIGINT" if number == signal.SIGINT else "SIGTERM"
    assert [RunDirectory(j.directory).status().get("reason") for j in jobs[:at_once]] == [
        f"stopped by {told}"
    ] * at_once
    assert not any((job.directory / "begun").exists() for job in jobs[at_once:])
    words = capsys.readouterr().out
    assert "job 2 pending: not started yet" in words and f"arc_vae.sweep dir={folder} rerun=true" in words


def test_a_job_with_nothing_to_save_yet_is_stopped_not_failed(sweep):
    folder, jobs = sweep
    (folder / "stand_in.py").write_text(EARLY)
    threading.Thread(target=stop_when_begun, args=([jobs[0].directory], signal.SIGTERM)).start()
    with pytest.raises(SystemExit):
        run_to_the_end(folder, Launcher(1), jobs)
    status = RunDirectory(jobs[0].directory).status()
    assert status["state"] == "preempted" and status["reason"] == "stopped by SIGTERM outside of training"


ALONE = """
import signal, sys, time
from pathlib import Path
from arc_vae.sweeps.lifeline import stop_without_launcher
folder = Path(sys.argv[1])
def save(number, frame):
    (folder / "saved").touch()
    sys.exit(130)
signal.signal(signal.SIGTERM, save)
stop_without_launcher()
(folder / "begun").touch()
time.sleep(60)
"""


@pytest.mark.parametrize("at_once", [1, 2])
def test_the_jobs_of_a_launcher_killed_without_a_word_save_themselves_and_stop(at_once, sweep, monkeypatch):
    folder, jobs = sweep
    (folder / "stand_in.py").write_text(ALONE)
    path = {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    monkeypatch.setattr(local, "environment_of", lambda job, gpu: path)
    launcher = os.fork()
    if launcher == 0:
        try:
            local.run_jobs(jobs, at_once)
        finally:
            os._exit(1)
    deadline = time.monotonic() + 60
    try:
        while not all((job.directory / "begun").is_file() for job in jobs[:at_once]) and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        os.kill(launcher, signal.SIGKILL)
        os.waitpid(launcher, 0)
    while not all((job.directory / "saved").is_file() for job in jobs[:at_once]) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [(job.directory / "saved").is_file() for job in jobs] == [number < at_once for number in range(3)]


@pytest.mark.parametrize("number", ["", "x", "-1", "999", "99999999999999999999"])
def test_a_job_begun_by_hand_waits_for_no_launcher(number, monkeypatch):
    monkeypatch.setenv(VARIABLE, number)
    before = threading.active_count()
    stop_without_launcher()
    assert threading.active_count() == before and VARIABLE not in os.environ
