"""Colours are learnt early: with 300 steps of warm-up they were not begun after 3,750 steps on this corpus."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import call_command

from arc_vae.common.errors import UserError
from arc_vae.tracking.metrics_log import read_metrics
from arc_vae.training import Trainer

# 682 steps.
EPOCHS = 11
SIMPLE_SHAPES = Path(__file__).parents[1] / "benchmarks" / "simple_shapes.py"


@pytest.mark.slow
@pytest.mark.long
def test_the_default_leaves_the_saddle_of_the_colours(tmp_path, monkeypatch):
    subprocess.run([sys.executable, SIMPLE_SHAPES, "grids.npz", "--grids", "10000"], cwd=tmp_path, check=True)
    # The first steps of a default run: in one of so few, warm-ups and learning rate would be another's.
    monkeypatch.setattr(Trainer, "_is_finished", lambda trainer, state: state.epoch >= EPOCHS)

    def stop(*_):
        raise UserError("trained for long enough")  # a verdict takes as long as a third of these steps

    monkeypatch.setattr("arc_vae.runs.run.evaluate_run", stop)
    options = ("data=npz", "data.path=grids.npz")
    done = call_command(
        "train",
        *options,
        f"training.image_every={EPOCHS}",
        "wandb.mode=disabled",
        f"hydra.run.dir={tmp_path / 'run'}",
        cwd=tmp_path,
        check=False,
    )
    assert "trained for long enough" in done.stderr
    records = read_metrics(tmp_path / "run" / "metrics.jsonl")
    nats = [record["train/color_nats"] for record in records if "train/color_nats" in record]
    cells = np.load(tmp_path / "grids.npz")["grids"] != 0
    knowing_nothing = cells.sum() / len(cells) * np.log(9)
    assert len(nats) == 682 and np.mean(nats[:50]) > 0.95 * knowing_nothing
    assert np.mean(nats[-50:]) < 0.75 * knowing_nothing
