"""A look at a sweep disturbs nobody, and only who holds a job's lock says how it fares."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib.axes import Axes

from arc_vae.common import locks
from arc_vae.common.output import LossyFile
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.sweeps import local, slurm_queue
from arc_vae.sweeps.job_files import SweepJob, write_jobs
from arc_vae.sweeps.status import JobStatus, report_sweep
from arc_vae.sweeps.sweep_page import MOST_LINES, rate_distortion

LOOK = (
    "import sys; from pathlib import Path; from arc_vae.common.locks import is_kept\n"
    "print('looking', flush=True)\nwhile True: is_kept(Path(sys.argv[1]))"
)


@pytest.fixture
def sweep(tmp_path):
    """Three jobs: finished, running in no process, and one whose directory holds nothing yet."""
    jobs = [SweepJob(number, [f"seed={number}"], tmp_path / str(number)) for number in range(3)]
    write_jobs(tmp_path, jobs)
    for job in jobs:
        job.directory.mkdir()
    figures = {"kl_nats": 30.0, "reconstruction_nats": 40.0, "seconds": 1.0, "passed": True, "criteria": {}}
    (tmp_path / "0" / "metrics.json").write_text(json.dumps(figures))
    RunDirectory(tmp_path / "0").set_state("finished")
    RunDirectory(tmp_path / "1").set_state("running")
    return tmp_path


def seen(folder: Path) -> dict[str, tuple]:
    return {str(p.relative_to(folder)): (p.stat().st_mtime_ns, p.stat().st_size) for p in folder.rglob("*")}


def test_a_look_never_keeps_a_job_from_starting(tmp_path):
    file = tmp_path / "train.log"
    file.touch()
    looker = subprocess.Popen([sys.executable, "-c", LOOK, str(file)], stdout=subprocess.PIPE)
    assert looker.stdout is not None and looker.stdout.readline()
    try:
        for _ in range(1000):
            assert locks.keep(file)
            locks.release(file)
    finally:
        looker.kill()
        looker.communicate()


def test_a_look_tells_who_is_alive(tmp_path):
    file = tmp_path / "train.log"
    assert locks.is_kept(file) is False and not file.exists()
    code = (
        "import sys, time; from pathlib import Path; from arc_vae.common.locks import keep\n"
        "print(keep(Path(sys.argv[1])), flush=True); time.sleep(60)"
    )
    keeper = subprocess.Popen([sys.executable, "-c", code, str(file)], stdout=subprocess.PIPE)
    assert keeper.stdout is not None and keeper.stdout.readline() == b"True\n"
    assert locks.is_kept(file) is True and not locks.keep(file)
    keeper.kill()
    keeper.communicate()
    assert locks.is_kept(file) is False and locks.keep(file)
    locks.release(file)


def test_a_look_writes_into_no_run_directory(sweep, capsys):
    before = {number: seen(sweep / number) for number in "012"}
    report_sweep(sweep)
    assert {number: seen(sweep / number) for number in "012"} == before
    assert "1 failed" in (sweep / "report.html").read_text() and "lie in" in capsys.readouterr().out


@pytest.mark.parametrize("fault", ["another's", "read-only"])
def test_of_anothers_sweep_a_look_only_prints(sweep, fault, monkeypatch, capsys):
    if fault == "another's":
        monkeypatch.setattr(os, "geteuid", lambda: sweep.stat().st_uid + 1)
    else:
        monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    before = seen(sweep)
    report_sweep(sweep)
    assert seen(sweep) == before
    words = capsys.readouterr().out
    assert "job 1 failed" in words and "stay as they are" in words


@pytest.mark.parametrize("state", ["finished", "failed", "preempted"])
def test_what_a_job_said_of_its_end_stands(sweep, state):
    run = RunDirectory(sweep / "2")
    run.set_state(state, "its own words")
    # 120: its last words could not be written.
    assert local.record_final_state(run.path, 120) == state and run.status()["reason"] == "its own words"


def test_of_a_job_that_another_process_trains_nothing_is_said(sweep):
    run = RunDirectory(sweep / "1")
    before = run.status_file.read_bytes()
    with (run.path / "train.log").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert local.record_final_state(run.path, -9) == "running"
        assert slurm_queue.record_final_state(run.path) == "running"
    assert run.status_file.read_bytes() == before
    assert local.record_final_state(run.path, -9) == "failed" and "SIGKILL" in run.status()["reason"]


def test_what_nobody_reads_stops_nothing(tmp_path):
    ours, theirs = os.pipe()
    os.close(ours)
    with LossyFile(theirs, "w") as lossy:
        assert lossy.write(b"x" * 10) == 10
    code = (
        "from arc_vae.common.output import drop_unwritable_output; drop_unwritable_output()\n"
        "for n in range(20000): print(n, flush=True)\nopen('done', 'w')"
    )
    words = f'{sys.executable} -c "{code}" | head -1; echo ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", words], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split() == ["0", "0"] and done.stderr == ""
    assert (tmp_path / "done").exists()


@pytest.mark.parametrize("nats", [1.5e16, float("nan"), float("inf"), 1e308, -1e300, 9999.0])
def test_the_picture_costs_the_same_whatever_the_figures(nats, monkeypatch):
    lines = []
    plot = Axes.plot
    monkeypatch.setattr(Axes, "plot", lambda axes, *given, **options: lines.append(1) or plot(axes, *given, **options))
    entries = [
        JobStatus(SweepJob(n, [], Path(str(n))), "finished", "", 1, {"kl_nats": 30.0, "passed": True} | figures)
        for n, figures in enumerate([{"reconstruction_nats": 40.0}, {"reconstruction_nats": nats}])
    ]
    assert rate_distortion(entries).startswith(b"\x89PNG") and 0 < len(lines) <= MOST_LINES + 2
