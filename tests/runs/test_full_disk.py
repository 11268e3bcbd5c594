"""A disk that takes no more: one sentence, nothing torn, everything to be gone on from once there is room.

The limit of a file's size stands in for the disk's: a write beyond it is cut off and refused in the same way.
"""

import json
import resource
import signal
from contextlib import contextmanager

import pytest
import torch

from arc_vae.cli.command import as_user_error
from arc_vae.common.errors import UserError, disk_error
from arc_vae.common.torch_files import save_checkpoint
from arc_vae.runs.run import recorded_state
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.tracking.metrics_log import MetricsLog, read_metrics


@contextmanager
def room_for(size: int):
    """No file may grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_flush_without_room_is_retried_whole(tmp_path):
    log = MetricsLog(tmp_path)
    for step in range(1, 101):
        log.log({"train/loss_total": 1.0}, step=step, epoch=1)
    log.flush()
    for step in range(101, 201):
        log.log({"train/loss_total": 1.0}, step=step, epoch=1)
    with room_for((tmp_path / "metrics.jsonl").stat().st_size + 1234), pytest.raises(OSError, match="File too large"):
        log.flush()
    assert [r["step"] for r in read_metrics(tmp_path / "metrics.jsonl")] == list(range(1, 101))
    log.close()
    assert [r["step"] for r in read_metrics(tmp_path / "metrics.jsonl")] == list(range(1, 201))


def test_a_run_without_room_says_how_much_and_how_to_go_on(tmp_path):
    run = RunDirectory(tmp_path / "run")
    weights = {"epoch": 1, "weights": torch.zeros(500_000)}
    save_checkpoint(weights, run.checkpoints / "last.pth")
    told = r"last.*: File too large: 6 MB are needed; make room, then THE COMMAND goes on"
    with pytest.raises(UserError, match=told), recorded_state(run, "THE COMMAND"), room_for(1_000_000):
        save_checkpoint({"epoch": 2, "weights": torch.zeros(500_000)}, run.checkpoints / "last.pth")
    assert torch.load(run.checkpoints / "last.pth", weights_only=True)["epoch"] == 1
    assert [file.name for file in run.checkpoints.iterdir()] == ["last.pth"]
    assert json.loads(run.status_file.read_text())["state"] == "failed"


def test_without_room_for_a_state_the_sentence_is_said_all_the_same(tmp_path):
    run = RunDirectory(tmp_path / "run")
    told = r"status.json: File too large; make room, then THE COMMAND goes on"
    with pytest.raises(UserError, match=told), room_for(1), recorded_state(run, "THE COMMAND"):
        raise AssertionError("the state could not be written")
    assert run.state == "pending" and [file.name for file in run.path.iterdir()] == ["train.log"]


@pytest.mark.parametrize("vanished", ["metrics.jsonl", "checkpoints"])
def test_a_directory_that_is_gone_is_told(vanished, tmp_path):
    log = MetricsLog(tmp_path / "gone")
    log.log({"a": 1.0}, step=1, epoch=1)
    with pytest.raises(FileNotFoundError) as caught:
        log.flush() if vanished == "metrics.jsonl" else (tmp_path / "gone" / vanished).open("wb")
    assert str(disk_error(caught.value, tmp_path)) == (
        f"{tmp_path / 'gone' / vanished}: No such file or directory; see that it can be written"
    )


def test_a_path_that_cannot_be_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError) as caught:
        RunDirectory(tmp_path / "file" / "run").acquire()
    assert "Not a directory" in str(as_user_error(caught.value))
    assert as_user_error(ConnectionError("no route")) is None
