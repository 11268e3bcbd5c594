"""Judging on validation: no test grid, no random number of training's, and a value for Hydra's sweepers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from arc_vae.corpus.atomic.scenes import generate
from arc_vae.corpus.corpus import Corpus
from arc_vae.evaluation import Criteria
from arc_vae.evaluation.catalog import OBJECTIVES, objective_value
from arc_vae.evaluation.measure import epoch_validity, measure_validation
from arc_vae.models import BetaVAE


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus("small", *(generate(split, count, 0) for split, count in (("train", 200), ("val", 40), ("test", 40))))


def test_an_epochs_judgement_draws_no_random_number_of_trainings(corpus):
    model = BetaVAE(2)
    before, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()
    figures = epoch_validity(model, corpus, torch.from_numpy(corpus.val))
    assert torch.equal(torch.get_rng_state(), before) and (np.random.get_state()[1] == numpys).all()
    assert set(figures) >= {"val/sample_validity", "val/interpolation_validity"}
    assert figures == epoch_validity(model, corpus, torch.from_numpy(corpus.val))


def test_validations_figures_see_no_test_grid(corpus, monkeypatch):
    monkeypatch.setattr("arc_vae.evaluation.measure.NUM_SAMPLES", 50)
    model = BetaVAE(2).eval()
    other = replace(corpus, test=np.full_like(corpus.test, 7))
    here, there = (measure_validation(model, c, Criteria(), torch.device("cpu")) for c in (corpus, other))
    assert here == there and set(here["criteria"]) >= {"pixel_accuracy", "sample_validity"}


def test_a_run_of_before_has_no_value_for_a_sweeper():
    assert objective_value({"object_accuracy": 0.5}, "val/object_accuracy") is None
    metrics = {"object_accuracy": 0.5, "validation": {"object_accuracy": 0.25}}
    assert objective_value(metrics, "val/object_accuracy") == 0.25 and "val/sample_validity" in OBJECTIVES
