"""What a command says of itself, and the runs that people make to see whether anything works."""

import json
import re
import shlex

import numpy as np
import pytest
from conftest import TINY_JOB, call_command
from hydra import compose, initialize_config_dir

from arc_vae.__main__ import commands
from arc_vae.configuration.keys import default_choices, primary_keys
from arc_vae.configuration.paths import conf_dir
from arc_vae.corpus.corpus import Corpus
from arc_vae.corpus.subset import one_batch
from arc_vae.operations.restore import restore
from arc_vae.tracking.metrics_log import read_metrics
from arc_vae.training.trainer import time_left

CONFIGS = sorted(path.stem for path in conf_dir().glob("*.yaml"))


def composed(config_name: str, *overrides: str):
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_dir())):
        return compose(config_name, overrides=list(overrides), return_hydra_config=True)


@pytest.mark.parametrize("config_name", CONFIGS)
def test_each_commands_help_is_its_own_and_its_examples_compose(config_name):
    text = composed(config_name).hydra.help.template
    name = "train" if config_name == "config" else config_name
    assert f"python -m arc_vae.{name} " in text.splitlines()[0] + " " and len(text.splitlines()) < 45
    examples = [line.strip() for line in text.partition("Examples:")[2].splitlines() if "python -m" in line]
    assert len(examples) == 6
    for example in examples:
        words = shlex.split(re.split(r" {3,}", example)[0].replace("<run dir>", "r").replace("<sweep dir>", "s"))
        assert words[:3] == ["python", "-m", f"arc_vae.{name}"]
        composed(config_name, *(word.partition(",")[0] for word in words[3:] if word != "-m"))
    if config_name != "config":
        keys = primary_keys(config_name) - default_choices(config_name).keys() - {"hydra", "passes"}
        assert all(key in text for key in keys), keys


def test_the_package_lists_its_commands(capsys):
    listed = commands()
    assert {usage.split()[2] for usage in listed} >= {"arc_vae.train", "arc_vae.sweep", "arc_vae.evaluate"}
    assert all(listed.values())


@pytest.mark.parametrize(
    ("epoch", "words"), [(1, ", about 7 min left"), (45, ", about 50 s left"), (50, ""), (49, ", about 10 s left")]
)
def test_an_epochs_line_tells_the_time_left(epoch, words):
    seconds = 8.5 if epoch == 1 else 10.0 * epoch
    assert time_left(seconds, epoch, 50) == words


def test_three_steps_of_everything_and_where_the_time_goes(tmp_path):
    small = [word for word in TINY_JOB if word.startswith(("data.", "model."))]
    few = ["debug=profile", "training.limit_batches=3", "training.batch_size=16", "hydra.run.dir=run"]
    said, run = call_command("train", *small, *few, cwd=tmp_path), tmp_path / "run"
    records = read_metrics(run / "metrics.jsonl")
    assert [r["step"] for r in records if "train/loss_total" in r] == [1, 2, 3]
    assert json.loads((run / "metrics.json").read_text())["corpus"]["sizes"] == {"train": 48, "val": 32, "test": 32}
    assert "Self CPU" in (run / "profile.txt").read_text() and "where the time went" in said.stdout + said.stderr
    assert (run / "images" / "samples_epoch_1.png").is_file()
    evaluated = call_command("evaluate", f"run={run}", "device=cpu", cwd=tmp_path)
    assert "sample_validity" in evaluated.stdout
    # Whoever checks the corpus checks those few batches of it.
    assert restore(str(run), "cpu")[2].sizes["train"] == 48
    assert "is finished already" in call_command("train", *small, *few, cwd=tmp_path).stdout


def test_a_short_run_and_one_batch_by_heart_are_a_word_each():
    assert composed("config", "debug=short", "experiment=object_slots").training.limit_batches == 3
    cfg = composed("config", "debug=overfit", "experiment=object_slots")
    assert (cfg.training.overfit_steps, cfg.loss.free_bits, cfg.data.augment) == (100, 100.0, False)
    grids = np.arange(10, dtype=np.uint8)[:, None, None].repeat(16, 1).repeat(16, 2)
    corpus = one_batch(Corpus("ten", grids, grids[:5], grids[5:]), batch_size=4, times=3)
    assert corpus.sizes == {"train": 12, "val": 4, "test": 4} and (corpus.train[4:8] == grids[:4]).all()
