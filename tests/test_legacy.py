"""Runs, parts and sweeps written by commit 3a2a2fb (with subnormals flushed) still open.

`tests/fixtures/old_runs` holds a finished run, the same run stopped in mid-epoch, parts of each model, a sweep with
a stopped job, and what the old code computed from the parts. Other processors round differently, so figures are
compared closely, not to the last bit.
"""

import importlib
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import call_command, run_command

from arc_vae.common import legacy
from arc_vae.common.errors import UserError
from arc_vae.common.torch_files import load_checkpoint, save_checkpoint
from arc_vae.configuration.foreign import targets_of
from arc_vae.configuration.paths import conf_dir
from arc_vae.corpus.atomic.scenes import generate
from arc_vae.models.saved import load_module

OLD = Path(__file__).parent / "fixtures" / "old_runs"


@pytest.fixture
def old(tmp_path) -> Path:
    """A copy, in which commands may write."""
    shutil.copytree(OLD, tmp_path / "old")
    return tmp_path / "old"


@pytest.mark.parametrize("run", ["finished", "palette", "object_slots"])
def test_parts_decode_as_they_did(run):
    encoder, decoder = (load_module(OLD / run / "checkpoints" / f"{part}.pth") for part in ("encoder", "decoder"))
    wanted = np.load(OLD / "parts.npz")
    with torch.no_grad():
        mu = encoder(torch.from_numpy(generate("test", 4, 0))).mu
        logits = decoder(torch.from_numpy(wanted[f"{run}_mu"]))
    np.testing.assert_allclose(mu, wanted[f"{run}_mu"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(logits, wanted[f"{run}_logits"], rtol=1e-4, atol=1e-4)


def test_a_finished_run_is_evaluated_again_to_the_same_figures(old):
    then = json.loads((old / "finished" / "metrics.json").read_text())
    run_command("evaluate", "run=finished", "device=cpu", cwd=old)
    now = json.loads((old / "finished" / "metrics.json").read_text())
    for key in ("pixel_accuracy", "object_accuracy", "reconstruction_nats", "kl_per_dim", "epochs", "beta_effective"):
        assert now[key] == pytest.approx(then[key], rel=1e-4, abs=1e-6), key
    assert (old / "finished" / "report.html").is_file()


def test_a_finished_run_is_known_to_be_finished(old):
    assert "finished is finished already" in call_command("train", "resume=finished", cwd=old).stdout


@pytest.mark.parametrize("again", ["by resume", "by its command"])
def test_a_run_stopped_in_mid_epoch_ends_with_the_weights_of_one_never_stopped(old, again):
    begun = [line[2:].strip("'") for line in (old / "interrupted/.hydra/overrides.yaml").read_text().splitlines()]
    words = ["resume=interrupted"] if again == "by resume" else [*begun, "hydra.run.dir=interrupted"]
    done = run_command("train", *words, cwd=old)
    assert "by another version of arc_vae so far, whose steps are computed otherwise" in done.stdout
    resumed, whole = (
        torch.load(old / run / "checkpoints" / "vae_final.pth", weights_only=True)
        for run in ("interrupted", "finished")
    )
    assert resumed["step"] == whole["step"] == 16
    for name, weight in whole["model_state_dict"].items():
        torch.testing.assert_close(resumed["model_state_dict"][name], weight, rtol=1e-4, atol=1e-6)
    epochs = [json.loads(line) for line in (old / "interrupted" / "metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in epochs if "train/loss_total" in record] == list(range(1, 17))


def test_a_sweep_is_reported_and_its_stopped_job_run_to_its_end(old):
    shown = run_command("sweep", "dir=sweep", cwd=old).stdout
    assert "job 1 preempted" in shown and "object" in shown
    run_command("sweep", "dir=sweep", "rerun=true", cwd=old)
    assert json.loads((old / "sweep" / "1" / "status.json").read_text())["state"] == "finished"
    assert len((old / "sweep" / "leaderboard.csv").read_text().splitlines()) == 3


def test_an_old_status_files_command_goes_on_with_a_job(old):
    command = json.loads((old / "sweep" / "1" / "status.json").read_text())["reason"]
    assert "python -m arc_vae.sweeping.worker sweep/1" in command
    run_command("sweeping.worker", "sweep/1", cwd=old)
    assert json.loads((old / "sweep" / "1" / "status.json").read_text())["state"] == "finished"


def test_a_job_that_was_queued_before_still_unpickles():
    with (OLD / "slurm_job.pkl").open("rb") as file:
        job = pickle.load(file)  # ours, as submitit reads it
    assert job.directory.name == "job" and callable(job.checkpoint)


DOCUMENTED = [
    ("arc_vae.training.checkpoints", "load_part"),
    ("arc_vae.grids", "PALETTE"),
    ("arc_vae.corpus", "load_corpus"),
    ("arc_vae.models", "reparameterize"),
    ("arc_vae.objective", "get_beta"),
    ("arc_vae.generate_samples", "generate_samples"),
    ("arc_vae.reporting.pictures", "visualize_reconstructions"),
]


@pytest.mark.parametrize(("module", "name"), DOCUMENTED)
def test_documented_names_stay_where_they_were(module, name):
    assert hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize("target", sorted({*legacy.TARGETS.values(), *legacy.CLASSES.values()}))
def test_every_new_name_of_the_table_is_there(target):
    module, _, name = target.rpartition(".")
    assert hasattr(importlib.import_module(module), name)
    known = set().union(*(targets_of(group.name) for group in conf_dir().iterdir()))
    assert target in known or target in legacy.CLASSES.values() or name == "constant"


def test_an_upgrade_renames_at_any_depth_and_leaves_the_rest():
    config = {"data": {"_target_": "arc_vae.corpus.npz.NpzCorpus", "path": "a"}, "list": [{"_target_": "torch.x"}]}
    wanted = {"data": {"_target_": "arc_vae.corpus.NpzSource", "path": "a"}, "list": [{"_target_": "torch.x"}]}
    assert legacy.upgrade_config(config) == wanted
    state = {"config": config, "begun": None, "model_state_dict": {"encoder.stations.forms.counts": 1, "a.weight": 2}}
    assert legacy.upgrade_checkpoint(state) == {
        "config": wanted,
        "epoch_progress": None,
        "model_state_dict": {"encoder.pose_codec.form_prior.counts": 1, "a.weight": 2},
    }


@pytest.mark.parametrize(("given", "rows"), [({}, 128), ({"block_rows": 64}, 64)])
def test_muon_goes_on_in_the_blocks_that_a_run_was_begun_with(given, rows):
    upgraded = legacy.upgrade_config({"_target_": "arc_vae.training.muon.Muon", **given})
    assert upgraded == {"_target_": "arc_vae.training.Muon", "block_rows": rows}


def test_a_checkpoint_of_a_later_version_is_refused_in_a_sentence(tmp_path):
    save_checkpoint({"format": legacy.FORMAT + 1, "epoch": 1}, tmp_path / "a.pth")
    with pytest.raises(UserError, match=f"a.pth is of format {legacy.FORMAT + 1}, written by a later arc_vae"):
        load_checkpoint(tmp_path / "a.pth", {"epoch"}, "a checkpoint")
