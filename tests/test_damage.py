"""Damaged files: each is said in one sentence that names it, or is read as it was written; never as something else."""

import json
import random
import re
import shutil
import zipfile
from pathlib import Path

import pytest
import torch

from arc_vae.common.errors import UserError
from arc_vae.common.files import write_json
from arc_vae.common.torch_files import load_checkpoint, save_checkpoint
from arc_vae.evaluation.metrics_file import read_metrics_file
from arc_vae.reporting.run_report import write_report
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.sweeps.job_files import SweepJob, write_jobs
from arc_vae.sweeps.leaderboard import leaderboard_csv, leaderboard_text
from arc_vae.sweeps.status import read_statuses
from arc_vae.sweeps.sweep_page import leaderboard_page
from arc_vae.tracking.metrics_log import read_metrics

VERDICT = json.loads((Path(__file__).parent / "fixtures" / "old_runs" / "finished" / "metrics.json").read_text())
STATUS = {"state": "finished", "kind": None, "reason": None, "host": "here", "pid": 1, "job_id": None, "time": 1.0}
RECORD = {"step": 1, "epoch": 1, "time": 1.0, "val/loss_total": 3.0, "val/kl_per_dim": [1.0, "NaN"]}


def damaged(content: bytes, rng: random.Random) -> bytes:
    """The same bytes cut, with bits flipped, begun otherwise, or gone."""
    ways = ("cut", "flip 1", "flip 3", "flip 30", "header", "empty")
    way = rng.choice(ways)
    changed = bytearray(content)
    if way == "cut":
        return content[: rng.randrange(len(content))]
    if way == "header":
        changed[:8] = rng.randbytes(8)
    if way.startswith("flip"):
        for _ in range(int(way.split()[1])):
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return b"" if way == "empty" else bytes(changed)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_damaged_checkpoint_is_refused_or_is_as_it_was(seed, tmp_path):
    file, rng = tmp_path / "last.pth", random.Random(seed)
    save_checkpoint({"epoch": 3, "model_state_dict": {"w": torch.arange(400.0)}, "config": {"a": 1}}, file)
    content, refused = file.read_bytes(), 0
    for _ in range(150):
        file.write_bytes(damaged(content, rng))
        try:
            state = load_checkpoint(file, {"epoch"}, "a checkpoint")
        except UserError as error:
            assert str(file) in str(error) and "\n" not in str(error)
            refused += 1
            continue
        assert state["epoch"] == 3 and torch.equal(state["model_state_dict"]["w"], torch.arange(400.0))
    assert refused > 100


def test_a_flipped_bit_in_a_weight_is_noticed(tmp_path):
    save_checkpoint({"w": torch.zeros(100)}, tmp_path / "last.pth")
    content = bytearray((tmp_path / "last.pth").read_bytes())
    content[content.index(bytes(400)) + 3] = 0x40
    (tmp_path / "last.pth").write_bytes(content)
    assert torch.load(tmp_path / "last.pth", weights_only=True)["w"][0] == 2, "torch itself does not notice"
    with pytest.raises(UserError, match="last.pth is not a checkpoint, or is damaged"):
        load_checkpoint(tmp_path / "last.pth", set(), "a checkpoint")


def test_a_compressed_file_that_unpacks_to_much_is_refused(tmp_path):
    save_checkpoint({"w": torch.zeros(10**7)}, tmp_path / "last.pth")
    with zipfile.ZipFile(tmp_path / "last.pth") as whole, zipfile.ZipFile(tmp_path / "a.pth", "w", 8) as packed:
        for part in whole.namelist():
            packed.writestr(part, whole.read(part))
    with pytest.raises(UserError, match="a.pth is not a checkpoint"):
        load_checkpoint(tmp_path / "a.pth", set(), "a checkpoint")


READERS = {
    "status.json": (STATUS, lambda path: RunDirectory(path.parent).status()),
    "metrics.json": (VERDICT, lambda path: RunDirectory(path.parent).metrics()),
    "metrics.jsonl": (RECORD, read_metrics),
}


@pytest.mark.parametrize("name", READERS)
def test_damaged_json_is_refused_by_name(name, tmp_path):
    value, read = READERS[name]
    rng, file = random.Random(0), tmp_path / name
    content = (json.dumps(value) + "\n").encode()
    file.write_bytes(content)
    read(file)
    others = [b"[]\n", b"3\n", b"null\n", b'"x"\n', b"[" * 100_000 + b"\n", b"\xff\xfe\n", b"{}\n"]
    others += [json.dumps({**value, key: {"x": [None]}}).encode() + b"\n" for key in list(value)[:20]]
    for text in others + [damaged(content, rng) for _ in range(100)]:
        file.write_bytes(text)
        try:
            read(file)
        except UserError as error:
            assert str(file) in str(error) and "\n" not in str(error)
    for text in others[:6]:
        file.write_bytes(text)
        with pytest.raises(UserError, match=re.escape(str(file))):
            read(file)


def finished_sweep(sweep: Path, jobs: int) -> None:
    listed = [SweepJob(number, [f"seed={number}"], sweep / str(number)) for number in range(jobs)]
    for job in listed:
        job.directory.mkdir(parents=True)
        write_json(job.directory / "status.json", STATUS)
        write_json(job.directory / "metrics.json", VERDICT)
        (job.directory / "metrics.jsonl").write_text(json.dumps(RECORD) + "\n")
    write_jobs(sweep, listed)


@pytest.mark.parametrize("name", READERS)
def test_one_damaged_job_is_one_damaged_row(name, tmp_path):
    finished_sweep(tmp_path, 3)
    value, rng = READERS[name][0], random.Random(1)
    content = (json.dumps(value) + "\n").encode()
    file = tmp_path / "1" / name
    texts = [b"[]\n", b"{\n", b"3\n", *(damaged(content, rng) for _ in range(40))]
    texts += [json.dumps({k: v for k, v in value.items() if k != key}).encode() + b"\n" for key in value]
    for text in texts:
        file.write_bytes(text)
        entries = read_statuses(tmp_path)
        assert [entries[0].state, entries[2].state] == ["finished", "finished"]
        assert "object" in leaderboard_text(entries) and leaderboard_csv(entries).count("\n") == 4
    file.write_bytes(b"[]\n")
    entries = read_statuses(tmp_path)
    assert entries[1].state == "failed" and str(file) in entries[1].reason
    assert str(file) in leaderboard_page("sweep", entries)


def test_a_directory_in_a_files_place_is_refused(tmp_path):
    for name, (_, read) in READERS.items():
        (tmp_path / name).mkdir()
        if name == "status.json":
            assert read(tmp_path / name) == {}
            continue
        with pytest.raises(UserError, match=re.escape(name)):
            read(tmp_path / name)
    (tmp_path / "last.pth").mkdir()
    with pytest.raises(UserError, match="last.pth"):
        load_checkpoint(tmp_path / "last.pth", set(), "a checkpoint")


def test_a_page_of_a_run_whose_verdict_is_damaged_names_it(tmp_path):
    run = tmp_path / "run"
    shutil.copytree(Path(__file__).parent / "fixtures" / "old_runs" / "finished", run)
    (run / "metrics.json").write_text(json.dumps({**VERDICT, "object_accuracy": "<b>"}))
    with pytest.raises(UserError, match="metrics.json is damaged .object_accuracy is of another type"):
        write_report(run)
    write_json(run / "metrics.json", {**VERDICT, "criteria": {"kl_per_dim": {"value": 1}}})
    with pytest.raises(UserError, match="criteria.kl_per_dim is of another type"):
        read_metrics_file(run / "metrics.json")
