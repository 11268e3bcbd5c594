"""A run's directory is its own: nobody writes there beside it, and what goes on there is the run as it was begun."""

import fcntl
import json
import shutil
from pathlib import Path

import pytest
import torch
from conftest import TINY, call_command
from omegaconf import OmegaConf

from arc_vae.common import files
from arc_vae.common.errors import UserError
from arc_vae.common.files import write_text
from arc_vae.common.torch_files import save_checkpoint
from arc_vae.runs.frozen_config import lengthen, load_frozen_config
from arc_vae.runs.resume import load_initial_weights
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.training import checkpoint_files
from arc_vae.training.checkpoint_files import LAST, PREVIOUS, CheckpointWriter, load_last


def command(*overrides: str) -> tuple[int, str]:
    """Exit status and words of `train`, run in this process."""
    done = call_command("train", *overrides, cwd=Path.cwd(), check=False)
    return done.returncode, done.stdout + done.stderr


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def run(tiny_run, tmp_path, monkeypatch) -> Path:
    """A copy of the tiny run, in a folder from which its corpus is found."""
    (tmp_path / "datasets").symlink_to(tiny_run.parents[2] / "datasets")
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(tiny_run, tmp_path / "run")


def test_a_second_run_is_refused_before_it_has_written_anything(run):
    RunDirectory(run).set_state("running")
    before = contents(run)
    with (run / "train.log").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        status, words = command(*TINY, "seed=3", f"hydra.run.dir={run}")
    assert status == 2 and "is in use by another run" in words and contents(run) == before


@pytest.mark.parametrize("change", ["seed=5", "criteria.pixel_accuracy=0.5"])
def test_finished_counts_for_the_same_configuration_alone(change, run):
    before = contents(run)
    status, words = command(*TINY, change, f"hydra.run.dir={run}")
    key, _, value = change.partition("=")
    assert status == 2 and f"is finished with {key}=" in words and f"not {value}" in words and contents(run) == before


def test_finished_counts_for_the_same_corpus_alone(run):
    last = torch.load(run / "checkpoints" / LAST, weights_only=True)
    save_checkpoint({**last, "corpus_sha256": "another"}, run / "checkpoints" / LAST)
    status, words = command(*TINY, f"hydra.run.dir={run}")
    assert status == 2 and "was trained on a corpus with sha256 another" in words


def test_resume_alone_goes_on_with_a_run_for_longer(run):
    before = contents(run)
    assert command(f"resume={run}") == (
        0,
        f"{run} is finished already; its verdict is in {run / 'metrics.json'}\n",
    )
    assert contents(run) == before
    run_id = torch.load(run / "checkpoints" / LAST, weights_only=True)["run_id"]
    done = call_command("train", "resume=run", "training.max_epochs=4", cwd=run.parent, WANDB_RUN_ID="another")
    assert torch.load(run / "checkpoints" / LAST, weights_only=True)["run_id"] == run_id
    (record,) = run.glob("wandb/offline-run-*")
    assert record.name.endswith(run_id) and f"wandb sync {record}" in done.stdout
    assert (
        f"resuming {run} after epoch 3, step 48" in done.stdout
        and "with lr_scheduler.T_max of a shorter run" in done.stdout
    )
    config = OmegaConf.load(run / ".hydra" / "config.yaml")
    assert (config.training.max_epochs, config.lr_scheduler.T_max) == (4, 4) and config.get("resume") is None
    assert (run / ".hydra" / "config.1.yaml").read_bytes() == before[".hydra/config.yaml"]
    assert (run / ".hydra" / "overrides.yaml").read_bytes() == before[".hydra/overrides.yaml"]
    assert (run / "metrics.1.json").read_bytes() == before["metrics.json"]
    assert json.loads((run / "metrics.json").read_text())["epochs"] == 4
    assert RunDirectory(run).state == "finished" and list(run.parent.glob("outputs")) == []
    status, words = command(f"resume={run}", "training.max_epochs=4")
    assert status == 0 and "is finished already" in words


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["seed=7"], "seed=7 would change it: training.max_epochs is all that may grow"),
        (["training.max_epochs=2"], "training.max_epochs=2: must be at least the 3 that the run has"),
        (["-m"], "goes on with one run; leave out -m"),
    ],
)
def test_nothing_else_may_change(overrides, sentence, run):
    before = contents(run)
    status, words = command(f"resume={run}", *overrides)
    assert status == 2 and sentence in words and contents(run) == before


