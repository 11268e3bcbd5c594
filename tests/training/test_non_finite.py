"""A run that leaves the real numbers stops, says where, and keeps its last good checkpoint."""

import math

import numpy as np
import pytest
import torch
from test_resume import TRAINER, learner, train

from arc_vae.common.finite import NonFinite, refuse_non_finite
from arc_vae.evaluation.two_sample import foreground_ratio
from arc_vae.models.decoding import argmax_colors, decode_grids
from arc_vae.runs.run import failure_kind
from arc_vae.training.checkpoint_files import FINAL, LAST
from arc_vae.training.step import NonFiniteLoss, refuse_diverged


class PoisonedAt:
    """An optimizer hook that ruins a weight before the given step."""

    def __init__(self, subject, step: int, value: float):
        self.subject, self.step, self.value, self.count = subject, step, value, 0

    def __call__(self, *_):
        self.count += 1
        if self.count == self.step - 1:
            with torch.no_grad():
                self.subject.model.encoder.mu_head.bias[0] = self.value


@pytest.mark.parametrize(
    ("value", "term"), [(float("nan"), "train/loss_reconstruction=nan"), (1e30, "train/loss_kl=inf")]
)
def test_a_non_finite_loss_stops_the_run_with_step_term_and_remedy(value, term, tmp_path):
    subject = learner()
    subject.optimizer.register_step_post_hook(PoisonedAt(subject, step=7, value=value))
    with pytest.raises(NonFiniteLoss) as error:
        train(tmp_path, subject)
    assert f"{term} at step 7" in str(error.value) and "lower optimizer.lr" in str(error.value)
    last = torch.load(tmp_path / "checkpoints" / LAST, weights_only=True)
    assert last["epoch"] == 1 and all(torch.isfinite(w).all() for w in last["model_state_dict"].values())
    assert not (tmp_path / "checkpoints" / FINAL).exists()


def test_the_clip_bounds_the_update_not_the_record(tmp_path):
    assert TRAINER.gradient_clip == 1.0
    subject = learner()
    seen = []
    subject.optimizer.register_step_pre_hook(
        lambda *_: seen.append(torch.cat([p.grad.flatten() for p in subject.model.parameters()]).norm().item())
    )
    train(tmp_path, subject)
    assert max(seen) == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize("value", [float("nan"), 1e30])
def test_a_divergence_in_an_epochs_last_step_saves_nothing(value, tmp_path):
    subject = learner()
    subject.optimizer.register_step_post_hook(PoisonedAt(subject, step=9, value=value))
    with pytest.raises(NonFiniteLoss, match="after epoch 2: training diverged; start a new run with a lower"):
        train(tmp_path, subject)
    assert failure_kind(NonFiniteLoss("x")) == "instability"
    last = torch.load(tmp_path / "checkpoints" / LAST, weights_only=True)
    assert last["epoch"] == 1 and all(torch.isfinite(w).all() for w in last["model_state_dict"].values())


def test_a_weight_that_shows_in_no_figure_is_named():
    model = torch.nn.Linear(2, 2)
    refuse_diverged({}, "now", model)
    model.bias.data[1] = math.inf
    with pytest.raises(NonFiniteLoss, match="the weight bias is not finite now"):
        refuse_diverged({}, "now", model)


def test_logits_that_are_no_numbers_are_no_colour():
    logits = torch.randn(2, 10, 16, 16)
    logits[0, 3, 5, 5] = logits[1, :, 0, 0] = math.nan
    assert int(argmax_colors(logits).max()) <= 9
    with pytest.raises(NonFinite, match="logits are not numbers"):
        decode_grids(lambda z: logits, torch.zeros(2, 3))


def test_figures_that_are_no_numbers_are_refused_at_any_depth():
    refuse_non_finite({"a": 1, "b": [1.0, {"c": 2.0}], "d": None, "e": "nan"}, "now", "remedy")
    for value in (math.nan, [1.0, math.inf], {"c": [-math.inf]}):
        with pytest.raises(NonFinite, match="b=.* now: training diverged; remedy"):
            refuse_non_finite({"a": 1.0, "b": value}, "now", "remedy")


def test_blank_real_grids_give_a_finite_ratio():
    blank, full = np.zeros((4, 16, 16), np.uint8), np.ones((4, 16, 16), np.uint8)
    assert foreground_ratio(blank, blank) == 1.0 and math.isfinite(foreground_ratio(full, blank))
