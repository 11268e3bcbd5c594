"""A run that leaves the real numbers stops, says where, and keeps its last good checkpoint."""

import pytest
import torch
from test_resume import TRAINER, learner, train

from arc_vae.training.checkpoint_files import FINAL, LAST
from arc_vae.training.step import NonFiniteLoss


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
