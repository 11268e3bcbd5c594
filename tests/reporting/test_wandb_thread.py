"""Whatever W&B does, and however long, training goes on at once and the end comes within its bound."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from arc_vae.tracking.metrics_log import MetricsLog, read_metrics
from arc_vae.tracking.wandb_logger import WandbLogger

FIELDS = {"latent_dim": 10, "max_beta": 2.0}


class FakeSession:
    """Notes its calls; tests have one of them wait or fail."""

    def __init__(self, mode, init_timeout, upload_timeout, about, environment):
        self.mode, self.calls, self.folder = mode, [], "wandb/offline-run-1-run1"
        type(self).latest = self
        self._do("start")

    def _do(self, what, *arguments):
        self.calls.append((what, *arguments))
        if what in self.hanging:
            self.released.wait(30)
        if what in self.failing:
            raise RuntimeError(f"{what} refused")

    def log(self, metrics, step, timestamp):
        self._do("log", step)

    def image(self, name, path, step, timestamp):
        self._do("image", name)

    def artifact(self, path, filename, name, type, aliases):
        self._do("artifact", filename, path.read_bytes())

    def summary(self, values):
        self._do("summary", values)

    def finish(self, exit_code):
        self._do("finish", exit_code)


@pytest.fixture
def session(monkeypatch):
    """The class WandbLogger opens: set `hanging` and `failing` on it, release with `released`, ask its `latest`."""

    class Session(FakeSession):
        hanging, failing, released, latest = (), (), threading.Event(), None

    monkeypatch.setattr("arc_vae.tracking.wandb_session.WandbSession", Session)
    yield Session
    Session.released.set()


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "vae_best.pth"
    path.write_bytes(b"first")
    return path


def begin(directory, **settings):
    run = WandbLogger(**settings)
    run.start(directory, "run1", {}, FIELDS)
    return run, MetricsLog(directory, run)


def replace(path, content):
    new = path.with_name("new")
    new.write_bytes(content)
    new.replace(path)


def warnings_of(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING and r.name.startswith("arc_vae")]


def seconds_of(call):
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def test_calls_are_carried_out_in_order(tmp_path, session, weights):
    _, record = begin(tmp_path)
    for step in range(1, 101):
        record.log({"a": 1.0}, step, epoch=1)
    record.image("samples", tmp_path / "samples.png", step=100)
    record.log({"val/a": 1.0}, 100, epoch=1)
    record.artifact(weights, "vae_best", "model")
    record.summary({"a": 1.0})
    record.close(3)
    steps = [("log", step) for step in range(1, 101)]
    after = [("image", "samples"), ("log", 100), ("artifact", weights.name, b"first"), ("summary", {"a": 1.0})]
    assert session.latest.calls == [("start",), *steps, *after, ("finish", 3)]


def test_nobody_waits_for_a_start_that_hangs(tmp_path, session, weights, caplog):
    session.hanging = ("start",)
    run = WandbLogger(init_timeout=0.4, finish_timeout=0.3)
    # The quickest of three, for machines with other work.
    assert min(seconds_of(lambda: run.start(tmp_path, "run1", {}, FIELDS)) for _ in range(3)) < 0.05
    record = MetricsLog(tmp_path, run)

    def train():
        for step in range(1, 501):
            record.log({"a": 1.0}, step, epoch=1)
        record.image("samples", tmp_path / "samples.png", step=500)
        record.artifact(weights, "vae_best", "model")
        record.summary({"a": 1.0})

    assert seconds_of(train) < 1
    assert 0.6 < seconds_of(record.close) < 5
    assert len(read_metrics(tmp_path / "metrics.jsonl")) == 500
    (warning,) = warnings_of(caplog)
    assert "finish failed (TimeoutError" in warning
    # Should it come after all, it must not meddle with the process's next run.
    session.released.set()
    time.sleep(0.1)
    assert session.latest.calls == [("start",)]


def test_a_late_start_gets_all_that_was_logged_before(tmp_path, session, weights):
    session.hanging = ("start",)
    _, record = begin(tmp_path)
    record.log({"a": 1.0}, 1, epoch=1)
    record.artifact(weights, "vae_best", "model")
    replace(weights, b"second")
    record.artifact(weights, "vae_best", "model")
    session.released.set()
    record.close()
    uploads = [("artifact", weights.name, content) for content in (b"first", b"second")]
    assert session.latest.calls == [("start",), ("log", 1), *uploads, ("finish", 0)]


@pytest.mark.parametrize("hanging", ["log", "finish"])
def test_the_end_is_bounded(tmp_path, session, caplog, hanging):
    session.hanging = (hanging,)
    run, record = begin(tmp_path, init_timeout=20, finish_timeout=0.3)
    assert run._thread._opened.wait(10)
    record.log({"a": 1.0}, 1, epoch=1)
    assert 0.2 < seconds_of(record.close) < 5
    assert len(warnings_of(caplog)) == 1


def test_an_upload_that_hangs_online_holds_up_no_record(tmp_path, session, weights, caplog):
    session.hanging = ("artifact",)
    _, record = begin(tmp_path, mode="online", finish_timeout=1)
    record.artifact(weights, "vae_best", "model")
    record.log({"a": 1.0}, 1, epoch=1)
    record.close()
    assert [call for call in session.latest.calls if call[0] != "artifact"] == [("start",), ("log", 1), ("finish", 0)]
    (warning,) = warnings_of(caplog)
    assert "upload failed (TimeoutError" in warning


@pytest.mark.parametrize("failing", ["log", "image", "artifact", "summary", "finish"])
def test_what_fails_is_said_once(tmp_path, session, weights, caplog, failing):
    session.failing = (failing,)
    _, record = begin(tmp_path)
    for step in (1, 2):
        record.log({"a": 1.0}, step, epoch=1)
        record.image("samples", tmp_path / "samples.png", step)
        record.artifact(weights, "vae_best", "model")
        record.summary({"a": 1.0})
    record.close()
    assert len(session.latest.calls) == 10
    (warning,) = warnings_of(caplog)
    assert f"{failing} refused" in warning and "wandb sync" in warning


def test_a_start_that_fails_is_said_once_and_leaves_no_copies(tmp_path, session, weights, caplog):
    session.failing, session.hanging = ("start",), ("start",)
    run, record = begin(tmp_path)
    record.artifact(weights, "vae_best", "model")
    session.released.set()
    assert run._thread._opened.wait(10)
    record.artifact(weights, "vae_best", "model")
    record.close()
    assert not list((tmp_path / "wandb" / "artifacts").iterdir())
    (warning,) = warnings_of(caplog)
    assert "offline start failed" in warning and "going on without it" in warning


def test_a_missing_artifact_is_said_and_survived(tmp_path, session, caplog):
    _, record = begin(tmp_path)
    record.artifact(tmp_path / "none.pth", "vae_best", "model")
    record.close()
    (warning,) = warnings_of(caplog)
    assert "artifact failed (FileNotFoundError" in warning


# A real session whose background process is stopped dead: nothing of wandb will ever answer again.
STUCK = """
import os, signal, sys, time
from pathlib import Path
from arc_vae.tracking.wandb_logger import WandbLogger

