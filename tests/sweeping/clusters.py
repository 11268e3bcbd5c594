"""The clusters that sweeps are tested on: the stand-in of `tests/fake_slurm/`, and a real Slurm of one node."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

STAND_IN = Path(__file__).parents[1] / "fake_slurm"
SCRIPT = Path(__file__).parent / "slurm_cluster.sh"
ASK = "ARC_VAE_TEST_SLURM"
MAX_ARRAY_SIZE = 4
MIN_JOB_AGE = {False: 3600, True: 2}  # by whether accounting remembers what the controller forgets


class StandIn:
    """Jobs are processes of this machine; `env` is where its commands are found."""

    pause = 0.0  # a requeued job may begin at once
    epochs_beyond_a_minute = 24  # its minute ends when a test says so

    def __init__(self, folder: Path, accounting: bool):
        self.folder = folder
        settings = {"max_array_size": MAX_ARRAY_SIZE, "min_job_age": MIN_JOB_AGE[accounting], "accounting": accounting}
        (folder / "cluster.json").write_text(json.dumps({**settings, "jobs": 4 * len(os.sched_getaffinity(0))}))
        path = f"{STAND_IN / 'bin'}{os.pathsep}{os.environ['PATH']}"
        self.env = {"PATH": path, "FAKE_SLURM": str(folder), "FAKE_SLURM_PYTHON": sys.executable}
        with (folder / "controller.log").open("wb") as log:
            command = [sys.executable, "-S", "-E", STAND_IN / "controller.py", folder]
            self.controller = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for((folder / "spool").is_dir)

    def log(self) -> str:
        return (self.folder / "controller.log").read_text()

    def let_time_run_out(self, slurm_id: str) -> None:
        """Have the job's time end now; Slurm warns it first."""
        (self.folder / "late").mkdir(exist_ok=True)
        (self.folder / "late" / slurm_id).touch()

    def stop(self) -> None:
        self.controller.terminate()
        self.controller.wait(30)


class Real:
    """A Slurm that `slurm_cluster.sh` starts, and installs where there is none."""

    pause = 2.0  # begun in the second it was requeued in, a job would be killed
    epochs_beyond_a_minute = 400

    def __init__(self, folder: Path, accounting: bool):
        if os.environ.get(ASK) != "1":
            pytest.skip(f"{ASK}=1 runs it on a real Slurm too, which it installs")
        if os.geteuid() != 0:
            pytest.skip("starting a Slurm takes root")
        self.folder = folder
        start = [SCRIPT, "start", folder, *["accounting"] * accounting]
        started = subprocess.run(start, capture_output=True, text=True, timeout=400)
        if started.returncode:
            pytest.skip(f"no Slurm could be started here: {started.stderr.strip().splitlines()[-1]}")
        self.env = {"SLURM_CONF": str(folder / "slurm.conf")}

    def log(self) -> str:
        return (self.folder / "slurmctld.log").read_text()[-4000:]

    def let_time_run_out(self, slurm_id: str) -> None:
        """It does by itself."""

    def stop(self) -> None:
        subprocess.run([SCRIPT, "stop", self.folder], capture_output=True, timeout=60)


def wait_for(found, seconds: float = 300):
    """Until `found()` is true; its value."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, f"nothing came of it in {seconds} s"
        time.sleep(0.2)
    return value