def test_no_run_to_resume(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, words = command("resume=nowhere")
    assert status == 2 and "nowhere/.hydra/config.yaml does not exist" in words and list(tmp_path.iterdir()) == []


def test_more_epochs_add_none_to_a_run_that_early_stopping_ended(run):
    last = torch.load(run / "checkpoints" / LAST, weights_only=True)
    last["early_stopping"] |= {"epoch": 13, "best_epoch": 3}
    save_checkpoint(last, run / "checkpoints" / LAST)
    before = contents(run)
    status, words = command(f"resume={run}", "training.max_epochs=20")
    assert status == 2 and "was ended by early stopping after epoch 13" in words and contents(run) == before


def test_what_conf_derives_from_the_epochs_grows_with_them(run):
    config = load_frozen_config(run)
    resolved = OmegaConf.create(OmegaConf.to_container(config, resolve=True))  # as a sweep freezes it
    assert lengthen(resolved, 9) == ["lr_scheduler.T_max"] and resolved.lr_scheduler.T_max == 9
    constant = OmegaConf.create(OmegaConf.to_container(config, resolve=True))
    constant.lr_scheduler = {"_target_": "arc_vae.training.constant", "warmup_steps": 3}
    assert lengthen(constant, 9) == [] and constant.training.max_epochs == 9


def test_another_runs_weights_to_begin_with(run):
    from arc_vae.models import BetaVAE

    model, best = BetaVAE(), torch.load(run / "checkpoints" / "vae_best.pth", weights_only=True)
    load_initial_weights(model, run)
    assert all(torch.equal(value, best["model_state_dict"][name]) for name, value in model.state_dict().items())
    for given, sentence in (
        ([f"init_from={run}", "model.latent_dim=4"], "does not hold the weights of the BetaVAE"),
        (["init_from=nowhere.pth"], "nowhere.pth does not exist"),
    ):
        status, words = command(*TINY, *given)
        assert status == 2 and sentence in words
    assert RunDirectory(run).state == "finished"


def test_a_file_is_on_the_disk_before_its_name_and_the_name_when_written(tmp_path, monkeypatch):
    events = []
    replace = Path.replace
    monkeypatch.setattr(
        files.os, "fsync", lambda fd: events.append("folder" if Path(f"/proc/self/fd/{fd}").is_dir() else "file")
    )
    monkeypatch.setattr(Path, "replace", lambda old, new: events.append("name") or replace(old, new))
    write_text(tmp_path / "a", "b")
    assert events == ["file", "name", "folder"]


@pytest.mark.parametrize("damage", [lambda last: last.write_bytes(b""), lambda last: last.unlink()])
def test_of_a_damaged_last_checkpoint_the_one_before_is_gone_on_from(damage, tmp_path, caplog):
    writer = CheckpointWriter(tmp_path, every=10)
    assert load_last(tmp_path, {"epoch"}, "a checkpoint") is None
    for epoch in (1, 2, 3):
        writer.save_last({"epoch": epoch})
    assert load_last(tmp_path, {"epoch"}, "a checkpoint") == {"epoch": 3}
    damage(tmp_path / LAST)
    assert load_last(tmp_path, {"epoch"}, "a checkpoint") == {"epoch": 2}
    assert f"going on from {tmp_path / PREVIOUS}, of epoch 2" in caplog.text
    assert {p.name for p in tmp_path.iterdir()} <= {LAST, PREVIOUS}


def test_while_a_checkpoint_is_written_there_is_one_at_every_moment(tmp_path, monkeypatch):
    writer = CheckpointWriter(tmp_path, every=10)
    writer.save_last({"epoch": 1})

    def no_room(*given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_files, "save_checkpoint", no_room)
    with pytest.raises(OSError, match="No space"):
        writer.save_last({"epoch": 2})
    assert load_last(tmp_path, {"epoch"}, "a checkpoint") == {"epoch": 1}


def test_a_longer_configuration_of_a_state_that_cannot_be(run):
    with pytest.raises(UserError, match="training.max_epochs=1: must be at least"):
        lengthen(load_frozen_config(run), 1)