def parent(process):
    try:
        return int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return None

directory, run = Path(sys.argv[1]), WandbLogger(init_timeout=20, finish_timeout=float(sys.argv[2]))
run.start(directory, "run1", {}, {"latent_dim": 10, "max_beta": 2.0})
assert run._thread._opened.wait(30)
core = next(int(p.name) for p in Path("/proc").glob("[0-9]*") if parent(p) == os.getpid())
os.kill(core, signal.SIGSTOP)
(directory / "core").write_text(str(core))
run.log({"a": 1.0}, 1, time.time())
(directory / "closing").touch()
run.finish()
"""


@pytest.fixture
def stuck(tmp_path):
    """Starts such a run with a finish_timeout and returns its process once it closes; stderr goes to a file."""
    errors = (tmp_path / "stderr").open("w")

    def start(finish_timeout):
        command = [sys.executable, "-c", STUCK, str(tmp_path), str(finish_timeout)]
        # A file, since the stopped process would hold a pipe open.
        process = subprocess.Popen(command, stderr=errors)
        while process.poll() is None and not (tmp_path / "closing").exists():
            time.sleep(0.01)
        return process

    yield start
    errors.close()
    os.kill(int((tmp_path / "core").read_text()), signal.SIGKILL)


def test_wandb_is_imported_with_its_crash_reports_off(tmp_path):
    """Some versions read the variable once, then: set afterwards, reports would go to W&B's own servers."""
    (tmp_path / "wandb.py").write_text("import os\nprint(os.environ.get('WANDB_ERROR_REPORTING'))\n")
    paths = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    environment = {name: value for name, value in os.environ.items() if name != "WANDB_ERROR_REPORTING"}
    command = [sys.executable, "-c", "import arc_vae.tracking.wandb_session"]
    done = subprocess.run(command, env=environment | {"PYTHONPATH": paths}, capture_output=True, text=True, cwd="/")
    assert done.stdout == "false\n", done.stderr


def test_a_process_whose_wandb_is_dead_ends(tmp_path, stuck):
    assert stuck(finish_timeout=1).wait(1 + 10) == 0
    errors = (tmp_path / "stderr").read_text()
    assert errors.count("\n") == 1 and "W&B finish failed (TimeoutError" in errors


def test_ctrl_c_ends_the_wait_for_wandb(tmp_path, stuck):
    process = stuck(finish_timeout=100)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == -signal.SIGINT
    errors = (tmp_path / "stderr").read_text()
    assert errors.count("Traceback") == 1 and errors.endswith("KeyboardInterrupt\n")
