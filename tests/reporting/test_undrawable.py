"""A verdict is on the disk before anything is drawn, and no picture takes a run with it."""

import json
import logging
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from arc_vae.evaluation.measure import Measurements
from arc_vae.reporting import epoch_figures
from arc_vae.reporting.latent_space import draw_latent_space, tsne
from arc_vae.runs import evaluate_run as judging
from arc_vae.runs.run_directory import RunDirectory

VERDICT = json.loads((Path(__file__).parents[1] / "fixtures" / "old_runs" / "finished" / "metrics.json").read_text())
RNG = np.random.default_rng(0)
CLOUD = RNG.normal(size=(60, 4)).astype(np.float32)

# Points of which scikit-learn's t-SNE ends the process, or which come near it.
ALIKE = {
    "one point": np.ones((50, 4), np.float32),
    "zeros": np.zeros((50, 1), np.float32),
    "two points": np.repeat(np.eye(4, dtype=np.float32)[:2], 25, axis=0),
    "no number": np.full((50, 4), np.nan, np.float32),
    "one is no number": np.where(np.arange(240).reshape(60, 4) == 7, np.nan, CLOUD).astype(np.float32),
    "infinite": np.where(np.arange(240).reshape(60, 4) == 7, np.inf, CLOUD).astype(np.float32),
    "none": np.zeros((0, 4), np.float32),
}
NEARLY = {
    "three points": np.repeat(np.eye(4, dtype=np.float32)[:3], 20, axis=0),
    "near each other": CLOUD * np.float32(1e-30),
    "far from each other": CLOUD * np.float32(1e30),
    "one apart": np.concatenate([np.zeros((59, 4), np.float32), CLOUD[:3]]),
    "in a line": CLOUD * np.array([1, 0, 0, 0], np.float32),
}


@pytest.mark.parametrize("name", ALIKE)
def test_points_that_are_all_alike_are_not_laid_out(name):
    with np.errstate(invalid="ignore"):
        assert tsne(ALIKE[name]) is None


@pytest.mark.parametrize("name", NEARLY)
def test_points_of_which_some_differ_are_laid_out(name):
    points = tsne(NEARLY[name])
    assert points.shape == (len(NEARLY[name]), 2) and np.isfinite(points).all()


def test_a_latent_space_of_one_point_leaves_the_picture_out(tmp_path, caplog):
    draw_latent_space(ALIKE["one point"], np.ones(50, int), np.ones(50, int), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["latent_space_pca.png"]
    assert "t-SNE is left out" in caplog.text


def test_the_verdict_is_written_before_anything_is_drawn(tmp_path, monkeypatch, caplog):
    blank = np.zeros((6, 16, 16), np.uint8)
    paths = {"straight": np.zeros((2, 11, 16, 16), np.uint8)}
    measured = dict(VERDICT), Measurements(VERDICT, CLOUD[:6], np.ones(6, int), paths), {"step": 1}
    monkeypatch.setattr(judging, "measure_run", lambda *_: measured)
    monkeypatch.setattr(judging, "explain_length", lambda *_: None)

    def fails(*_):
        assert json.loads((tmp_path / "metrics.json").read_text())["criteria"] == VERDICT["criteria"]
        raise RuntimeError("no\nink")

    monkeypatch.setattr(judging, "draw_latent_space", fails)
    (tmp_path / "latent_space_tsne.png").write_bytes(b"of an earlier verdict")
    with caplog.at_level(logging.WARNING):
        judging.evaluate_run(RunDirectory(tmp_path), None, SimpleNamespace(test=blank))
    assert "the latent space could not be drawn (RuntimeError: no ink)" in caplog.text
    assert (tmp_path / "images" / "interpolations.png").is_file()
    assert not (tmp_path / "latent_space_tsne.png").exists(), "a picture of another verdict would stand beside this one"


def test_a_picture_of_an_epoch_that_cannot_be_drawn_is_a_warning(monkeypatch, caplog):
    figures = epoch_figures.EpochFigures.__new__(epoch_figures.EpochFigures)
    figures(7)  # it has no model at all
    assert "what epoch 7 decodes could not be drawn (AttributeError" in caplog.text
